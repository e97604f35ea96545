// interpret/shallow/local_model.cpp: half-spaces of a pattern, nearest first.
#include "interpret/shallow/local_model.h"

#include "framework/core/error.h"
#include "interpret/shallow/certificate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Distance from x to the part of hyperplane k that satisfies all rows
double facet_distance(std::span<const double> x, std::vector<double> rows, size_t k) {
  const size_t width = x.size() + 1;
  for (size_t i = 0; i < width; ++i) rows.push_back(-rows[k * width + i]);
  const auto point = nearest_point(x, rows);
  if (!point) return kInfinity;
  double square = 0;
  for (size_t i = 0; i < x.size(); ++i) square += ((*point)[i] - x[i]) * ((*point)[i] - x[i]);
  return std::sqrt(square);
}

}  // namespace

HalfSpaceRows half_space_rows(const PiecewiseLinear& net, const Pattern& pattern) {
  HalfSpaceRows result;
  const auto n = static_cast<size_t>(net.inputs());
  std::vector<LocalMap> maps = net.stage_maps(pattern);
  maps.pop_back();  // the output
  int64_t unit = 0;
  for (const LocalMap& map : maps) {
    for (size_t r = 0; r < map.bias.size(); ++r, ++unit) {
      const double* a = map.weight.data() + r * n;
      const double length = std::sqrt(std::inner_product(a, a + n, a, 0.0));
      if (length == 0) continue;
      const double scale = (pattern[static_cast<size_t>(unit)] != 0 ? 1 : -1) / length;
      for (size_t i = 0; i < n; ++i) result.rows.push_back(scale * a[i]);
      result.rows.push_back(scale * map.bias[r]);
      result.units.push_back(unit);
    }
  }
  return result;
}

LocalModel local_model(const PiecewiseLinear& net, std::span<const double> x, int64_t nearest) {
  check_shape(
      std::ssize(x) == net.inputs(), "local_model", "needs ", net.inputs(), " inputs, got ",
      x.size());
  LocalModel model;
  model.pattern = net.pattern(x);
  model.map = net.local_map(model.pattern);
  const auto [rows, units] = half_space_rows(net, model.pattern);
  const size_t width = x.size() + 1;

  // A point on a face is at distance 0 from it, also where rounding puts it beyond
  std::vector<double> distances;
  for (size_t k = 0; k < units.size(); ++k) {
    const double* row = rows.data() + k * width;
    const double slack = std::inner_product(x.begin(), x.end(), row, row[x.size()]);
    distances.push_back(std::max(0.0, slack));
  }
  std::vector<size_t> order(units.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t k) { return distances[k]; });
  model.radius = order.empty() ? kInfinity : distances[order[0]];
  if (std::ssize(order) > nearest) order.resize(static_cast<size_t>(nearest));
  for (const size_t k : order) {
    const double* row = rows.data() + k * width;
    model.nearest.push_back(
        {.unit = units[k],
         .is_on = model.pattern[static_cast<size_t>(units[k])] != 0,
         .normal = {row, row + x.size()},
         .offset = row[x.size()],
         .distance = distances[k],
         .facet_distance = facet_distance(x, rows, k)});
  }
  return model;
}

}  // namespace limpid::interpret
