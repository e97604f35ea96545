// interpret/coreset/cover.cpp: one pass over all samples per choice.
#include "interpret/coreset/cover.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/distances.h"
#include "interpret/coreset/scores.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

void check_count(const char* op, int64_t k, int64_t n) {
  check_value(k >= 1 && k <= n, op, "cannot choose ", k, " of ", n, " samples");
}

// X'X / n, row by row.
std::vector<double> second_moments(const Tensor& rows) {
  const Recording off(false);
  const Tensor X = to(rows, DType::f64);
  return (matmul(X, X, {.transpose_a = true}) / static_cast<double>(rows.size(0))).to_vector();
}

// Of those not chosen the one with the smallest value; of equals the first.
size_t smallest(std::span<const double> values, const std::vector<bool>& is_chosen) {
  size_t best = values.size();
  for (size_t j = 0; j < values.size(); ++j) {
    if (is_chosen[j]) continue;
    if (best == values.size() || values[j] < values[best]) best = j;
  }
  return best;
}

}  // namespace

std::vector<int64_t> herding(const Tensor& rows, int64_t k) {
  check_rows("herding", rows);
  check_count("herding", k, rows.size(0));
  const std::vector<double> mean = mean_row(rows);
  std::vector<double> wanted = mean;  // (t + 1) mu - sum of the chosen
  std::vector<double> distance(static_cast<size_t>(rows.size(0)));
  std::vector<bool> is_chosen(distance.size());
  std::vector<int64_t> order;
  while (std::ssize(order) < k) {
    squared_distances(rows, wanted, distance);
    const size_t best = smallest(distance, is_chosen);
    is_chosen[best] = true;
    order.push_back(static_cast<int64_t>(best));
    const std::vector<double> chosen = row_of(rows, order.back());
    for (size_t c = 0; c < wanted.size(); ++c) wanted[c] += mean[c] - chosen[c];
  }
  return order;
}

std::vector<int64_t> moment_herding(const Tensor& rows, int64_t k) {
  check_rows("moments", rows);
  check_count("moments", k, rows.size(0));
  const auto n = static_cast<size_t>(rows.size(0)), m = static_cast<size_t>(rows.size(1));
  std::vector<double> square(n), product(n);
  squared_distances(rows, std::vector<double>(m), square);
  const double mean_square = mean_of(square), unit = mean_square > 0 ? mean_square : 1;
  const auto kernel = [&](double p) { return p / unit + p / unit * (p / unit); };

  // (1/n) sum_i k(x_i, x_j) = <mean of x, x_j> + x_j' (X'X / n) x_j, equal for equal rows
  std::vector<double> typical(n);
  inner_products(rows, mean_row(rows), typical);
  for (double& value : typical) value /= unit;
  const std::vector<double> second = second_moments(rows);
  for (size_t c = 0; c < m; ++c) {
    inner_products(rows, std::span(second).subspan(c * m, m), product);
    for (size_t j = 0; j < n; ++j) {
      const double x = rows.data<float>()[j * m + c];
      typical[j] += product[j] * x / (unit * unit);
    }
  }

  std::vector<double> taken(n), value(n);  // sum of k(s, x_j) over the chosen s
  std::vector<bool> is_chosen(n);
  std::vector<int64_t> order;
  while (std::ssize(order) < k) {
    const auto size = static_cast<double>(order.size() + 1);
    for (size_t j = 0; j < n; ++j) {
      value[j] = kernel(square[j]) - 2 * (size * typical[j] - taken[j]);
    }
    const size_t best = smallest(value, is_chosen);
    is_chosen[best] = true;
    order.push_back(static_cast<int64_t>(best));
    inner_products(rows, row_of(rows, order.back()), product);
    for (size_t j = 0; j < n; ++j) taken[j] += kernel(product[j]);
  }
  return order;
}

int64_t nearest_to_mean(const Tensor& rows) {
  check_rows("nearest_to_mean", rows);
  std::vector<double> distance(static_cast<size_t>(rows.size(0)));
  squared_distances(rows, mean_row(rows), distance);
  return std::min_element(distance.begin(), distance.end()) - distance.begin();
}

Covering farthest_first(
    int64_t n, int64_t k, int64_t start,
    const std::function<void(int64_t, std::vector<double>&)>& distances) {
  check_count("k-center", k, n);
  check_value(start >= 0 && start < n, "k-center", "start ", start, " is not in 0 to ", n - 1);
  std::vector<double> nearest(static_cast<size_t>(n), std::numeric_limits<double>::infinity());
  std::vector<double> distance(nearest.size());
  std::vector<bool> is_chosen(nearest.size());
  Covering result;
  for (int64_t next = start; std::ssize(result.order) < k;) {
    result.order.push_back(next);
    is_chosen[static_cast<size_t>(next)] = true;
    distances(next, distance);
    size_t farthest = nearest.size();  // of those not chosen
    double radius = 0;
    for (size_t j = 0; j < nearest.size(); ++j) {
      nearest[j] = std::min(nearest[j], distance[j]);
      radius = std::max(radius, is_chosen[j] ? 0 : nearest[j]);
      if (is_chosen[j]) continue;
      if (farthest == nearest.size() || nearest[j] > nearest[farthest]) farthest = j;
    }
    result.radius.push_back(radius);
    next = static_cast<int64_t>(farthest);
  }
  return result;
}

Covering k_center(const Tensor& rows, int64_t k, int64_t start) {
  check_rows("k-center", rows);
  Covering result = farthest_first(
      rows.size(0), k, start,
      [&](int64_t j, std::vector<double>& out) { squared_distances(rows, row_of(rows, j), out); });
  for (double& radius : result.radius) radius = std::sqrt(radius);
  return result;
}

Covering contextual_diversity(const Tensor& p, int64_t k, int64_t start) {
  constexpr int64_t kPerBlock = 256;
  check_shape(p.rank() == 2, "contextual-diversity", "needs probabilities, got ", p.shape());
  const auto K = static_cast<size_t>(p.size(1));
  const auto values = p.values<double>();
  const auto row = [&](int64_t i) { return values.subspan(static_cast<size_t>(i) * K, K); };
  return farthest_first(p.size(0), k, start, [&](int64_t j, std::vector<double>& out) {
    parallel::for_blocks(p.size(0), kPerBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        out[static_cast<size_t>(i)] = symmetric_divergence(row(i), row(j));
      }
    });
  });
}

}  // namespace limpid::interpret
