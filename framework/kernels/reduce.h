// framework/kernels/reduce.h: sums and arg-max over one axis of [outer, n, inner].
#pragma once

#include <cstdint>

namespace limpid::kernels {

/// y[o, i] = sum_j x[o, j, i], in a fixed order, carried in double across pieces.
template <class T, class Sum>
void sum_axis(int64_t outer, int64_t n, int64_t inner, const T* x, Sum* y);

/// index[o, i] = the first j at which x[o, j, i] is largest; a NaN counts as largest.
template <class T>
void arg_max_axis(int64_t outer, int64_t n, int64_t inner, const T* x, int64_t* index);

}  // namespace limpid::kernels
