// framework/kernels/winograd.h: 3x3 convolution with a quarter of the multiplications.
//
// Along one axis, m outputs of a filter of 3 taps are the middle coefficients of a product of
// polynomials. Winograd (1980): evaluate both factors at n = m + 2 points (one of them infinity),
// multiply point by point, interpolate. As matrices, for a tile y of m outputs from n inputs d,
//     y = A' [(G w) * (B' d)]      (* element by element)
// so m outputs cost n products instead of 3 m. Along both axes (Lavin and Gray 2016),
//     Y = A' [(G w G') * (B' d B)] A:
// F(4x4, 3x3) needs 36 products for 16 outputs, 2.25 an output instead of 9; F(2x2, 3x3) 16 for 4.
//
// Hence the trilinear form of conv.h is, summed over tiles t and points i,
//     T(g, x, w) = sum [A g_t A']_i [B' x_t B]_i [G w G']_i
// and each partial derivative multiplies two of the transforms, at each point a matrix product,
// and sends the result back through the transposed third transform:
//     dT/dg = A' [(G w G') (B' x B)] A         products [tiles, C] [C, K]
//     dT/dw = G' [(A g A')' (B' x B)] G        products [K, tiles] [tiles, C]
// dT/dx is dT/dg of g as the image, with filters turned by 180 degrees, channels exchanged and
// the border 2 - padding: its tiles do not overlap.
//
// The transforms amplify rounding, the more the further the points are from 1. F(4x4) uses 0, +-a,
// +-1/a and infinity with a = sqrt(2), whose squares are exact: a fifth of the error of the usual
// 0, +-1, +-2. What remains is about five times the error of a plain sum in f32 (bounds in
// tests/kernels/winograd_test.cpp); f64, which is for accuracy, never comes here.
#pragma once

#include "framework/kernels/conv.h"

#include <cstdint>

namespace limpid::kernels::winograd {

/// Elements of scratch for tiles of m x m outputs, m = 2 or 4, and the current number of threads.
int64_t output_scratch(const ConvDims& d, int64_t m);
int64_t input_scratch(const ConvDims& d, int64_t m);
int64_t weight_scratch(const ConvDims& d, int64_t m);

/// The three kernels of conv.h for 3x3 filters, stride, dilation and groups 1.
void output(const ConvDims& d, int64_t m, const float* x, const float* w, float* y, float* scratch);
void input(const ConvDims& d, int64_t m, const float* g, const float* w, float* dx, float* scratch);
void weight(
    const ConvDims& d, int64_t m, const float* g, const float* x, float* dw, float* scratch);

}  // namespace limpid::kernels::winograd
