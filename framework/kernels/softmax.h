// framework/kernels/softmax.h: log-softmax of rows and its gradient.
#pragma once

#include <cstdint>

namespace limpid::kernels {

/// y[r, i] = x[r, i] - log sum_j exp(x[r, j]), computed around the largest value of the row.
template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y);

/// dx[r, i] = g[r, i] - exp(out[r, i]) sum_j g[r, j].
template <class T>
void log_softmax_input(int64_t rows, int64_t n, const T* g, const T* out, T* dx);

}  // namespace limpid::kernels
