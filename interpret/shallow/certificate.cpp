// interpret/shallow/certificate.cpp: projections, and the search from near to far.
#include "interpret/shallow/certificate.h"

#include "framework/core/error.h"
#include "interpret/numerics/dot.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Active constraints, their multipliers, and what is left of a normal beside theirs.
class Projection {
 public:
  Projection(std::span<const double> x0, const std::vector<double>& rows)
      : n_(x0.size()), rows_(rows), x_(x0.begin(), x0.end()) {
    double size = 1;
    for (const double v : x0) size = std::max(size, std::abs(v));
    tolerance_ = 1e-12 * size;
  }

  std::optional<std::vector<double>> solve() {
    const size_t m = rows_.size() / (n_ + 1);
    for (size_t steps = 0; steps < 50 * (m + n_) + 100; ++steps) {
      size_t worst = m;
      double least = -tolerance_;
      for (size_t k = 0; k < m; ++k) {
        const double slack = slack_of(k);
        if (slack < least && std::ranges::find(active_, k) == active_.end()) {
          least = slack;
          worst = k;
        }
      }
      if (worst == m) return x_;
      if (!enforce(worst)) return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  const double* row(size_t k) const { return rows_.data() + k * (n_ + 1); }
  double slack_of(size_t k) const { return dot(row(k), x_.data(), n_) + row(k)[n_]; }

  // Makes constraint p active, dropping others whose multipliers reach 0. False: impossible.
  bool enforce(size_t p) {
    double multiplier = 0;
    for (;;) {
      const std::vector<double> r = combination(row(p));  // of the active normals, nearest to a_p
      std::vector<double> z(row(p), row(p) + n_);
      for (size_t j = 0; j < active_.size(); ++j) {
        for (size_t i = 0; i < n_; ++i) z[i] -= r[j] * row(active_[j])[i];
      }
      const double square = dot(z.data(), z.data(), n_);
      double to_drop = kInfinity;
      size_t dropped = 0;
      for (size_t j = 0; j < active_.size(); ++j) {
        if (r[j] > 1e-12 && multipliers_[j] / r[j] < to_drop) {
          to_drop = multipliers_[j] / r[j];
          dropped = j;
        }
      }
      const double full = square > 1e-20 ? -slack_of(p) / square : kInfinity;
      const double step = std::min(to_drop, full);
      if (step == kInfinity) return false;
      if (full < kInfinity) {
        for (size_t i = 0; i < n_; ++i) x_[i] += step * z[i];
      }
      for (size_t j = 0; j < active_.size(); ++j) multipliers_[j] -= step * r[j];
      multiplier += step;
      if (full <= to_drop) {
        active_.push_back(p);
        multipliers_.push_back(multiplier);
        return true;
      }
      active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(dropped));
      multipliers_.erase(multipliers_.begin() + static_cast<std::ptrdiff_t>(dropped));
    }
  }

  // r with sum_j r_j a_j nearest to a, by orthogonalising the active normals twice over
  std::vector<double> combination(const double* a) const {
    const size_t count = active_.size();
    std::vector<std::vector<double>> Q;         // orthonormal
    std::vector<std::vector<double>> R(count);  // a_j = sum_i R[j][i] Q_i
    for (size_t j = 0; j < count; ++j) {
      std::vector<double> q(row(active_[j]), row(active_[j]) + n_);
      R[j].assign(j + 1, 0.0);
      for (int pass = 0; pass < 2; ++pass) {
        for (size_t i = 0; i < j; ++i) {
          const double part = dot(Q[i].data(), q.data(), n_);
          R[j][i] += part;
          for (size_t c = 0; c < n_; ++c) q[c] -= part * Q[i][c];
        }
      }
      R[j][j] = std::sqrt(dot(q.data(), q.data(), n_));
      for (double& v : q) v /= R[j][j];
      Q.push_back(std::move(q));
    }
    std::vector<double> r(count);
    for (size_t j = 0; j < count; ++j) r[j] = dot(Q[j].data(), a, n_);
    for (size_t j = count; j-- > 0;) {
      r[j] /= R[j][j];
      for (size_t i = 0; i < j; ++i) r[i] -= R[j][i] * r[j];
    }
    return r;
  }

  size_t n_;
  const std::vector<double>& rows_;
  std::vector<double> x_;
  double tolerance_ = 0;
  std::vector<size_t> active_;
  std::vector<double> multipliers_;
};

void add_row(std::vector<double>& rows, const std::vector<double>& a, double c) {
  const double length = std::sqrt(dot(a.data(), a.data(), a.size()));
  for (const double v : a) rows.push_back(v / length);
  rows.push_back(c / length);
}

// The box as rows
std::vector<double> box_rows(const RegionTree& tree) {
  std::vector<double> rows;
  if (tree.domain.is_all) return rows;
  for (size_t i = 0; i < static_cast<size_t>(tree.inputs); ++i) {
    std::vector<double> a(static_cast<size_t>(tree.inputs), 0.0);
    a[i] = 1;
    add_row(rows, a, -tree.domain.low[i]);
    a[i] = -1;
    add_row(rows, a, tree.domain.high[i]);
  }
  return rows;
}

double distance_between(std::span<const double> a, const std::vector<double>& b) {
  double square = 0;
  for (size_t i = 0; i < a.size(); ++i) square += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(square);
}

// A part of the tree, or an offer: a point where class `other` ties
struct Item {
  double distance = 0;
  int64_t order = 0;  // older first among equals
  int32_t child = 0;
  int64_t other = -1;
  std::vector<double> rows;   // of a part
  std::vector<double> point;  // nearest to x0
  bool has_gap = false;       // the last row is that of an offer
  bool operator<(const Item& o) const {
    return distance != o.distance ? distance > o.distance : order > o.order;
  }
};

class Search {
 public:
  Search(const RegionTree& tree, std::span<const double> x0) : tree_(tree), x0_(x0) {}

