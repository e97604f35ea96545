// interpret/numerics/network_simplex.cpp: the spanning tree, its pivots, and pricing by rows.
#include "interpret/numerics/network_simplex.h"

#include "framework/kernels/dispatch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 0x1p-44;  // of a reduced cost, against its three terms
constexpr int64_t kRowsPerBlock = 4;    // priced for one pivot
constexpr int64_t kScansPerRow = 8;     // of the first tree

/// N: what one unit of supply is worth.
int64_t unit_of(int64_t n) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * n + 2)));
}

// Nodes 0 ... n - 1 are rows, n ... n + m - 1 columns; the last one is the root.
class SpanningTree {
 public:
  struct Node {
    int64_t flow = 0;  // of the arc to the parent
    int32_t parent = -1;
    int32_t count = 1;  // nodes of the subtree
    int32_t back = 0;   // before it on the thread
    int32_t last = 0;   // of the subtree, along the thread
  };
  struct Arc {
    int32_t row, column;
    int64_t flow;
  };

  SpanningTree(int64_t rows, int64_t columns, const std::vector<Arc>& arcs)
      : rows_(static_cast<int32_t>(rows)),
        nodes_(static_cast<size_t>(rows + columns)),
        next_(nodes_.size()) {
    hang(arcs);
  }

  const Node& node(int32_t x) const { return nodes_[static_cast<size_t>(x)]; }
  /// After it on the thread, which is a ring.
  int32_t next(int32_t x) const { return next_[static_cast<size_t>(x)]; }
  int32_t size() const { return static_cast<int32_t>(nodes_.size()); }
  int32_t root() const { return static_cast<int32_t>(nodes_.size()) - 1; }
  bool is_row(int32_t x) const { return x < rows_; }

  /// Lets an arc from a row to a column enter. Returns the root of the subtree that moved: one of
  /// the two.
  int32_t pivot(int32_t row, int32_t column) {
    const int32_t join = common_ancestor(row, column);

    // Flow falls from rows to their parents on the side of the row, from parents to columns on the
    // other side; the least of these arcs leaves
    int64_t flow = std::numeric_limits<int64_t>::max();
    int32_t leaving = -1;
    bool is_row_side = true;
    for (int32_t x = row; x != join; x = at(x).parent) {
      if (is_row(x) && at(x).flow < flow) flow = at(leaving = x).flow;
    }
    for (int32_t x = column; x != join; x = at(x).parent) {
      if (is_row(x) || at(x).flow >= flow) continue;
      flow = at(leaving = x).flow;
      is_row_side = false;
    }
    for (int32_t x = row; x != join; x = at(x).parent) at(x).flow += is_row(x) ? -flow : flow;
    for (int32_t x = column; x != join; x = at(x).parent) at(x).flow += is_row(x) ? flow : -flow;

    const int32_t moved = is_row_side ? row : column;
    move(moved, leaving, is_row_side ? column : row, join, flow);
    return moved;
  }

 private:
  Node& at(int32_t x) { return nodes_[static_cast<size_t>(x)]; }

  void link(int32_t x, int32_t y) {
    next_[static_cast<size_t>(x)] = y;
    at(y).back = x;
  }

  int32_t common_ancestor(int32_t x, int32_t y) const {
    while (x != y) {
      int32_t& lower = node(x).count < node(y).count ? x : y;
      lower = node(lower).parent;
    }
    return x;
  }

  // The subtree of `leaving`, turned so that x is its root, below `parent` with that flow.
  void move(int32_t x, int32_t leaving, int32_t parent, int32_t join, int64_t flow) {
    const int32_t count = at(leaving).count, old_parent = at(leaving).parent;
    const int32_t old_last = at(leaving).last, before = at(leaving).back;

    // Out of the thread and of its ancestors
    link(before, next(old_last));
    for (int32_t y = old_parent; y != join; y = at(y).parent) at(y).count -= count;
    for (int32_t y = old_parent; y != -1 && at(y).last == old_last; y = at(y).parent)
      at(y).last = before;

    // Turned along the path from x to `leaving`: each node takes what is left of its subtree
    // before and after the child that is now its parent
    Node child = at(x);  // as it was
    int32_t tail = child.last, after = next(tail), c = x;
    at(c).parent = parent;
    at(c).flow = flow;
    while (c != leaving) {
      const int32_t y = child.parent;
      const Node old = at(y);
      const bool has_rest = old.last != child.last;
      const int32_t rest = after;
      if (has_rest) after = next(old.last);
      link(tail, y);
      tail = child.back;
      if (has_rest) {
        link(tail, rest);
        tail = old.last;
      }
      at(y).parent = c;
      at(y).flow = child.flow;
      at(y).count = count - child.count;
      child = old;
      c = y;
    }
    at(x).count = count;
    for (int32_t y = leaving;; y = at(y).parent) {
      at(y).last = tail;
      if (y == x) break;
    }

    // Into the thread right after its parent
    link(tail, next(parent));
    link(parent, x);
    for (int32_t y = parent; y != join; y = at(y).parent) at(y).count += count;
    for (int32_t y = parent; y != -1 && at(y).last == parent; y = at(y).parent) at(y).last = tail;
  }

