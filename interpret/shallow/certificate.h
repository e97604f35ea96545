// interpret/shallow/certificate.h: the exact distance from a point to where the decision changes.
//
//   symbol   meaning
//   c        the class at x0: the largest output (one output: its sign)
//   d        min |x - x0| over x in the domain where another output is at least that of c
//   r        min over the cuts above x0's region of |z(x0)| / |a|: f is affine on that ball
//
// Best-first search through the tree of regions: parts are ordered by their distance from x0, a
// region offers its nearest point where another class ties, and the first offer to come up is the
// answer, because everything not yet opened is farther. Distances are projections on polytopes
// (Goldfarb and Idnani's dual method, Mathematical Programming 27, 1983), so the answer is exact up
// to rounding; no more regions are opened than reach into the ball of radius d.
#pragma once

#include "interpret/shallow/regions.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace limpid::interpret {

/// The point nearest to x0 with a_k . x + c_k >= 0 for all rows [m, n + 1] = (a_k, c_k), unit a_k;
/// none if there is no such point.
std::optional<std::vector<double>> nearest_point(
    std::span<const double> x0, const std::vector<double>& rows);

struct Certificate {
  int64_t label = 0;           // c; for one output 1 if it is positive, else 0
  int64_t other = -1;          // the class that ties at `point`; -1 if the decision never changes
  double distance = 0;         // d; infinite if the decision never changes in the domain
  std::vector<double> point;   // [n]
  std::vector<double> beyond;  // [n]: another label; empty if the tie is nowhere broken nearby
  double linear_radius = 0;    // r, at most the distance to the box
  int64_t regions_opened = 0;
  bool is_exact = true;  // false: an unexplored part of the tree is nearer, d >= distance
};

/// Throws ValueError for a point outside the domain's box.
Certificate certify(const RegionTree& tree, std::span<const double> x0);

}  // namespace limpid::interpret
