// interpret/shallow/facets.cpp: both sides of a cut, walked down together; volumes.
#include "interpret/shallow/facets.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "interpret/numerics/dot.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>

namespace limpid::interpret {
namespace {

constexpr double kParallel = 1e-12;  // what is left of a unit row on a hyperplane, as none

// The hyperplane of a cut with coordinates y: x = p + sum_k y_k B_k, |y_k| <= the box's radius.
class Hyperplane {
 public:
  Hyperplane(const RegionTree& tree, const double* row) : n_(static_cast<size_t>(tree.inputs)) {
    const double length = std::sqrt(dot(row, row, n_));
    double radius = 0;
    for (size_t i = 0; i < n_; ++i) {
      p_.push_back((tree.domain.low[i] + tree.domain.high[i]) / 2);
      radius += (tree.domain.high[i] - p_[i]) * (tree.domain.high[i] - p_[i]);
    }
    const double off = (dot(row, p_.data(), n_) + row[n_]) / length;
    std::vector<double> a;
    for (size_t i = 0; i < n_; ++i) a.push_back(row[i] / length);
    for (size_t i = 0; i < n_; ++i) p_[i] -= off * a[i];
    low_.assign(n_ - 1, -std::sqrt(radius));
    high_.assign(n_ - 1, std::sqrt(radius));
    reflect(std::move(a));
  }

  Polytope box() const {
    return {
        .dimension = static_cast<int64_t>(n_) - 1,
        .low = low_.data(),
        .high = high_.data(),
        .normals = {},
        .offsets = {}};
  }

  // row . (x, 1) on the hyperplane: size (normal . y + offset) with |normal| = 1, or
  // the constant `offset` where size is 0
  struct Row {
    std::vector<double> normal;
    double offset = 0, size = 0;
  };
  Row restricted(const double* row) const {
    Row r;
    const double length = std::sqrt(dot(row, row, n_));
    r.offset = dot(row, p_.data(), n_) + row[n_];
    for (size_t k = 0; k + 1 < n_; ++k) r.normal.push_back(dot(row, basis_.data() + k * n_, n_));
    r.size = std::sqrt(dot(r.normal.data(), r.normal.data(), n_ - 1));
    if (r.size <= kParallel * length) {
      r.size = 0;
      return r;
    }
    for (double& v : r.normal) v /= r.size;
    r.offset /= r.size;
    return r;
  }

 private:
  // Householder's reflection that takes a to an axis; its other rows span the hyperplane
  void reflect(std::vector<double> a) {
    a[0] += a[0] < 0 ? -1 : 1;
    const double square = dot(a.data(), a.data(), n_);
    for (size_t k = 1; k < n_; ++k) {
      for (size_t i = 0; i < n_; ++i) {
        basis_.push_back((i == k ? 1 : 0) - 2 * a[k] * a[i] / square);
      }
    }
  }

  size_t n_;
  std::vector<double> p_, basis_, low_, high_;
};

// What is left of the hyperplane, with a vertex of it.
struct Piece {
  Polytope polytope;
  Vertex vertex;
};

class FacetFinder {
 public:
  FacetFinder(const RegionTree& tree, int32_t cut)
      : tree_(tree), cut_(cut), plane_(tree, row_of(cut)) {}

  std::vector<Facet> run() {
    Piece piece{.polytope = plane_.box(), .vertex = {}};
    piece.vertex = lower_corner(piece.polytope);
    if (!cut_to_box(piece) || !cut_to_path(piece)) return {};
    const Cut& cut = tree_.cuts[static_cast<size_t>(cut_)];
    descend(cut.off, cut.on, std::move(piece));
    return std::move(facets_);
  }

 private:
  const double* row_of(int32_t cut) const { return tree_.rows.data() + cut * (tree_.inputs + 1); }

  // Cuts the piece down to side * row >= 0. False: nothing with interior is left.
  bool keep(Piece& piece, const Hyperplane::Row& row, double side) {
    if (row.size == 0) return side * row.offset > 0;
    std::vector<double> g = row.normal;
    for (double& v : g) v *= side;
    const double reach =
        walk(piece.polytope, piece.vertex, g.data(), side * row.offset, tree_.margin, counts_);
    if (reach <= tree_.margin) return false;
    piece.polytope.add(row.normal.data(), row.offset, side);
    piece.vertex.slack.push_back(reach);
    return true;
  }