  // Depth first from the root.
  void hang(const std::vector<Arc>& arcs) {
    std::vector<std::vector<std::pair<int32_t, int64_t>>> neighbours(nodes_.size());
    for (const Arc& arc : arcs) {
      neighbours[static_cast<size_t>(arc.row)].emplace_back(arc.column, arc.flow);
      neighbours[static_cast<size_t>(arc.column)].emplace_back(arc.row, arc.flow);
    }
    std::vector<int32_t> order, stack = {root()};
    while (!stack.empty()) {
      const int32_t x = stack.back();
      stack.pop_back();
      order.push_back(x);
      for (const auto& [y, flow] : neighbours[static_cast<size_t>(x)]) {
        if (y == at(x).parent) continue;
        at(y).parent = x;
        at(y).flow = flow;
        stack.push_back(y);
      }
    }
    for (size_t k = 0; k < order.size(); ++k) {
      link(order[k], order[(k + 1) % order.size()]);
      at(order[k]).last = order[k];
    }
    for (size_t k = order.size() - 1; k > 0; --k) {
      const Node& below = at(order[k]);
      Node& above = at(below.parent);
      above.count += below.count;
      if (above.last == below.parent) above.last = below.last;
    }
  }

  int32_t rows_;
  std::vector<Node> nodes_;
  std::vector<int32_t> next_;  // apart: potentials are shifted along it
};

class Simplex {
 public:
  Simplex(std::span<const double> C, std::span<const int64_t> s, std::span<const int64_t> t)
      : cost_(C.data()),
        rows_(std::ssize(s)),
        columns_(std::ssize(t)),
        unit_(unit_of(rows_)),
        potentials_(s.size() + t.size()),
        tree_(rows_, columns_, first_tree(s, t)) {
    make_potentials();
  }

  NetworkFlow solve(int64_t max_iterations) {
    NetworkFlow result;
    while (true) {
      const Entering arc = best_of_blocks();
      if (arc.row < 0) {
        if (is_fresh_) break;
        make_potentials();
        continue;
      }
      if (result.iterations == max_iterations) break;
      ++result.iterations;
      enter(arc);
    }
    result.is_optimal = is_fresh_;
    for (int32_t x = 0; x < tree_.root(); ++x) {
      const auto& [flow, y, count, back, last] = tree_.node(x);
      const int64_t whole = (flow + unit_ / 2) / unit_;
      const auto [i, j] = tree_.is_row(x) ? std::pair(x, y) : std::pair(y, x);
      if (whole > 0) result.arcs.push_back({i, j - rows_, whole});
    }
    std::ranges::sort(result.arcs, {}, [](const auto& a) { return std::pair(a.i, a.j); });
    for (int32_t x = 0; x < tree_.size(); ++x)
      tree_.is_row(x) ? result.u.push_back(-potential(x)) : result.v.push_back(potential(x));
    return result;
  }

 private:
  struct Entering {
    int64_t row = -1, column = -1;
    double reduced = 0;
  };

  double& potential(int32_t x) { return potentials_[static_cast<size_t>(x)]; }
  double cost(int64_t i, int64_t j) const { return cost_[i * columns_ + j]; }

  // The most negative reduced cost of the next rows with one.
  Entering best_of_blocks() {
    const double* v = potentials_.data() + rows_;
    Entering best;
    for (int64_t scanned = 0; scanned < rows_; ++scanned) {
      const int64_t i = next_row_;
      next_row_ = i + 1 == rows_ ? 0 : i + 1;
      const kernels::Least least = scan_.least(columns_, cost_ + i * columns_, v);
      const double u = -potentials_[static_cast<size_t>(i)];
      const double reduced = least.value - u;
      if (reduced < best.reduced) {
        const double size = std::abs(cost(i, least.index)) + std::abs(u) + std::abs(v[least.index]);
        if (reduced < -kTolerance * size) best = {i, least.index, reduced};
      }
      if (best.row >= 0 && scanned % kRowsPerBlock == kRowsPerBlock - 1) break;
    }
    return best;
  }

