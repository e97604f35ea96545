// framework/kernels/depthwise.cpp: groups of eight channels in parallel.
#include "framework/kernels/depthwise.h"

#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"

#include <algorithm>

namespace limpid::kernels::depthwise {
namespace {

constexpr int64_t kGroup = 8;   // channels of a pack
constexpr int64_t kImages = 8;  // images of an item

// The bordered image, the map and one more image of eight channels.
int64_t slot_size(const ConvDims& d) {
  const int64_t reach = 2 * d.dilation + 1;
  const int64_t rows = std::max(d.P * d.stride + reach, d.H + d.padding + reach);
  const int64_t columns = std::max(d.Q * d.stride + reach, d.W + d.padding + reach);
  return (rows * columns + d.P * d.Q + d.H * d.W) * kGroup;
}

int64_t groups(const ConvDims& d) { return (d.C + kGroup - 1) / kGroup; }

// Calls f(channel, first image, end, memory) for groups of channels of several images.
template <class F>
void for_items(const ConvDims& d, float* scratch, F&& f) {
  const int64_t batches = (d.N + kImages - 1) / kImages;
  parallel::for_blocks(batches * groups(d), 1, [&](int64_t item, int64_t) {
    const int64_t first = item / groups(d) * kImages;
    f(item % groups(d) * kGroup, first, std::min(d.N, first + kImages),
      scratch + parallel::slot() * slot_size(d));
  });
}

}  // namespace

bool supports(const ConvDims& d) { return d.groups == d.C && d.C == d.K && d.R == 3 && d.S == 3; }

int64_t scratch(const ConvDims& d) { return slot_size(d) * parallel::threads(); }

void output(const ConvDims& d, const float* x, const float* w, float* y, float* memory) {
  for_items(d, memory, [&](int64_t channel, int64_t first, int64_t end, float* lanes) {
    direct_table().depthwise_output(d, channel, first, end, x, w, lanes, y);
  });
}

void input(const ConvDims& d, const float* g, const float* w, float* dx, float* memory) {
  for_items(d, memory, [&](int64_t channel, int64_t first, int64_t end, float* lanes) {
    direct_table().depthwise_input(d, channel, first, end, g, w, lanes, dx);
  });
}

void weight(const ConvDims& d, const float* g, const float* x, float* dw, float* memory) {
  parallel::for_blocks(groups(d), 1, [&](int64_t group, int64_t) {
    float* lanes = memory + parallel::slot() * slot_size(d);
    direct_table().depthwise_weight(d, group * kGroup, g, x, lanes, dw);
  });
}

}  // namespace limpid::kernels::depthwise
