// framework/kernels/direct_table.h: the sums of direct.h and depthwise.h, once per instruction set.
#pragma once

#include "framework/kernels/conv.h"

#include <cstdint>

namespace limpid::kernels {

inline constexpr int64_t kMostTaps = 64;

/// Where the values that a filter sees lie: for channel c and tap t of an output at i, at
/// c * plane + offset[t] + i.
struct Taps {
  int64_t channels, plane, count;
  int64_t offset[kMostTaps];
};

struct DirectTable {
  // out[f][i] = sum w[f][c, t] in[c * plane + offset[t] + i] for i < n, up to a whole pack of 8
  void (*sums)(
      const Taps&, int64_t n, int64_t rows, const float* in, const float* w, int64_t ldw,
      float* out, int64_t ldo);
  // dw[f][c, t] += sum over i < n of g[f][i] in[c * plane + offset[t] + i]; n a multiple of 8
  void (*dots)(
      const Taps&, int64_t n, int64_t rows, const float* g, int64_t ldg, const float* in, float* dw,
      int64_t ldw);

  // depthwise.h: eight channels from `channel` on, of images [first, end) or of all; `lanes` is
  // room for their planes
  void (*depthwise_output)(
      const ConvDims&, int64_t channel, int64_t first, int64_t end, const float* x, const float* w,
      float* lanes, float* y);
  void (*depthwise_input)(
      const ConvDims&, int64_t channel, int64_t first, int64_t end, const float* g, const float* w,
      float* lanes, float* dx);
  void (*depthwise_weight)(
      const ConvDims&, int64_t channel, const float* g, const float* x, float* lanes, float* dw);
};

}  // namespace limpid::kernels