  // Turns the tree and shifts the potentials of what moved, so that the arc is tight.
  void enter(const Entering& arc) {
    const auto row = static_cast<int32_t>(arc.row);
    const auto column = static_cast<int32_t>(arc.column + rows_);
    const int32_t moved = tree_.pivot(row, column);
    double by = moved == row ? -arc.reduced : arc.reduced;
    int32_t begin = moved, end = tree_.next(tree_.node(moved).last);
    if (2 * tree_.node(moved).count > tree_.size()) {  // all others the other way: the same
      std::swap(begin, end);
      by = -by;
    }
    for (int32_t x = begin; x != end; x = tree_.next(x)) potential(x) += by;
    is_fresh_ = false;
  }

  // From the root along the thread, without the rounding of many shifts.
  void make_potentials() {
    potential(tree_.root()) = 0;
    for (int32_t x = tree_.next(tree_.root()); x != tree_.root(); x = tree_.next(x)) {
      const int32_t y = tree_.node(x).parent;
      potential(x) =
          tree_.is_row(x) ? potential(y) - cost(x, y - rows_) : potential(y) + cost(y, x - rows_);
    }
    is_fresh_ = true;
  }

  // Row after row gives to the columns that cost least against the least of each column, first the
  // rows that would lose most by their second choice (as in Vogel's rule). Each step uses up a row
  // or a column, never both, so the arcs are a tree.
  std::vector<SpanningTree::Arc> first_tree(
      std::span<const int64_t> s, std::span<const int64_t> t) {
    std::vector<int64_t> wanted(t.size());
    std::ranges::transform(t, wanted.begin(), [&](int64_t w) { return w * unit_; });
    wanted.back() += rows_;
    std::vector<double> open(t.size(), kInfinity);
    for (int64_t i = 0; i < rows_; ++i) {
      for (int64_t j = 0; j < columns_; ++j)
        open[static_cast<size_t>(j)] = std::min(open[static_cast<size_t>(j)], cost(i, j));
    }
    std::vector<std::pair<double, int64_t>> order;  // negative loss, row
    for (int64_t i = 0; i < rows_; ++i) {
      const auto [first, second] = scan_.least_two(columns_, cost_ + i * columns_, open.data());
      order.emplace_back(first.value - second.value, i);
    }
    std::ranges::sort(order);
    std::vector<SpanningTree::Arc> arcs;
    for (const auto& [loss, i] : order) {
      int64_t given = s[static_cast<size_t>(i)] * unit_ + 1;
      std::vector<Entering> sorted;  // for a row with many columns
      for (int64_t k = 0; given > 0; ++k) {
        if (k == kScansPerRow) sorted = sorted_columns(i, open);
        const int64_t j = k < kScansPerRow
                              ? scan_.least(columns_, cost_ + i * columns_, open.data()).index
                              : sorted[static_cast<size_t>(k - kScansPerRow)].column;
        int64_t& room = wanted[static_cast<size_t>(j)];
        const int64_t flow = std::min(given, room);
        arcs.push_back({static_cast<int32_t>(i), static_cast<int32_t>(rows_ + j), flow});
        given -= flow;
        room -= flow;
        if (room == 0) open[static_cast<size_t>(j)] = -kInfinity;
      }
    }
    return arcs;
  }

  std::vector<Entering> sorted_columns(int64_t i, const std::vector<double>& open) const {
    std::vector<Entering> sorted;
    for (int64_t j = 0; j < columns_; ++j) {
      const double v = open[static_cast<size_t>(j)];
      if (v > -kInfinity) sorted.push_back({i, j, cost(i, j) - v});
    }
    std::ranges::stable_sort(sorted, {}, &Entering::reduced);
    return sorted;
  }

  const kernels::RowScanTable& scan_ = kernels::row_scan_table();
  const double* cost_;
  int64_t rows_, columns_;
  int64_t unit_;
  std::vector<double> potentials_;  // -u of the rows, then v: shifts are the same for both
  SpanningTree tree_;
  bool is_fresh_ = false;  // the potentials
  int64_t next_row_ = 0;   // to be priced
};

}  // namespace

int64_t largest_supply(int64_t n) { return (int64_t{1} << 62) / unit_of(n); }

NetworkFlow network_simplex(
    std::span<const double> C, std::span<const int64_t> s, std::span<const int64_t> t,
    int64_t max_iterations) {
  return Simplex(C, s, t).solve(max_iterations);
}

}  // namespace limpid::interpret
