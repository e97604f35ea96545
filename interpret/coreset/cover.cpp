// interpret/coreset/cover.cpp: one pass over all samples per choice.
#include "interpret/coreset/cover.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "interpret/coreset/distances.h"
#include "interpret/coreset/scores.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

void check_count(const char* op, int64_t k, int64_t n) {
  check_value(k >= 1 && k <= n, op, "cannot choose ", k, " of ", n, " samples");
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
    size_t best = distance.size();
    for (size_t j = 0; j < distance.size(); ++j) {
      if (is_chosen[j]) continue;
      if (best == distance.size() || distance[j] < distance[best]) best = j;
    }
    is_chosen[best] = true;
    order.push_back(static_cast<int64_t>(best));
    const std::vector<double> chosen = row_of(rows, order.back());
    for (size_t c = 0; c < wanted.size(); ++c) wanted[c] += mean[c] - chosen[c];
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
