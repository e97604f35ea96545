// framework/kernels/pool.h: pooling over windows of each image plane.
//
// `planes` = N*C. Windows are k x k, `stride` apart, on a border of `padding` cells.
#pragma once

#include <cstdint>

namespace limpid::kernels {

struct PoolDims {
  int64_t planes, H, W, P, Q;
  int64_t k, stride, padding;
};

/// Largest value of each window; the border never wins, NaN always does, the first of equals.
/// index (may be null): position of the winner within its input plane.
template <class T>
void max_pool2d(const PoolDims& d, const T* x, T* y, int32_t* index);

/// y[plane, i] = x[plane, index[plane, i]] for planes of `in` values read at `out` positions.
template <class T>
void plane_pick(int64_t planes, int64_t in, int64_t out, const T* x, const int32_t* index, T* y);

/// The adjoint: y = 0; y[plane, index[plane, i]] += g[plane, i].
template <class T>
void plane_spread(int64_t planes, int64_t in, int64_t out, const T* g, const int32_t* index, T* y);

/// Mean of each window, the border counted as zeros.
template <class T>
void avg_pool2d(const PoolDims& d, const T* x, T* y);

/// The adjoint: each output gradient divided evenly over its window.
template <class T>
void avg_pool2d_input(const PoolDims& d, const T* g, T* dx);

/// Mean of input rows floor(p H / P) to ceil((p + 1) H / P) - 1 and columns alike; k, stride and
/// padding are not read.
template <class T>
void adaptive_avg_pool2d(const PoolDims& d, const T* x, T* y);

/// The adjoint.
template <class T>
void adaptive_avg_pool2d_input(const PoolDims& d, const T* g, T* dx);

}  // namespace limpid::kernels
