// tests/kernels/conv_ways.h: runs one way of computing convolutions and measures its errors.
#pragma once

#include "framework/kernels/conv.h"
#include "tests/kernels/random_arrays.h"
#include "tests/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

namespace limpid {

/// The three members for given shapes: f(first operand, second operand, result, scratch).
template <class T>
struct Way {
  using Kernel = std::function<void(const T*, const T*, T*, T*)>;
  int64_t scratch[3];
  Kernel output, input, weight;
};

template <class T>
struct Results {
  std::vector<T> x, w, g, y, dx, dw;
  bool is_intact = true;  // nothing was written behind a result or the scratch
};

template <class T>
Results<T> run_way(const Way<T>& way, const kernels::ConvDims& d, uint64_t seed) {
  Rng rng(seed);
  Results<T> r;
  r.x = random_array<T>(d.N * d.C * d.H * d.W, rng);
  r.w = random_array<T>(d.K * (d.C / d.groups) * d.R * d.S, rng);
  r.g = random_array<T>(d.N * d.K * d.P * d.Q, rng);
  const auto size = [](const std::vector<T>& v) { return static_cast<int64_t>(v.size()); };
  Guarded<T> y(size(r.g)), dx(size(r.x)), dw(size(r.w));
  Guarded<T> s1(way.scratch[0]), s2(way.scratch[1]), s3(way.scratch[2]);
  way.output(r.x.data(), r.w.data(), y.data(), s1.data());
  way.input(r.g.data(), r.w.data(), dx.data(), s2.data());
  way.weight(r.g.data(), r.x.data(), dw.data(), s3.data());
  for (const Guarded<T>* guarded : {&y, &dx, &dw, &s1, &s2, &s3}) {
    r.is_intact = r.is_intact && guarded->is_intact();
  }
  r.y = y.values();
  r.dx = dx.values();
  r.dw = dw.values();
  return r;
}

/// max |a - b| / max |b|
inline double error(const std::vector<float>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  double largest = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    worst = std::max(worst, std::isfinite(difference) ? difference : 1e30);
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}

struct Errors {
  double y, dx, dw;
};

/// Of the three results against the trilinear form in loops, f64.
inline Errors against_loops(const kernels::ConvDims& d, const Results<float>& r) {
  const ConvOptions o = {
      .stride = d.stride, .padding = d.padding, .dilation = d.dilation, .groups = d.groups};
  const Shape sx = {d.N, d.C, d.H, d.W};
  const Shape sw = {d.K, d.C / d.groups, d.R, d.S};
  const Shape sg = {d.N, d.K, d.P, d.Q};
  const Tensor x = as_tensor(sx, r.x), w = as_tensor(sw, r.w), g = as_tensor(sg, r.g);
  return {
      error(r.y, reference::conv2d(x, w, o).to_vector()),
      error(r.dx, reference::conv2d_input(g, w, sx, o).to_vector()),
      error(r.dw, reference::conv2d_weight(g, x, sw, o).to_vector())};
}

inline std::string text(const kernels::ConvDims& d) {
  return "x " + to_string(Shape{d.N, d.C, d.H, d.W}) + " K " + std::to_string(d.K) + " filter " +
         to_string(Shape{d.R, d.S}) + " stride, padding, dilation, groups " +
         to_string(Shape{d.stride, d.padding, d.dilation, d.groups});
}

inline kernels::ConvDims with_outputs(kernels::ConvDims d) {
  d.P = (d.H + 2 * d.padding - (d.R - 1) * d.dilation - 1) / d.stride + 1;
  d.Q = (d.W + 2 * d.padding - (d.S - 1) * d.dilation - 1) / d.stride + 1;
  return d;
}

inline bool fits(const kernels::ConvDims& d) {
  return d.H + 2 * d.padding > (d.R - 1) * d.dilation &&
         d.W + 2 * d.padding > (d.S - 1) * d.dilation;
}

}  // namespace limpid
