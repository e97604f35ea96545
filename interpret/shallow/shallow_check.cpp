// interpret/shallow/shallow_check.cpp: comparison with the deep network, inside and on faces.
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "interpret/shallow/shallow_network.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

// Onto a cut above the point's region, by two steps of the projection x - z a / |a|^2, then so far
// along a
void move_onto_cut(const RegionTree& tree, std::span<double> x, double distance, Rng& rng) {
  std::vector<int32_t> path;
  const int64_t region = tree.find(x);
  if (region < 0) return;
  for (int32_t at = tree.parents[static_cast<size_t>(region)]; at >= 0;
       at = tree.cuts[static_cast<size_t>(at)].parent) {
    path.push_back(at);
  }
  if (path.empty()) return;
  const int32_t cut = path[static_cast<size_t>(rng.integer(std::ssize(path)))];
  const double* a = tree.rows.data() + cut * (tree.inputs + 1);
  double square = 0;
  for (int64_t i = 0; i < tree.inputs; ++i) square += a[i] * a[i];
  for (int step = 0; step < 2; ++step) {
    const double z = tree.row_value(cut, x);
    for (int64_t i = 0; i < tree.inputs; ++i) x[static_cast<size_t>(i)] -= z / square * a[i];
  }
  for (int64_t i = 0; i < tree.inputs; ++i) {
    x[static_cast<size_t>(i)] += distance / std::sqrt(square) * a[i];
  }
}

}  // namespace

CheckPoints check_points(
    const RegionTree& tree, int64_t interior, int64_t boundary, uint64_t seed, double distance) {
  CheckPoints result{.points = interior + boundary, .boundary_points = boundary, .x = {}};
  Rng rng(seed);
  std::vector<double> x(static_cast<size_t>(tree.inputs));
  for (int64_t p = 0; p < result.points; ++p) {
    if (tree.domain.is_all) {
      const double size = std::pow(10, rng.uniform(-1, 1));
      for (double& v : x) v = rng.normal(0, size);
    } else {
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = rng.uniform(tree.domain.low[i], tree.domain.high[i]);
      }
    }
    if (p >= interior) {
      move_onto_cut(tree, x, distance, rng);
      // Back into the box, for outside of it nothing is promised
      for (size_t i = 0; i < x.size() && !tree.domain.is_all; ++i) {
        x[i] = std::clamp(x[i], tree.domain.low[i], tree.domain.high[i]);
      }
    }
    result.x.insert(result.x.end(), x.begin(), x.end());
  }
  return result;
}

ShallowCheck check(
    const ShallowNetwork& network, std::span<const double> points, std::span<const double> expected,
    double tolerance) {
  const auto n = static_cast<size_t>(network.inputs), q = static_cast<size_t>(network.outputs);
  check_shape(
      points.size() % n == 0 && points.size() / n * q == expected.size(), "shallow check",
      points.size(), " coordinates and ", expected.size(), " values do not fit ", n, " inputs and ",
      q, " outputs");
  ShallowCheck result{.points = static_cast<int64_t>(points.size() / n)};
  std::vector<double> errors(static_cast<size_t>(result.points));
  std::vector<int64_t> claims(errors.size());
  parallel::for_blocks(result.points, 64, [&](int64_t begin, int64_t end) {
    for (auto p = static_cast<size_t>(begin); p < static_cast<size_t>(end); ++p) {
      const ShallowNetwork::Answer answer = network.answer(points.subspan(p * n, n));
      claims[p] = answer.claims;
      for (size_t o = 0; o < q; ++o) {
        errors[p] = std::max(errors[p], std::abs(answer.value[o] - expected[p * q + o]));
      }
    }
  });
  for (size_t p = 0; p < errors.size(); ++p) {
    result.unclaimed += claims[p] == 0 ? 1 : 0;
    result.multiply_claimed += claims[p] > 1 ? 1 : 0;
    if (claims[p] == 0) continue;
    result.max_abs_error = std::max(result.max_abs_error, errors[p]);
    result.wrong += errors[p] > tolerance ? 1 : 0;
  }
  return result;
}

}  // namespace limpid::interpret
