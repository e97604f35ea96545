// interpret/shallow/importance.cpp: weighted means of slopes.
#include "interpret/shallow/importance.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace limpid::interpret {
namespace {

// Adds a region of the given weight
void add_slope(Importance& sum, const double* alpha, double weight) {
  for (size_t i = 0; i < sum.value.size(); ++i) {
    sum.value[i] += weight * std::abs(alpha[i]);
    if (alpha[i] > 0) sum.rising[i] += weight;
    if (alpha[i] < 0) sum.falling[i] += weight;
  }
}

Importance empty(size_t n) {
  const std::vector<double> zeros(n, 0.0);
  return {.value = zeros, .low = {}, .high = {}, .rising = zeros, .falling = zeros};
}

// Multiplies by s_i
void scale(std::vector<double>& values, std::span<const double> spread) {
  for (size_t i = 0; i < values.size(); ++i) values[i] *= spread[i];
}

// By pattern: how many of the points, and the slope there
struct Region {
  int64_t points = 0;
  std::vector<double> alpha;
};
std::map<Pattern, Region> regions_at(
    const PiecewiseLinear& net, int64_t output, std::span<const double> points) {
  const auto n = static_cast<size_t>(net.inputs());
  std::vector<Pattern> patterns(points.size() / n);
  parallel::for_blocks(std::ssize(patterns), 64, [&](int64_t begin, int64_t end) {
    for (auto k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k) {
      patterns[k] = net.pattern(points.subspan(k * n, n));
    }
  });
  std::map<Pattern, Region> regions;
  for (const Pattern& pattern : patterns) {
    const auto [place, is_new] = regions.try_emplace(pattern);
    if (is_new) place->second.alpha = net.gradient(pattern, output);
    ++place->second.points;
  }
  return regions;
}

Importance mean_over(const std::map<Pattern, Region>& regions, size_t n, double points) {
  Importance sum = empty(n);
  for (const auto& [pattern, region] : regions) {
    add_slope(sum, region.alpha.data(), static_cast<double>(region.points) / points);
    ++sum.regions;
    sum.single_point_regions += region.points == 1 ? 1 : 0;
  }
  return sum;
}

}  // namespace

std::vector<double> spread_of(std::span<const double> points, int64_t inputs) {
  const auto n = static_cast<size_t>(inputs);
  check_shape(
      !points.empty() && points.size() % n == 0, "spread_of", points.size(),
      " numbers are no table of points with ", n, " inputs");
  std::vector<double> spread;
  const auto count = static_cast<double>(points.size() / n);
  for (size_t i = 0; i < n; ++i) {
    double mean = 0, square = 0;
    for (size_t k = i; k < points.size(); k += n) mean += points[k] / count;
    for (size_t k = i; k < points.size(); k += n) square += (points[k] - mean) * (points[k] - mean);
    spread.push_back(std::sqrt(square / count));
  }
  return spread;
}

Importance importance_by_data(
    const PiecewiseLinear& net, int64_t output, std::span<const double> points,
    std::span<const double> spread) {
  const auto n = static_cast<size_t>(net.inputs());
  check_shape(
      !points.empty() && points.size() % n == 0 && spread.size() == n, "importance_by_data",
      points.size(), " numbers and ", spread.size(), " spreads do not fit ", n, " inputs");
  const auto count = static_cast<double>(points.size() / n);
  Importance result = mean_over(regions_at(net, output, points), n, count);
  scale(result.value, spread);
  return result;
}

Importance importance_by_area(
    const Polygons& polygons, int64_t output, std::span<const double> spread) {
  check_shape(spread.size() == 2, "importance_by_area", "needs 2 spreads, got ", spread.size());
  check_value(
      !polygons.truncated, "importance_by_area", "the list of regions was cut short at ",
      polygons.size());
  check_value(
      output >= 0 && output < polygons.outputs, "importance_by_area", "output ", output,
      " is not in 0 to ", polygons.outputs - 1);
  double total = 0;
  for (int64_t j = 0; j < polygons.size(); ++j) total += polygons.area(j);
  Importance result = empty(2);
  for (int64_t j = 0; j < polygons.size(); ++j) {
    const double* alpha = polygons.weights.data() + 2 * (j * polygons.outputs + output);
    add_slope(result, alpha, polygons.area(j) / total);
  }
  result.regions = polygons.size();
  scale(result.value, spread);
  return result;
}

Importance importance_by_volume(
    const PiecewiseLinear& net, int64_t output, const Domain& box, std::span<const double> spread,
    int64_t samples, uint64_t seed) {
  const auto n = static_cast<size_t>(net.inputs());
  check_value(!box.is_all, "importance_by_volume", "needs a box");
  check_value(samples >= 2, "importance_by_volume", "needs 2 samples, got ", samples);
  check_shape(
      spread.size() == n && box.low.size() == n, "importance_by_volume", spread.size(),
      " spreads and a box of ", box.low.size(), " sides do not fit ", n, " inputs");
  std::vector<double> points(static_cast<size_t>(samples) * n);
  Rng(seed).uniform(points, 0, 1);
  for (size_t k = 0; k < points.size(); ++k) {
    points[k] = box.low[k % n] + points[k] * (box.high[k % n] - box.low[k % n]);
  }
  const auto regions = regions_at(net, output, points);
  const auto count = static_cast<double>(samples);
  Importance result = mean_over(regions, n, count);

  // 1.96 standard errors of the mean of |alpha_i|
  result.low = result.high = result.value;
  for (size_t i = 0; i < n; ++i) {
    double square = 0;
    for (const auto& [pattern, region] : regions) {
      const double off = std::abs(region.alpha[i]) - result.value[i];
      square += static_cast<double>(region.points) * off * off;
    }
    const double half = 1.96 * std::sqrt(square / (count - 1) / count);
    result.low[i] -= half;
    result.high[i] += half;
  }
  for (std::vector<double>* values : {&result.value, &result.low, &result.high}) {
    scale(*values, spread);
  }
  return result;
}

}  // namespace limpid::interpret
