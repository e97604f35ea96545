// interpret/metrics/localisation.cpp: the pointing game and its controls.
#include "interpret/metrics/localisation.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace limpid::interpret {
namespace {

// A pixel of this plane is inside the object, or nearer than `tolerance` to one that is.
bool is_near(const float* inside, int64_t height, int64_t width, int64_t pixel, double tolerance) {
  const auto reach = static_cast<int64_t>(tolerance);
  for (int64_t dy = -reach; dy <= reach; ++dy) {
    for (int64_t dx = -reach; dx <= reach; ++dx) {
      const int64_t y = pixel / width + dy;
      const int64_t x = pixel % width + dx;
      const bool is_pixel = y >= 0 && y < height && x >= 0 && x < width;
      const bool counts =
          (dy == 0 && dx == 0) || static_cast<double>(dy * dy + dx * dx) < tolerance * tolerance;
      if (is_pixel && counts && inside[y * width + x] > 0.5F) return true;
    }
  }
  return false;
}

// Calls point(n) for a pixel index per image and looks it up in the mask.
template <class Point>
std::vector<bool> play(const Tensor& mask, double tolerance, Point point) {
  check_shape(
      mask.rank() == 4 && mask.size(1) == 1, "pointing_game", "needs masks [N, 1, H, W], got ",
      mask.shape());
  check_value(tolerance >= 0, "pointing_game", "tolerance ", tolerance, " is negative");
  const int64_t height = mask.size(2);
  const int64_t width = mask.size(3);
  const float* inside = mask.data<float>();
  std::vector<bool> hits;
  for (int64_t n = 0; n < mask.size(0); ++n, inside += height * width) {
    const int64_t pixel = point(n);
    hits.push_back(pixel >= 0 && is_near(inside, height, width, pixel, tolerance));
  }
  return hits;
}

void check_same_shape(const Tensor& map, const Tensor& mask) {
  check_shape(
      map.shape() == mask.shape(), "pointing_game", "map and mask differ (", map.shape(), ", ",
      mask.shape(), ")");
}

}  // namespace

std::vector<bool> pointing_game(const Tensor& map, const Tensor& mask, double tolerance) {
  check_same_shape(map, mask);
  const int64_t cells = mask.size(2) * mask.size(3);
  return play(mask, tolerance, [&](int64_t n) -> int64_t {
    const float* values = map.data<float>() + n * cells;
    const bool is_finite =
        std::all_of(values, values + cells, [](float v) { return std::isfinite(v); });
    const auto [low, high] = std::minmax_element(values, values + cells);
    if (!is_finite || *low == *high) return -1;
    return std::max_element(values, values + cells) - values;
  });
}

std::vector<bool> pointing_game_centre(const Tensor& mask, double tolerance) {
  return play(
      mask, tolerance, [&](int64_t) { return mask.size(2) / 2 * mask.size(3) + mask.size(3) / 2; });
}

std::vector<bool> pointing_game_random(const Tensor& mask, Rng& rng, double tolerance) {
  return play(mask, tolerance, [&](int64_t) { return rng.integer(mask.size(2) * mask.size(3)); });
}

double hit_rate(const std::vector<bool>& hits) {
  check_value(!hits.empty(), "hit_rate", "no images");
  const auto count = std::count(hits.begin(), hits.end(), true);
  return static_cast<double>(count) / static_cast<double>(hits.size());
}

std::vector<double> energy_pointing_game(const Tensor& map, const Tensor& mask) {
  check_same_shape(map, mask);
  const int64_t cells = mask.size(2) * mask.size(3);
  const float* values = map.data<float>();
  const float* inside = mask.data<float>();
  std::vector<double> shares;
  for (int64_t n = 0; n < mask.size(0); ++n, values += cells, inside += cells) {
    double within = 0, total = 0;
    for (int64_t i = 0; i < cells; ++i) {
      total += static_cast<double>(values[i]);
      within += inside[i] > 0.5F ? static_cast<double>(values[i]) : 0.0;
    }
    shares.push_back(std::isfinite(total) && total > 0 ? within / total : 0);
  }
  return shares;
}

double class_mean(std::span<const double> values, std::span<const int64_t> classes) {
  check_shape(
      values.size() == classes.size() && !values.empty(), "class_mean",
      "needs one class per value, got ", classes.size(), " for ", values.size());
  struct Sum {
    double total = 0, count = 0;
  };
  std::map<int64_t, Sum> sums;
  for (size_t n = 0; n < values.size(); ++n) {
    sums[classes[n]].total += values[n];
    sums[classes[n]].count += 1;
  }
  double mean = 0;
  for (const auto& [k, sum] : sums) mean += sum.total / sum.count;
  return mean / static_cast<double>(sums.size());
}

}  // namespace limpid::interpret
