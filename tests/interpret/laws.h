// tests/interpret/laws.h: the laws on which denoising autoencoders are checked.
#pragma once

#include "interpret/transport/law.h"

#include <cmath>
#include <initializer_list>

namespace limpid::interpret {

inline Tensor column(std::initializer_list<double> values) {
  return Tensor::of({static_cast<int64_t>(values.size()), 1}, values, DType::f64);
}

/// 0.3 N(-2, 1) + 0.7 N(1, 1.44).
inline MixtureLaw two_bumps() {
  return MixtureLaw(
      Tensor::of({2}, {0.3, 0.7}, DType::f64), column({-2, 1}),
      Tensor::of({2, 1, 1}, {1, 1.44}, DType::f64));
}

/// Its distribution function with variance `shift` added.
inline double two_bumps_cdf(double x, double shift) {
  const auto normal_cdf = [](double z) { return std::erfc(-z / std::sqrt(2)) / 2; };
  return 0.3 * normal_cdf((x + 2) / std::sqrt(1 + shift)) +
         0.7 * normal_cdf((x - 1) / std::sqrt(1.44 + shift));
}

/// Three correlated components in the plane.
inline MixtureLaw three_blobs(NoiseShape noise = {}) {
  return MixtureLaw(
      Tensor::of({3}, {0.5, 0.2, 0.3}, DType::f64),
      Tensor::of({3, 2}, {0, 0, 2, 1, -1, 2}, DType::f64),
      Tensor::of({3, 2, 2}, {1, 0.3, 0.3, 0.5, 0.4, 0, 0, 0.9, 0.6, -0.2, -0.2, 0.7}, DType::f64),
      std::move(noise));
}

inline MixtureLaw normal_in_1d(double mean, double variance) {
  return normal_law(
      Tensor::of({1}, {mean}, DType::f64), Tensor::of({1, 1}, {variance}, DType::f64));
}

inline Tensor diagonal(double a, double b) { return Tensor::of({2, 2}, {a, 0, 0, b}, DType::f64); }

/// N(0, diag(a, b)), and four points whose mean and covariance are exactly 0 and diag(a, b).
inline MixtureLaw normal_in_2d(double a, double b, NoiseShape noise = {}) {
  return normal_law(Tensor::zeros({2}, DType::f64), diagonal(a, b), std::move(noise));
}
inline Tensor four_points(double a, double b) {
  const double x = std::sqrt(2 * a), y = std::sqrt(2 * b);
  return Tensor::of({4, 2}, {x, 0, -x, 0, 0, y, 0, -y}, DType::f64);
}

}  // namespace limpid::interpret
