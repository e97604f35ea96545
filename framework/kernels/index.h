// framework/kernels/index.h: rearrangements. T is float, double or int64_t where nothing is added.
#pragma once

#include "framework/core/shape.h"

#include <cstdint>

namespace limpid::kernels {

/// Copies `count` slices of an axis: to[o, to_begin + j, i] = from[o, from_begin + j, i], where
/// the axis has from_size and to_size entries; the rest of `to` is left alone.
template <class T>
void copy_slices(
    int64_t outer, int64_t inner, int64_t count, const T* from, int64_t from_size,
    int64_t from_begin, T* to, int64_t to_size, int64_t to_begin);

/// y[position permuted] = x[position]: dimension d of y is dimension order[d] of x.
template <class T>
void permute(const Shape& x_shape, const int* order, const T* x, T* y);

/// y[o, j, i] = x[o, index[o, j, i], i]; x has n entries on the axis, index has m.
template <class T>
void gather(
    int64_t outer, int64_t n, int64_t m, int64_t inner, const T* x, const int64_t* index, T* y);

/// The adjoint: y = 0; y[o, index[o, j, i], i] += g[o, j, i], in order of j.
template <class T>
void scatter_add(
    int64_t outer, int64_t n, int64_t m, int64_t inner, const T* g, const int64_t* index, T* y);

/// Running sums along the middle axis of [outer, n, inner], from its start or from its end.
template <class T>
void cumsum(int64_t outer, int64_t n, int64_t inner, bool from_the_end, const T* x, T* y);

/// y[k, :] = x[index[k], :] for rows of `width`.
template <class T>
void take_rows(int64_t count, int64_t width, const T* x, const int64_t* index, T* y);

/// The adjoint: y[index[k], :] += g[k, :], in order of k.
template <class T>
void add_rows(int64_t count, int64_t width, const T* g, const int64_t* index, T* y);

/// index[o, :, i] = the order that sorts x[o, :, i], ascending or descending; equal entries keep
/// their order, NaN comes last.
template <class T>
void arg_sort(int64_t outer, int64_t n, int64_t inner, bool descending, const T* x, int64_t* index);

}  // namespace limpid::kernels