  bool cut_to_box(Piece& piece) {
    const auto n = static_cast<size_t>(tree_.inputs);
    for (size_t i = 0; i < n; ++i) {
      std::vector<double> row(n + 1, 0.0);
      row[i] = 1;
      row[n] = -tree_.domain.low[i];
      if (!keep(piece, plane_.restricted(row.data()), 1)) return false;
      row[n] = -tree_.domain.high[i];
      if (!keep(piece, plane_.restricted(row.data()), -1)) return false;
    }
    return true;
  }

  bool cut_to_path(Piece& piece) {
    int32_t child = cut_;
    for (int32_t at = tree_.cuts[static_cast<size_t>(cut_)].parent; at >= 0;) {
      const Cut& above = tree_.cuts[static_cast<size_t>(at)];
      if (!keep(piece, plane_.restricted(row_of(at)), above.on == child ? 1 : -1)) return false;
      child = at;
      at = above.parent;
    }
    return true;
  }

  void descend(int32_t off, int32_t on, Piece piece) {
    if (off == kUnexplored || on == kUnexplored) return;
    if (off < 0 && on < 0) {
      add(~off, ~on, piece);
      return;
    }
    const bool is_off = off >= 0;  // the side that is walked down
    const int32_t at = is_off ? off : on;
    const Cut& cut = tree_.cuts[static_cast<size_t>(at)];
    const Hyperplane::Row row = plane_.restricted(row_of(at));
    for (const bool side : {false, true}) {
      Piece part = piece;
      if (!keep(part, row, side ? 1 : -1)) continue;
      const int32_t child = side ? cut.on : cut.off;
      descend(is_off ? child : off, is_off ? on : child, std::move(part));
    }
  }

  void add(int32_t off, int32_t on, Piece& piece) {
    Facet facet{.off = off, .on = on, .cut = cut_};
    const auto n = static_cast<size_t>(tree_.inputs), q = static_cast<size_t>(tree_.outputs);
    for (size_t o = 0; o < q; ++o) {
      std::vector<double> difference;
      const size_t i = static_cast<size_t>(off) * q + o, j = static_cast<size_t>(on) * q + o;
      for (size_t c = 0; c < n; ++c) {
        difference.push_back(tree_.weights[j * n + c] - tree_.weights[i * n + c]);
      }
      difference.push_back(tree_.biases[j] - tree_.biases[i]);
      facet.slope = std::max(facet.slope, std::sqrt(dot(difference.data(), difference.data(), n)));
      facet.jump = std::max(facet.jump, largest(piece, plane_.restricted(difference.data())));
    }
    facets_.push_back(facet);
  }

  // max |row| over the piece
  double largest(Piece& piece, const Hyperplane::Row& row) {
    if (row.size == 0) return std::abs(row.offset);
    double most = 0;
    for (const double side : {-1.0, 1.0}) {
      std::vector<double> g = row.normal;
      for (double& v : g) v *= side;
      const double reach = walk(
          piece.polytope, piece.vertex, g.data(), side * row.offset,
          std::numeric_limits<double>::infinity(), counts_);
      most = std::max(most, row.size * reach);
    }
    return most;
  }

