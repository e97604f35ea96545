// framework/kernels/conv.cpp: which way a convolution is computed.
//
// The choice depends on the type and the shapes only, so that it is the same at any thread count.
#include "framework/kernels/conv.h"

#include "framework/kernels/im2col.h"
#include "framework/kernels/winograd.h"

#include <algorithm>
#include <type_traits>

namespace limpid::kernels {
namespace {

// A way to compute; m is the side of Winograd's tiles.
struct Plan {
  enum Way { im2col, winograd } way = im2col;
  int64_t m = 0;
};

// Costs in multiply-adds of a good matrix product, fitted to single-thread times on AVX2 and
// AVX-512 (tests/bench/conv_bench.cpp), for a result or gradient of height x width pixels:
//   im2col    9 products a pixel at 3/4 of the best speed, and unfolding, 25 for each copied pixel
//   Winograd  (m + 2)^2 products a tile; the transforms of a tile cost 25 for each channel and
//             point, those of a filter 16 for each point
// So m = 4 serves large images, m = 2 small ones or sizes like 6 that 4 does not divide, and
// neither pays for a single image of many channels.
Plan cheapest(const ConvDims& d, int64_t height, int64_t width) {
  const auto whole = [](int64_t n, int64_t step) { return (n + step - 1) / step; };
  const auto filters = static_cast<double>(d.C * d.K);
  const auto channels = static_cast<double>((whole(d.C, 8) + whole(d.K, 8)) * 8);
  const auto pixels = static_cast<double>(d.N * height * width);
  Plan best;
  double least = 9 * pixels * (1.33 * filters + 25 * static_cast<double>(d.C));
  for (const int64_t m : {4, 2}) {
    const auto points = static_cast<double>((m + 2) * (m + 2));
    const auto tiles = static_cast<double>(d.N * whole(height, m) * whole(width, m));
    const double cost = points * (tiles * (filters + 25 * channels) + 16 * filters);
    if (cost < least) {
      least = cost;
      best = {Plan::winograd, m};
    }
  }
  return best;
}

template <class T>
Plan plan(const ConvDims& d, int64_t height, int64_t width) {
  if (std::is_same_v<T, double>) return {};  // f64 is for accuracy: plain sums
  const bool is_3x3 = d.R == 3 && d.S == 3 && d.stride == 1 && d.dilation == 1 && d.groups == 1;
  if (is_3x3 && std::min(d.C, d.K) >= 8) return cheapest(d, height, width);
  return {};
}

}  // namespace

template <class T>
int64_t conv2d_scratch(const ConvDims& d) {
  const Plan p = plan<T>(d, d.P, d.Q);
  return p.way == Plan::winograd ? winograd::output_scratch(d, p.m) : im2col::output_scratch(d);
}

template <class T>
int64_t conv2d_input_scratch(const ConvDims& d) {
  const Plan p = plan<T>(d, d.H, d.W);
  return p.way == Plan::winograd ? winograd::input_scratch(d, p.m) : im2col::input_scratch(d);
}

template <class T>
int64_t conv2d_weight_scratch(const ConvDims& d) {
  const Plan p = plan<T>(d, d.P, d.Q);
  return p.way == Plan::winograd ? winograd::weight_scratch(d, p.m) : im2col::weight_scratch(d);
}

template <class T>
void conv2d(const ConvDims& d, const T* x, const T* w, T* y, T* scratch) {
  const Plan p = plan<T>(d, d.P, d.Q);
  if constexpr (std::is_same_v<T, float>) {
    if (p.way == Plan::winograd) return winograd::output(d, p.m, x, w, y, scratch);
  }
  im2col::output(d, x, w, y, scratch);
}

template <class T>
void conv2d_input(const ConvDims& d, const T* g, const T* w, T* dx, T* scratch) {
  const Plan p = plan<T>(d, d.H, d.W);
  if constexpr (std::is_same_v<T, float>) {
    if (p.way == Plan::winograd) return winograd::input(d, p.m, g, w, dx, scratch);
  }
  im2col::input(d, g, w, dx, scratch);
}

template <class T>
void conv2d_weight(const ConvDims& d, const T* g, const T* x, T* dw, T* scratch) {
  const Plan p = plan<T>(d, d.P, d.Q);
  if constexpr (std::is_same_v<T, float>) {
    if (p.way == Plan::winograd) return winograd::weight(d, p.m, g, x, dw, scratch);
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
