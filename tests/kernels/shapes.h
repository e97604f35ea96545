// tests/kernels/shapes.h: random sizes for kernel tests.
#pragma once

#include "framework/core/rng.h"
#include "framework/core/shape.h"

#include <vector>

namespace limpid {

inline int64_t between(Rng& rng, int64_t low, int64_t high) {
  return low + rng.integer(high - low + 1);
}

/// Of the given rank, each size between 1 and `largest`.
inline Shape random_shape(Rng& rng, int rank, int64_t largest) {
  std::vector<int64_t> sizes;
  for (int d = 0; d < rank; ++d) sizes.push_back(between(rng, 1, largest));
  return Shape(std::span<const int64_t>(sizes));
}

}  // namespace limpid
