// framework/kernels/conv.cpp: which way a convolution is computed.
//
// The choice depends on the type and the shapes only, so that it is the same at any thread count.
#include "framework/kernels/conv.h"

#include "framework/kernels/depthwise.h"
#include "framework/kernels/direct.h"
#include "framework/kernels/im2col.h"
#include "framework/kernels/winograd.h"

#include <algorithm>
#include <type_traits>

namespace limpid::kernels {
namespace {

// A way to compute; m is the side of Winograd's tiles.
struct Plan {
  enum Way { im2col, direct, depthwise, winograd } way = im2col;
  int64_t m = 0;
};

enum class Member { output, input, weight };

// Costs in multiply-adds of a good matrix product (about 110 GF/s a core), fitted to single-thread
// times of tests/bench/conv_bench.cpp. Sizes are those of one group.

// A product at 3/4 of the best speed; unfolding, but for 1x1 filters, 25 for each copied pixel.
double im2col_cost(const ConvDims& d) {
  const auto channels = static_cast<double>(d.C / d.groups);
  const auto filters = static_cast<double>(d.K / d.groups);
  const double copied = d.R * d.S == 1 ? 0 : 25 * channels;
  return static_cast<double>(d.R * d.S * d.N * d.P * d.Q) * (1.33 * filters * channels + copied);
}

// Sums at 0.7 of the best speed over all outputs of a plane and those between its rows; for the
// input gradient, over all pixels that filters reach, at half if the phases share the taps.
double direct_cost(const ConvDims& d, Member member) {
  const auto pairs = static_cast<double>(d.C / d.groups * (d.K / d.groups));
  const auto taps = static_cast<double>(d.R * d.S * d.N);
  const int64_t width = d.Q + (d.S - 1) * d.dilation / d.stride;
  const int64_t height = d.P + (d.R - 1) * d.dilation / d.stride;
  const int64_t run = member == Member::input ? height * width : (d.P - 1) * width + d.Q;
  const auto whole = static_cast<double>((run + 7) / 8 * 8);
  return taps * whole * pairs * (member == Member::input && d.stride > 1 ? 2 : 1.4);
}

// (m + 2)^2 products a tile; the transforms of a tile cost 25 for each channel and point, those of
// a filter 16 for each point. So m = 4 serves large images, m = 2 small ones or sizes like 6 that
// 4 does not divide, and neither pays for a single image of many channels.
double winograd_cost(const ConvDims& d, Member member, int64_t m) {
  const auto whole = [](int64_t n, int64_t step) { return (n + step - 1) / step; };
  const bool is_input = member == Member::input;
  const int64_t rows = whole(is_input ? d.H : d.P, m);
  const int64_t columns = whole(is_input ? d.W : d.Q, m);
  const auto tiles = static_cast<double>(d.N * rows * columns);
  const auto filters = static_cast<double>(d.C * d.K);
  const auto channels = static_cast<double>((whole(d.C, 8) + whole(d.K, 8)) * 8);
  const auto points = static_cast<double>((m + 2) * (m + 2));
  return points * (tiles * (filters + 25 * channels) + 16 * filters);
}

template <class T>
Plan plan(const ConvDims& d, Member member) {
  if (std::is_same_v<T, double> || d.N == 0) return {};  // f64 is for accuracy: plain sums
  if (depthwise::supports(d)) return {Plan::depthwise};  // 4 to 17 times as fast as the others
  Plan best;
  double least = im2col_cost(d);
  const auto consider = [&](const Plan& p, double cost) {
    if (cost >= least) return;
    best = p;
    least = cost;
  };
  if (direct::supports(d)) consider({Plan::direct}, direct_cost(d, member));
  if (d.R == 3 && d.S == 3 && d.stride == 1 && d.dilation == 1 && d.groups == 1) {
    consider({Plan::winograd, 4}, winograd_cost(d, member, 4));
    consider({Plan::winograd, 2}, winograd_cost(d, member, 2));
  }
  return best;
}

}  // namespace

template <class T>
int64_t conv2d_scratch(const ConvDims& d) {
  const Plan p = plan<T>(d, Member::output);
  switch (p.way) {
    case Plan::direct: return direct::output_scratch(d);
    case Plan::depthwise: return depthwise::scratch(d);
    case Plan::winograd: return winograd::output_scratch(d, p.m);
    case Plan::im2col: break;
  }
  return im2col::output_scratch(d);
}

template <class T>
int64_t conv2d_input_scratch(const ConvDims& d) {
  const Plan p = plan<T>(d, Member::input);
  switch (p.way) {
    case Plan::direct: return direct::input_scratch(d);
    case Plan::depthwise: return depthwise::scratch(d);
    case Plan::winograd: return winograd::input_scratch(d, p.m);
    case Plan::im2col: break;
  }
  return im2col::input_scratch(d);
}

template <class T>
int64_t conv2d_weight_scratch(const ConvDims& d) {
  const Plan p = plan<T>(d, Member::weight);
  switch (p.way) {
    case Plan::direct: return direct::weight_scratch(d);
    case Plan::depthwise: return depthwise::scratch(d);
    case Plan::winograd: return winograd::weight_scratch(d, p.m);
    case Plan::im2col: break;
  }
  return im2col::weight_scratch(d);
}

template <class T>
void conv2d(const ConvDims& d, const T* x, const T* w, T* y, T* scratch) {
  if constexpr (std::is_same_v<T, float>) {
    const Plan p = plan<T>(d, Member::output);
    switch (p.way) {
      case Plan::direct: return direct::output(d, x, w, y, scratch);
      case Plan::depthwise: return depthwise::output(d, x, w, y, scratch);
      case Plan::winograd: return winograd::output(d, p.m, x, w, y, scratch);
      case Plan::im2col: break;
    }
  }
  im2col::output(d, x, w, y, scratch);
}

template <class T>
void conv2d_input(const ConvDims& d, const T* g, const T* w, T* dx, T* scratch) {
  if constexpr (std::is_same_v<T, float>) {
    const Plan p = plan<T>(d, Member::input);
    switch (p.way) {
      case Plan::direct: return direct::input(d, g, w, dx, scratch);
      case Plan::depthwise: return depthwise::input(d, g, w, dx, scratch);
      case Plan::winograd: return winograd::input(d, p.m, g, w, dx, scratch);
      case Plan::im2col: break;
    }
  }
  im2col::input(d, g, w, dx, scratch);
}

template <class T>
void conv2d_weight(const ConvDims& d, const T* g, const T* x, T* dw, T* scratch) {
  if constexpr (std::is_same_v<T, float>) {
    const Plan p = plan<T>(d, Member::weight);
    switch (p.way) {
      case Plan::direct: return direct::weight(d, g, x, dw, scratch);
      case Plan::depthwise: return depthwise::weight(d, g, x, dw, scratch);
      case Plan::winograd: return winograd::weight(d, p.m, g, x, dw, scratch);
      case Plan::im2col: break;
    }
  }
  im2col::weight(d, g, x, dw, scratch);
}

template int64_t conv2d_scratch<float>(const ConvDims&);
template int64_t conv2d_scratch<double>(const ConvDims&);
template int64_t conv2d_input_scratch<float>(const ConvDims&);
template int64_t conv2d_input_scratch<double>(const ConvDims&);
template int64_t conv2d_weight_scratch<float>(const ConvDims&);
template int64_t conv2d_weight_scratch<double>(const ConvDims&);
template void conv2d(const ConvDims&, const float*, const float*, float*, float*);
template void conv2d(const ConvDims&, const double*, const double*, double*, double*);
template void conv2d_input(const ConvDims&, const float*, const float*, float*, float*);
template void conv2d_input(const ConvDims&, const double*, const double*, double*, double*);
template void conv2d_weight(const ConvDims&, const float*, const float*, float*, float*);
template void conv2d_weight(const ConvDims&, const double*, const double*, double*, double*);

}  // namespace limpid::kernels
