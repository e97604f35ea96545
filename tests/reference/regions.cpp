// tests/reference/regions.cpp: every pattern, and the simplex method on a tableau.
#include "tests/reference/regions.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace limpid::reference {
namespace {

using namespace limpid::interpret;

// Largest r with row . x + offset >= r |row| for all rows inside the box, capped at 1: a plain
// tableau by Bland's rule, without anything that the library uses. Variables x - low and r + K, so
// that 0 is feasible.
double largest_ball(
    const std::vector<double>& rows, const std::vector<double>& offsets, size_t n, double low,
    double high) {
  const double K = 1e3;
  std::vector<std::vector<double>> tableau;
  const auto add = [&](std::vector<double> left, double right) {
    left.push_back(right);
    tableau.push_back(std::move(left));
  };
  for (size_t k = 0; k < offsets.size(); ++k) {
    std::vector<double> left;
    double length = 0, right = offsets[k];
    for (size_t i = 0; i < n; ++i) {
      const double a = rows[k * n + i];
      length += a * a;
      right += a * low;
      left.push_back(-a);
    }
    length = std::sqrt(length);
    if (length == 0) {
      if (right < 0) return -1;
      continue;
    }
    for (double& a : left) a /= length;
    left.push_back(1);
    add(left, right / length + K);
  }
  for (size_t i = 0; i < n; ++i) {
    std::vector<double> left(n + 1, 0.0);
    left[i] = 1;
    add(left, high - low);
  }
  std::vector<double> cap(n + 1, 0.0);
  cap[n] = 1;
  add(cap, 1 + K);

  std::vector<double> cost(n + 2, 0.0);  // reduced, and minus the value
  cost[n] = 1;
  // Column j holds variable column[j], row k the basic variable basic[k]: swaps in place
  std::vector<size_t> column(n + 1), basic(tableau.size());
  std::iota(column.begin(), column.end(), 0);
  std::iota(basic.begin(), basic.end(), n + 1);
  for (;;) {
    size_t enter = n + 1;
    for (size_t j = 0; j <= n; ++j) {
      if (cost[j] > 1e-11 && (enter > n || column[j] < column[enter])) enter = j;
    }
    if (enter > n) return -cost[n + 1] - K;
    size_t leave = tableau.size();
    double least = std::numeric_limits<double>::infinity();
    for (size_t k = 0; k < tableau.size(); ++k) {
      if (tableau[k][enter] < 1e-11) continue;
      const double ratio = tableau[k][n + 1] / tableau[k][enter];
      if (ratio < least || (ratio == least && basic[k] < basic[leave])) {
        least = ratio;
        leave = k;
      }
    }
    if (leave == tableau.size()) throw std::logic_error("largest_ball: unbounded");
    std::vector<double>& pivot = tableau[leave];
    const double scale = 1 / pivot[enter];
    pivot[enter] = 1;
    for (double& v : pivot) v *= scale;
    const auto eliminate = [&](std::vector<double>& row) {
      const double factor = row[enter];
      row[enter] = 0;
      for (size_t j = 0; j < row.size(); ++j) row[j] -= factor * pivot[j];
    };
    for (size_t k = 0; k < tableau.size(); ++k) {
      if (k != leave) eliminate(tableau[k]);
    }
    eliminate(cost);
    std::swap(column[enter], basic[leave]);
  }
}

}  // namespace

// Rows s (A x + d) of all units for one pattern
std::set<Pattern> patterns_by_trying_all(const PiecewiseLinear& net, double low, double high) {
  const int64_t N = net.units();
  const auto n = static_cast<size_t>(net.inputs());
  std::set<Pattern> found;
  for (int64_t code = 0; code < int64_t{1} << N; ++code) {
    Pattern pattern;
    for (int64_t i = 0; i < N; ++i) pattern.push_back(static_cast<uint8_t>(code >> i & 1));
    std::vector<double> rows, offsets;
    std::vector<LocalMap> maps;
    maps.reserve(net.hidden().size());
    std::vector<const LocalMap*> earlier;
    std::vector<const uint8_t*> on;
    size_t unit = 0;
    for (const AffineStage& stage : net.hidden()) {
      maps.push_back(stage_map(stage, net.inputs(), earlier, on));
      earlier.push_back(&maps.back());
      on.push_back(pattern.data() + unit);
      for (size_t i = 0; i < static_cast<size_t>(stage.rows); ++i, ++unit) {
        const double sign = pattern[unit] != 0 ? 1 : -1;
        for (size_t c = 0; c < n; ++c) rows.push_back(sign * maps.back().weight[i * n + c]);
        offsets.push_back(sign * maps.back().bias[i]);
      }
    }
    if (largest_ball(rows, offsets, n, low, high) > 1e-8) found.insert(pattern);
  }
  return found;
}

}  // namespace limpid::reference