  const RegionTree& tree_;
  int32_t cut_;
  Hyperplane plane_;
  WalkCounts counts_;
  std::vector<Facet> facets_;
};

// ---- Volumes ----

// The conditions above a region, as rows that are >= 0 on it
std::vector<std::vector<double>> rows_above(const RegionTree& tree, int64_t region) {
  std::vector<std::vector<double>> rows;
  auto child = ~static_cast<int32_t>(region);
  for (int32_t at = tree.parents[static_cast<size_t>(region)]; at >= 0;) {
    const Cut& cut = tree.cuts[static_cast<size_t>(at)];
    const double* row = tree.rows.data() + at * (tree.inputs + 1);
    rows.emplace_back(row, row + tree.inputs + 1);
    if (cut.on != child) {
      for (double& v : rows.back()) v = -v;
    }
    child = at;
    at = cut.parent;
  }
  return rows;
}

double length_of(const RegionTree& tree, int64_t region) {
  double low = tree.domain.low[0], high = tree.domain.high[0];
  for (const auto& row : rows_above(tree, region)) {
    double& end = row[0] > 0 ? low : high;
    const double zero = -row[1] / row[0];
    end = row[0] > 0 ? std::max(low, zero) : std::min(high, zero);
  }
  return std::max(0.0, high - low);
}

// Sutherland and Hodgman's clipping of the box, then the shoelace formula
double area_of(const RegionTree& tree, int64_t region) {
  const std::vector<double>& low = tree.domain.low;
  const std::vector<double>& high = tree.domain.high;
  using Corner = std::pair<double, double>;
  std::vector<Corner> polygon = {
      {low[0], low[1]}, {high[0], low[1]}, {high[0], high[1]}, {low[0], high[1]}};
  for (const auto& row : rows_above(tree, region)) {
    const auto z = [&](const Corner& c) { return row[0] * c.first + row[1] * c.second + row[2]; };
    std::vector<Corner> kept;
    for (size_t k = 0; k < polygon.size(); ++k) {
      const Corner &a = polygon[k], &b = polygon[(k + 1) % polygon.size()];
      const double za = z(a), zb = z(b);
      if (za >= 0) kept.push_back(a);
      if ((za > 0 && zb < 0) || (za < 0 && zb > 0)) {
        const double t = za / (za - zb);
        kept.emplace_back(a.first + t * (b.first - a.first), a.second + t * (b.second - a.second));
      }
    }
    polygon = std::move(kept);
  }
  double twice = 0;
  for (size_t k = 1; k + 1 < polygon.size(); ++k) {
    const double ax = polygon[k].first - polygon[0].first;
    const double ay = polygon[k].second - polygon[0].second;
    const double bx = polygon[k + 1].first - polygon[0].first;
    const double by = polygon[k + 1].second - polygon[0].second;
    twice += ax * by - bx * ay;
  }
  return twice / 2;
}

Volumes sampled_volumes(const RegionTree& tree, int64_t samples, uint64_t seed) {
  const auto n = static_cast<size_t>(tree.inputs);
  double whole = 1;
  for (size_t i = 0; i < n; ++i) whole *= tree.domain.high[i] - tree.domain.low[i];
  std::vector<int64_t> counts(static_cast<size_t>(tree.size()));
  Rng rng(seed);
  std::vector<double> x(n);
  for (int64_t k = 0; k < samples; ++k) {
    for (size_t i = 0; i < n; ++i) x[i] = rng.uniform(tree.domain.low[i], tree.domain.high[i]);
    const int64_t region = tree.find(x);
    if (region >= 0) ++counts[static_cast<size_t>(region)];
  }
  Volumes result;
  constexpr double z = 1.959964;
  const auto m = static_cast<double>(samples);
  for (const int64_t count : counts) {
    const double share = static_cast<double>(count) / m;
    const double middle = (share + z * z / (2 * m)) / (1 + z * z / m);
    const double half =
        z / (1 + z * z / m) * std::sqrt(share * (1 - share) / m + z * z / (4 * m * m));
    result.value.push_back(whole * share);
    result.low.push_back(whole * std::max(0.0, middle - half));
    result.high.push_back(whole * std::min(1.0, middle + half));
  }
  return result;
}

}  // namespace

std::vector<Facet> facets(const RegionTree& tree) {
  check_value(!tree.domain.is_all, "facets", "needs a box");
  std::vector<std::vector<Facet>> by_cut(tree.cuts.size());
  std::vector<std::exception_ptr> errors(tree.cuts.size());
  parallel::for_blocks(std::ssize(tree.cuts), 16, [&](int64_t begin, int64_t end) {
    for (int64_t cut = begin; cut < end; ++cut) {
      const auto k = static_cast<size_t>(cut);
      try {
        by_cut[k] = FacetFinder(tree, static_cast<int32_t>(cut)).run();
      } catch (...) {
        errors[k] = std::current_exception();
      }
    }
  });
  std::vector<Facet> all;
  for (size_t k = 0; k < by_cut.size(); ++k) {
    if (errors[k]) std::rethrow_exception(errors[k]);
    all.insert(all.end(), by_cut[k].begin(), by_cut[k].end());
  }
  return all;
}

Volumes region_volumes(const RegionTree& tree, int64_t samples, uint64_t seed) {
  check_value(!tree.domain.is_all, "region_volumes", "needs a box");
  check_value(samples >= 1, "region_volumes", "needs a sample, got ", samples);
  if (tree.inputs > 2) return sampled_volumes(tree, samples, seed);
  Volumes result;
  for (int64_t j = 0; j < tree.size(); ++j) {
    result.value.push_back(tree.inputs == 1 ? length_of(tree, j) : area_of(tree, j));
  }
  return result;
}

}  // namespace limpid::interpret