  Certificate run() {
    const int64_t home = tree_.find(x0_);
    result_.distance = kInfinity;
    if (home < 0) {  // nothing is known here
      result_.distance = 0;
      result_.is_exact = false;
      return result_;
    }
    result_.label = label_of(tree_.value(home, x0_));
    result_.linear_radius = linear_radius(home);
    push(
        {.child = tree_.cuts.empty() ? ~0 : 0,
         .rows = box_rows(tree_),
         .point = {x0_.begin(), x0_.end()}});
    while (!queue_.empty()) {
      Item item = queue_.top();
      queue_.pop();
      if (item.other >= 0) {
        result_.other = item.other;
        result_.distance = item.distance;
        result_.beyond = point_beyond(item);
        result_.point = std::move(item.point);
        return result_;
      }
      if (item.child == kUnexplored) {
        result_.distance = item.distance;
        result_.is_exact = false;
        return result_;
      }
      item.child >= 0 ? open_cut(item) : open_region(item);
    }
    return result_;
  }

 private:
  int64_t label_of(const std::vector<double>& y) const {
    if (y.size() == 1) return y[0] > 0 ? 1 : 0;
    return std::ranges::max_element(y) - y.begin();
  }

  void push(Item item) {
    item.order = order_++;
    queue_.push(std::move(item));
  }

  // A part cut down by a . x + c >= 0; pushes it unless it is empty
  void push_below(
      const Item& above, int32_t child, int64_t other, const std::vector<double>& a, double c) {
    Item item{
        .distance = above.distance,
        .child = child,
        .other = other,
        .rows = above.rows,
        .point = above.point};
    if (dot(a.data(), a.data(), a.size()) == 0) {
      if (c < 0) return;
    } else {
      add_row(item.rows, a, c);
      item.has_gap = other >= 0;
      if (dot(a.data(), item.point.data(), a.size()) + c < 0) {
        auto point = nearest_point(x0_, item.rows);
        if (!point) return;
        item.point = std::move(*point);
        item.distance = std::max(above.distance, distance_between(x0_, item.point));
      }
    }
    push(std::move(item));
  }

