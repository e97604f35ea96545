// interpret/metrics/localisation.cpp: the pointing game and its controls.
#include "interpret/metrics/localisation.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

// Calls point(n) for a pixel index per image and looks it up in the mask.
template <class Point>
std::vector<bool> play(const Tensor& mask, Point point) {
  check_shape(
      mask.rank() == 4 && mask.size(1) == 1, "pointing_game", "needs masks [N, 1, H, W], got ",
      mask.shape());
  const int64_t cells = mask.size(2) * mask.size(3);
  const float* inside = mask.data<float>();
  std::vector<bool> hits;
  for (int64_t n = 0; n < mask.size(0); ++n) {
    const int64_t pixel = point(n);
    hits.push_back(pixel >= 0 && inside[n * cells + pixel] > 0.5F);
  }
  return hits;
}

}  // namespace

std::vector<bool> pointing_game(const Tensor& map, const Tensor& mask) {
  check_shape(
      map.shape() == mask.shape(), "pointing_game", "map and mask differ (", map.shape(), ", ",
      mask.shape(), ")");
  const int64_t cells = mask.size(2) * mask.size(3);
  return play(mask, [&](int64_t n) -> int64_t {
    const float* values = map.data<float>() + n * cells;
    const bool is_finite =
        std::all_of(values, values + cells, [](float v) { return std::isfinite(v); });
    const auto [low, high] = std::minmax_element(values, values + cells);
    if (!is_finite || *low == *high) return -1;
    return std::max_element(values, values + cells) - values;
  });
}

std::vector<bool> pointing_game_centre(const Tensor& mask) {
  return play(mask, [&](int64_t) { return mask.size(2) / 2 * mask.size(3) + mask.size(3) / 2; });
}

std::vector<bool> pointing_game_random(const Tensor& mask, Rng& rng) {
  return play(mask, [&](int64_t) { return rng.integer(mask.size(2) * mask.size(3)); });
}

double hit_rate(const std::vector<bool>& hits) {
  check_value(!hits.empty(), "hit_rate", "no images");
  const auto count = std::count(hits.begin(), hits.end(), true);
  return static_cast<double>(count) / static_cast<double>(hits.size());
}

}  // namespace limpid::interpret
