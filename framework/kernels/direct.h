// framework/kernels/direct.h: convolution by sums over taps, for few channels in each group.
//
// With few channels the columns of im2col are too short for a matrix product to pay for copying
// them (a depthwise filter is a product of one row). Here each plane is copied once, with its
// border, and split by stride u into u^2 phases: phase (i, j) holds the pixels (u y + i, u z + j).
// In a phase all outputs see their pixel for tap (r, s) at the same distance, so with rows of
// `width` pixels an output is
//     y[p width + q] = sum over c, r, s of  w[c,r,s] phase(r, s)[p width + q + shift(r, s)]
// for the whole plane as one run: no inner loop over rows, short rows fill packs as well as long
// ones. The few values between q = Q and width are computed and dropped. The input gradient is
// the same sum with negative shifts over maps g that have zeros there, for each phase of dx; the
// weight gradient is the scalar product of g with each shifted phase.
#pragma once

#include "framework/kernels/conv.h"

#include <cstdint>

namespace limpid::kernels::direct {

/// At most kMostTaps taps.
bool supports(const ConvDims& d);

/// Elements of scratch for the current number of threads.
int64_t output_scratch(const ConvDims& d);
int64_t input_scratch(const ConvDims& d);
int64_t weight_scratch(const ConvDims& d);

/// The three kernels of conv.h.
void output(const ConvDims& d, const float* x, const float* w, float* y, float* scratch);
void input(const ConvDims& d, const float* g, const float* w, float* dx, float* scratch);
void weight(const ConvDims& d, const float* g, const float* x, float* dw, float* scratch);

}  // namespace limpid::kernels::direct
