// framework/kernels/resample.cpp: bilinear weights per row and column, shared by both directions.
#include "framework/kernels/resample.h"

#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>

namespace limpid::kernels {
namespace {

int64_t planes_per_block(const ResizeDims& d) {
  return (1 << 13) / (d.P * d.Q + d.H * d.W + 1) + 1;
}

// Output position i of `out` reads (1 - weight) x[low] + weight x[high] of `in` inputs.
struct Sample {
  int64_t low, high;
  double weight;
};
Sample sample(int64_t i, int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double exact = std::max(0.0, (static_cast<double>(i) + 0.5) * scale - 0.5);
  const int64_t low = std::min(static_cast<int64_t>(exact), in - 1);
  return {low, std::min(low + 1, in - 1), std::min(1.0, exact - static_cast<double>(low))};
}

// Calls f(output index, four input indices, four weights) for every output of a plane.
template <class F>
void for_samples(const ResizeDims& d, F&& f) {
  for (int64_t p = 0; p < d.P; ++p) {
    const Sample y = sample(p, d.H, d.P);
    for (int64_t q = 0; q < d.Q; ++q) {
      const Sample x = sample(q, d.W, d.Q);
      const int64_t at[4] = {
          y.low * d.W + x.low, y.low * d.W + x.high, y.high * d.W + x.low, y.high * d.W + x.high};
      const double weight[4] = {
          (1 - y.weight) * (1 - x.weight), (1 - y.weight) * x.weight, y.weight * (1 - x.weight),
          y.weight * x.weight};
      f(p * d.Q + q, at, weight);
    }
  }
}

}  // namespace

template <class T>
void resize_bilinear(const ResizeDims& d, const T* x, T* y) {
  parallel::for_blocks(d.planes, planes_per_block(d), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = x + plane * d.H * d.W;
      T* to = y + plane * d.P * d.Q;
      for_samples(d, [&](int64_t i, const int64_t* at, const double* weight) {
        double value = 0;
        for (int k = 0; k < 4; ++k) value += weight[k] * static_cast<double>(from[at[k]]);
        to[i] = static_cast<T>(value);
      });
    }
  });
}

template <class T>
void resize_bilinear_input(const ResizeDims& d, const T* g, T* dx) {
  parallel::for_blocks(d.planes, planes_per_block(d), [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * d.H * d.W, dx + end * d.H * d.W, T(0));
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = g + plane * d.P * d.Q;
      T* to = dx + plane * d.H * d.W;
      for_samples(d, [&](int64_t i, const int64_t* at, const double* weight) {
        for (int k = 0; k < 4; ++k) to[at[k]] += static_cast<T>(weight[k]) * from[i];
      });
    }
  });
}

template <class T>
void resize_nearest(const ResizeDims& d, const T* x, T* y) {
  parallel::for_blocks(d.planes, planes_per_block(d), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin * d.P * d.Q; item < end * d.P * d.Q; ++item) {
      const T* image = x + item / (d.P * d.Q) * d.H * d.W;
      y[item] = image[item / d.Q % d.P * d.H / d.P * d.W + item % d.Q * d.W / d.Q];
    }
  });
}

template <class T>
void resize_nearest_input(const ResizeDims& d, const T* g, T* dx) {
  parallel::for_blocks(d.planes, planes_per_block(d), [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * d.H * d.W, dx + end * d.H * d.W, T(0));
    for (int64_t item = begin * d.P * d.Q; item < end * d.P * d.Q; ++item) {
      T* image = dx + item / (d.P * d.Q) * d.H * d.W;
      image[item / d.Q % d.P * d.H / d.P * d.W + item % d.Q * d.W / d.Q] += g[item];
    }
  });
}

template void resize_bilinear(const ResizeDims&, const float*, float*);
template void resize_bilinear(const ResizeDims&, const double*, double*);
template void resize_bilinear_input(const ResizeDims&, const float*, float*);
template void resize_bilinear_input(const ResizeDims&, const double*, double*);

template void resize_nearest(const ResizeDims&, const float*, float*);
template void resize_nearest(const ResizeDims&, const double*, double*);
template void resize_nearest_input(const ResizeDims&, const float*, float*);
template void resize_nearest_input(const ResizeDims&, const double*, double*);

}  // namespace limpid::kernels
