// framework/kernels/depthwise.h: convolution with one 3x3 filter for each channel.
//
// There is nothing to multiply as matrices: 9 multiply-adds for each value read. So eight channels
// share a pack (lanes.inl.h): a filter is nine packs that stay in registers, and neither stride
// nor image size costs anything.
#pragma once

#include "framework/kernels/conv.h"

#include <cstdint>

namespace limpid::kernels::depthwise {

/// groups = C = K, 3x3.
bool supports(const ConvDims& d);

/// Elements of scratch for each of the three.
int64_t scratch(const ConvDims& d);

/// The three kernels of conv.h.
void output(const ConvDims& d, const float* x, const float* w, float* y, float* scratch);
void input(const ConvDims& d, const float* g, const float* w, float* dx, float* scratch);
void weight(const ConvDims& d, const float* g, const float* x, float* dw, float* scratch);

}  // namespace limpid::kernels::depthwise
