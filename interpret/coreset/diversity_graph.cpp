// interpret/coreset/diversity_graph.cpp: neighbours, one forward pass, one message back per choice.
#include "interpret/coreset/diversity_graph.h"

#include "framework/core/error.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/distances.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

struct Edge {
  int64_t to = 0;
  double distance = 0;
  bool operator<(const Edge& other) const { return to < other.to; }
};
using Graph = std::vector<std::vector<Edge>>;

// Edges both ways, by index. Distances are in units of their median unless that is 0.
Graph symmetric_graph(const Neighbours& near, int64_t n, bool scales) {
  const double median = scales ? upper_median(near.distance) : 1;
  const double unit = median > 0 ? median : 1;
  Graph graph(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t c = 0; c < near.count; ++c) {
      const auto at = static_cast<size_t>(i * near.count + c);
      const double distance = near.distance[at] / unit;
      graph[static_cast<size_t>(i)].push_back({near.index[at], distance});
      graph[static_cast<size_t>(near.index[at])].push_back({i, distance});
    }
  }
  for (std::vector<Edge>& edges : graph) {
    std::sort(edges.begin(), edges.end());
    const auto same = [](const Edge& a, const Edge& b) { return a.to == b.to; };
    edges.erase(std::unique(edges.begin(), edges.end(), same), edges.end());
  }
  return graph;
}

double weight(double gamma, double power, double distance) {
  return distance == 0 ? 1 : std::exp(-gamma * std::pow(distance, power));
}

// g after the forward pass; returns the mean weight of an edge.
double forward_pass(
    const Graph& graph, std::span<const double> s, const DiversityGraphOptions& o,
    std::vector<double>& g) {
  constexpr double kLeast = 1e-7;
  double sum = 0;
  int64_t edges = 0;
  for (size_t i = 0; i < graph.size(); ++i) {
    for (const Edge& edge : graph[i]) {
      const double w = weight(o.forward, o.power, edge.distance);
      g[i] += w * std::max(s[static_cast<size_t>(edge.to)], kLeast);
      sum += w;
      ++edges;
    }
  }
  return sum / static_cast<double>(std::max<int64_t>(1, edges));
}

}  // namespace

DiversityOrder diversity_order(
    const Tensor& rows, std::span<const double> s, int64_t count, const DiversityGraphOptions& o) {
  check_rows("dgpruning", rows);
  const int64_t n = rows.size(0);
  check_shape(std::ssize(s) == n, "dgpruning", s.size(), " scores do not fit rows ", rows.shape());
  check_value(count >= 1 && count <= n, "dgpruning", "cannot choose ", count, " of ", n);
  check_value(
      std::ranges::all_of(s, [](double v) { return std::isfinite(v) && v >= 0; }), "dgpruning",
      "scores must be finite and at least 0");
  check_value(
      o.neighbours >= 1 && o.forward >= 0 && o.reverse >= 0 && o.power > 0, "dgpruning",
      "neighbours ", o.neighbours, ", forward ", o.forward, ", reverse ", o.reverse, " or power ",
      o.power, " is out of range");
  DiversityOrder result{.order = {}, .first = {s.begin(), s.end()}, .last = {}, .mean_weight = 0};
  if (n <= o.neighbours) {
    result.order = index_range(0, count);
    result.last = result.first;
    return result;
  }
  const Graph graph = symmetric_graph(nearest_neighbours(rows, o.neighbours), n, o.scales);
  result.mean_weight = forward_pass(graph, s, o, result.first);
  std::vector<double> g = result.first;
  std::vector<bool> is_chosen(g.size());
  while (std::ssize(result.order) < count) {
    size_t p = g.size();
    for (size_t i = 0; i < g.size(); ++i) {
      if (!is_chosen[i] && (p == g.size() || g[i] > g[p])) p = i;
    }
    is_chosen[p] = true;
    result.order.push_back(static_cast<int64_t>(p));
    for (const Edge& edge : graph[p]) {
      const auto j = static_cast<size_t>(edge.to);
      if (!is_chosen[j]) g[j] -= weight(o.reverse, o.power, edge.distance) * g[p];
    }
  }
  result.last = std::move(g);
  return result;
}

}  // namespace limpid::interpret
