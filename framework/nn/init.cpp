// framework/nn/init.cpp: variances from the sizes of a weight.
#include "framework/nn/init.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"

#include <cmath>

namespace limpid {
namespace {

struct Fans {
  double in, out;
};

Fans fans(const char* op, const Shape& shape) {
  check_shape(
      shape.rank() >= 2 && shape.numel() > 0, op,
      "needs a weight of at least two dimensions, none of them 0, got ", shape);
  const double all = static_cast<double>(shape.numel());
  return {all / static_cast<double>(shape[0]), all / static_cast<double>(shape[1])};
}

Tensor normal_with(const Shape& shape, double variance, Rng& rng) {
  return Tensor::normal(shape, rng, 0, std::sqrt(variance));
}

// Uniform on [-b, b] has variance b^2 / 3
Tensor uniform_with(const Shape& shape, double variance, Rng& rng) {
  const double bound = std::sqrt(3 * variance);
  return Tensor::uniform(shape, rng, -bound, bound);
}

double kaiming_variance(const char* op, const Shape& shape) { return 2 / fans(op, shape).in; }

double xavier_variance(const char* op, const Shape& shape) {
  const Fans f = fans(op, shape);
  return 2 / (f.in + f.out);
}

}  // namespace

Tensor uniform_by_fan_in(const Shape& shape, int64_t fan_in, Rng& rng) {
  check_value(fan_in >= 1, "init", "fan-in must be at least 1, got ", fan_in);
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return Tensor::uniform(shape, rng, -bound, bound);
}

Tensor kaiming_normal(const Shape& shape, Rng& rng) {
  return normal_with(shape, kaiming_variance("kaiming_normal", shape), rng);
}

Tensor kaiming_uniform(const Shape& shape, Rng& rng) {
  return uniform_with(shape, kaiming_variance("kaiming_uniform", shape), rng);
}

Tensor xavier_normal(const Shape& shape, Rng& rng) {
  return normal_with(shape, xavier_variance("xavier_normal", shape), rng);
}

Tensor xavier_uniform(const Shape& shape, Rng& rng) {
  return uniform_with(shape, xavier_variance("xavier_uniform", shape), rng);
}

}  // namespace limpid
