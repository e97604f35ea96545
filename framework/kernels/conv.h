// framework/kernels/conv.h: the three kernels of the convolution family.
//
//   T(g, x, w) = sum g[n,k,p,q] x[n,c,y,z] w[k,c,r,s],  y = p*stride + r*dilation - padding, z
//   alike
//
// Each kernel computes one partial derivative of this trilinear form, in one of several ways chosen
// by the shapes (conv.cpp): im2col.h, direct.h, depthwise.h, winograd.h. Letters: N batch,
// C channels in, K channels out, H W image, R S filter, P Q output, G groups. Scratch memory comes
// from the caller.
#pragma once

#include <cstdint>

namespace limpid::kernels {

struct ConvDims {
  int64_t N, C, H, W;
  int64_t K, R, S;
  int64_t P, Q;
  int64_t stride, padding, dilation, groups;
};

/// Elements of scratch that each kernel needs, for the current number of threads.
template <class T>
int64_t conv2d_scratch(const ConvDims& d);
template <class T>
int64_t conv2d_input_scratch(const ConvDims& d);
template <class T>
int64_t conv2d_weight_scratch(const ConvDims& d);

/// y = dT/dg: x [N, C, H, W], w [K, C/G, R, S] -> y [N, K, P, Q].
template <class T>
void conv2d(const ConvDims& d, const T* x, const T* w, T* y, T* scratch);

/// dx = dT/dx: g [N, K, P, Q], w -> dx [N, C, H, W].
template <class T>
void conv2d_input(const ConvDims& d, const T* g, const T* w, T* dx, T* scratch);

/// dw = dT/dw: g, x -> dw [K, C/G, R, S].
template <class T>
void conv2d_weight(const ConvDims& d, const T* g, const T* x, T* dw, T* scratch);

}  // namespace limpid::kernels
