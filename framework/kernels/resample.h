// framework/kernels/resample.h: bilinear resizing of image planes, and its adjoint.
//
// Output row p samples the input at y = (p + 1/2) H / P - 1/2, cut off at the edges (half-pixel
// centres, as in common image libraries without corner alignment and without antialiasing).
#pragma once

#include <cstdint>

namespace limpid::kernels {

struct ResizeDims {
  int64_t planes, H, W, P, Q;
};

/// x [planes, H, W] -> y [planes, P, Q].
template <class T>
void resize_bilinear(const ResizeDims& d, const T* x, T* y);

/// g [planes, P, Q] -> dx [planes, H, W].
template <class T>
void resize_bilinear_input(const ResizeDims& d, const T* g, T* dx);

/// Output (p, q) copies input (floor(p H / P), floor(q W / Q)).
template <class T>
void resize_nearest(const ResizeDims& d, const T* x, T* y);

/// The adjoint.
template <class T>
void resize_nearest_input(const ResizeDims& d, const T* g, T* dx);

}  // namespace limpid::kernels
