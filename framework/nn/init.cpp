// framework/nn/init.cpp: initial values of weights.
#include "framework/nn/init.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"

#include <cmath>

namespace limpid {

Tensor uniform_by_fan_in(const Shape& shape, int64_t fan_in, Rng& rng) {
  check_value(fan_in >= 1, "init", "fan-in must be at least 1, got ", fan_in);
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return Tensor::uniform(shape, rng, -bound, bound);
}

}  // namespace limpid