  void open_cut(const Item& item) {
    const Cut& cut = tree_.cuts[static_cast<size_t>(item.child)];
    const double* row = tree_.rows.data() + item.child * (tree_.inputs + 1);
    std::vector<double> a(row, row + tree_.inputs);
    push_below(item, cut.on, -1, a, row[tree_.inputs]);
    for (double& v : a) v = -v;
    push_below(item, cut.off, -1, a, -row[tree_.inputs]);
  }

  // Where another output is at least the label's
  void open_region(const Item& item) {
    ++result_.regions_opened;
    const int64_t region = ~item.child, n = tree_.inputs, q = tree_.outputs;
    const double* weights = tree_.weights.data() + region * q * n;
    const double* biases = tree_.biases.data() + region * q;
    if (q == 1) {
      const double sign = result_.label == 1 ? -1 : 1;
      std::vector<double> a(weights, weights + n);
      for (double& v : a) v *= sign;
      push_below(item, item.child, 1 - result_.label, a, sign * biases[0]);
      return;
    }
    for (int64_t k = 0; k < q; ++k) {
      if (k == result_.label) continue;
      std::vector<double> a;
      for (int64_t i = 0; i < n; ++i)
        a.push_back(weights[k * n + i] - weights[result_.label * n + i]);
      push_below(item, item.child, k, a, biases[k] - biases[result_.label]);
    }
  }

  // The nearest point that is delta beyond the tie, in the region of the offer
  std::vector<double> point_beyond(const Item& item) const {
    if (!item.has_gap) return {};
    for (double delta = 1e-7; delta > 1e-12; delta /= 10) {
      std::vector<double> rows = item.rows;
      rows.back() -= delta * item.distance;
      const auto point = nearest_point(x0_, rows);
      if (point && distance_between(x0_, *point) <= (1 + 1e-6) * item.distance) return *point;
    }
    return {};
  }

  double linear_radius(int64_t home) const {
    double radius = kInfinity;
    for (int32_t at = tree_.parents[static_cast<size_t>(home)]; at >= 0;
         at = tree_.cuts[static_cast<size_t>(at)].parent) {
      const double* row = tree_.rows.data() + at * (tree_.inputs + 1);
      const double length = std::sqrt(dot(row, row, x0_.size()));
      radius = std::min(radius, std::abs(tree_.row_value(at, x0_)) / length);
    }
    for (size_t i = 0; i < x0_.size() && !tree_.domain.is_all; ++i) {
      radius = std::min({radius, x0_[i] - tree_.domain.low[i], tree_.domain.high[i] - x0_[i]});
    }
    return radius;
  }

  const RegionTree& tree_;
  std::span<const double> x0_;
  Certificate result_;
  std::priority_queue<Item> queue_;
  int64_t order_ = 0;
};

}  // namespace

std::optional<std::vector<double>> nearest_point(
    std::span<const double> x0, const std::vector<double>& rows) {
  return Projection(x0, rows).solve();
}

Certificate certify(const RegionTree& tree, std::span<const double> x0) {
  check_shape(
      std::ssize(x0) == tree.inputs, "certify", "needs ", tree.inputs, " inputs, got ", x0.size());
  for (size_t i = 0; i < x0.size() && !tree.domain.is_all; ++i) {
    check_value(
        x0[i] >= tree.domain.low[i] && x0[i] <= tree.domain.high[i], "certify", "input ", i, " is ",
        x0[i], ", outside of the box [", tree.domain.low[i], ", ", tree.domain.high[i], "]");
  }
  return Search(tree, x0).run();
}

}  // namespace limpid::interpret
