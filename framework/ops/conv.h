// framework/ops/conv.h: 2-D convolution and its two adjoints.
//
// All three functions are partial derivatives of one trilinear form
//     T(g, x, w) = sum over n,k,p,q,c,r,s of  g[n,k,p,q] * x[n,c,p*u+r*e-a,q*u+s*e-a] * w[k,c,r,s]
// (u = stride, e = dilation, a = zero padding):
//     conv2d = dT/dg,  conv2d_input = dT/dx,  conv2d_weight = dT/dw.
// Hence the gradient of each one is made of the other two, and derivatives of every order exist.
// conv2d_input is also what other frameworks call a transposed convolution.
//
// Shapes   x [N, C, H, W]   w [K, C/groups, R, S]   g [N, K, P, Q]
// Kernels  framework/kernels/conv.h          Tests  tests/ops/op_table_families.cpp
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

struct ConvOptions {
  int64_t stride = 1;
  int64_t padding = 0;   // zeros added on each of the four sides, in pixels
  int64_t dilation = 1;  // distance between neighbouring filter taps, in pixels
  int64_t groups = 1;    // must divide both C and K
};

/// Cross-correlation of every image with every filter.
/// y[n,k,p,q] = sum_{c,r,s} x[n,c,p*u+r*e-a,q*u+s*e-a] * w[k,c,r,s];  y is [N, K, P, Q].
/// Throws ShapeError if the channels of x and w disagree or a filter exceeds the padded image,
/// ValueError for a stride, dilation or group count below 1 or a negative padding.
Tensor conv2d(const Tensor& x, const Tensor& w, const ConvOptions& options = {});

/// dT/dx: spreads g over an image of `input` = [N, C, H, W]. Throws ShapeError unless conv2d of
/// that shape gives the shape of g.
Tensor conv2d_input(
    const Tensor& g, const Tensor& w, const Shape& input, const ConvOptions& options = {});

/// dT/dw: correlates g with x for filters of `weight` = [K, C/groups, R, S].
Tensor conv2d_weight(
    const Tensor& g, const Tensor& x, const Shape& weight, const ConvOptions& options = {});

/// Transposed convolution as layers use it: conv2d_input with the input size that follows from g,
/// H = (P - 1) stride - 2 padding + dilation (R - 1) + 1 + output_padding. g [N, K, P, Q],
/// w [K, C/groups, R, S] -> [N, C, H, W]. Throws ValueError unless output_padding < stride.
Tensor conv_transpose2d(
    const Tensor& g, const Tensor& w, const ConvOptions& options = {}, int64_t output_padding = 0);

}  // namespace limpid
