// framework/kernels/sample.h: image planes read at places given by an affine map, and the adjoint.
//
// Output pixel (p, q) of image n looks at row y = m0 p + m1 q + m2 and column x = m3 p + m4 q + m5,
// where m = maps[n], and takes the mean of the four pixels around, weighted by nearness. Places
// beyond the image are held at its edge, or count as 0.
#pragma once

#include <cstdint>

namespace limpid::kernels {

struct SampleDims {
  int64_t N, C, H, W, P, Q;
  bool hold_edge;
};

/// maps [N, 6], x [N, C, H, W] -> y [N, C, P, Q].
template <class T>
void sample_bilinear(const SampleDims& d, const double* maps, const T* x, T* y);

/// maps [N, 6], g [N, C, P, Q] -> dx [N, C, H, W].
template <class T>
void spread_bilinear(const SampleDims& d, const double* maps, const T* g, T* dx);

}  // namespace limpid::kernels
