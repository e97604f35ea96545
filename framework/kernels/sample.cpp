// framework/kernels/sample.cpp: places and weights, shared by both directions.
#include "framework/kernels/sample.h"

#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>

namespace limpid::kernels {
namespace {

int64_t planes_per_block(const SampleDims& d) {
  return (1 << 13) / (d.P * d.Q + d.H * d.W + 1) + 1;
}

// A place on an axis of n pixels reads (1 - weight) x[low] + weight x[low + 1].
struct Place {
  int64_t low;
  double weight;
};
Place place(double exact, int64_t n, bool hold_edge) {
  // Beyond -1 and n nothing is left of the image: any such place will do, and fits an integer
  const auto size = static_cast<double>(n);
  const double held = hold_edge ? std::clamp(exact, 0.0, size - 1) : std::clamp(exact, -1.0, size);
  const double low = std::floor(held);
  return {static_cast<int64_t>(low), held - low};
}

// Calls f(output index, input index, weight) for every pair of pixels of one plane that has a
// weight. Pixels of weight 0 are not touched: a NaN beside a place that is read exactly stays out.
template <class F>
void for_weights(const SampleDims& d, const double* map, F&& f) {
  for (int64_t p = 0; p < d.P; ++p) {
    for (int64_t q = 0; q < d.Q; ++q) {
      const auto row = static_cast<double>(p), column = static_cast<double>(q);
      const Place y = place(map[0] * row + map[1] * column + map[2], d.H, d.hold_edge);
      const Place x = place(map[3] * row + map[4] * column + map[5], d.W, d.hold_edge);
      for (int64_t k = 0; k < 4; ++k) {
        const int64_t i = y.low + k / 2, j = x.low + k % 2;
        const double weight =
            (k / 2 == 0 ? 1 - y.weight : y.weight) * (k % 2 == 0 ? 1 - x.weight : x.weight);
        const bool inside = i >= 0 && i < d.H && j >= 0 && j < d.W;
        if (inside && weight != 0) f(p * d.Q + q, i * d.W + j, weight);
      }
    }
  }
}

}  // namespace

template <class T>
void sample_bilinear(const SampleDims& d, const double* maps, const T* x, T* y) {
  parallel::for_blocks(d.N * d.C, planes_per_block(d), [&](int64_t begin, int64_t end) {
    std::fill(y + begin * d.P * d.Q, y + end * d.P * d.Q, T(0));
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = x + plane * d.H * d.W;
      T* to = y + plane * d.P * d.Q;
      for_weights(d, maps + plane / d.C * 6, [&](int64_t out, int64_t in, double weight) {
        to[out] += static_cast<T>(weight) * from[in];
      });
    }
  });
}

template <class T>
void spread_bilinear(const SampleDims& d, const double* maps, const T* g, T* dx) {
  parallel::for_blocks(d.N * d.C, planes_per_block(d), [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * d.H * d.W, dx + end * d.H * d.W, T(0));
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = g + plane * d.P * d.Q;
      T* to = dx + plane * d.H * d.W;
      for_weights(d, maps + plane / d.C * 6, [&](int64_t out, int64_t in, double weight) {
        to[in] += static_cast<T>(weight) * from[out];
      });
    }
  });
}

template void sample_bilinear(const SampleDims&, const double*, const float*, float*);
template void sample_bilinear(const SampleDims&, const double*, const double*, double*);
template void spread_bilinear(const SampleDims&, const double*, const float*, float*);
template void spread_bilinear(const SampleDims&, const double*, const double*, double*);

}  // namespace limpid::kernels
