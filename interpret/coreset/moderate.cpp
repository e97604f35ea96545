// interpret/coreset/moderate.cpp: windows of ranks, as orders.
#include "interpret/coreset/moderate.h"

#include "framework/core/error.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/distances.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

// Positions by (s, position).
std::vector<int64_t> ranked(const char* op, std::span<const double> s, int64_t k) {
  check_value(k >= 1 && k <= std::ssize(s), op, "cannot choose ", k, " of ", s.size(), " samples");
  std::vector<int64_t> order = index_range(0, std::ssize(s));
  std::ranges::stable_sort(order, {}, [&](int64_t i) { return s[static_cast<size_t>(i)]; });
  return order;
}

}  // namespace

std::vector<double> distances_to_centre(const Tensor& rows, Centre centre) {
  check_rows("moderate", rows);
  std::vector<double> s(static_cast<size_t>(rows.size(0)));
  squared_distances(rows, centre == Centre::mean ? mean_row(rows) : median_row(rows), s);
  for (double& value : s) value = std::sqrt(value);
  return s;
}

std::vector<int64_t> moderate_order(std::span<const double> s, int64_t k) {
  const std::vector<int64_t> by_rank = ranked("moderate", s, k);
  const int64_t n = std::ssize(s);
  std::vector<int64_t> order;
  for (int64_t count = 1; count <= k; ++count) {
    // The window of `count` ranks begins below the one before, or ends above it
    const int64_t begin = (n - count) / 2, before = (n - count + 1) / 2;
    const bool is_first = count == 1;
    const int64_t rank = is_first || begin < before ? begin : begin + count - 1;
    order.push_back(by_rank[static_cast<size_t>(rank)]);
  }
  return order;
}

std::vector<int64_t> three_quantile_order(std::span<const double> s, int64_t k) {
  const std::vector<int64_t> by_rank = ranked("moderate-3q", s, k);
  const int64_t n = std::ssize(s);
  const int64_t own[] = {(n - 1) / 2, (n - 1) / 4, n - 1 - (n - 1) / 4};  // middle first
  int64_t reach[] = {0, 0, 0};  // all ranks nearer to its own are taken
  std::vector<bool> is_taken(s.size());
  std::vector<int64_t> order;
  for (int64_t count = 0; count < k; ++count) {
    const auto w = static_cast<size_t>(count % 3);
    for (bool found = false; !found;) {
      for (const int64_t rank : {own[w] - reach[w], own[w] + reach[w]}) {
        if (rank < 0 || rank >= n || is_taken[static_cast<size_t>(rank)]) continue;
        is_taken[static_cast<size_t>(rank)] = true;
        order.push_back(by_rank[static_cast<size_t>(rank)]);
        found = true;
        break;
      }
      if (!found) ++reach[w];
    }
  }
  return order;
}

}  // namespace limpid::interpret
