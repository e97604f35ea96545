// interpret/shallow/regions.h: all activation regions of a piecewise linear network.
//
//   symbol   code               meaning
//   n, N                        inputs, hidden units
//   P        patterns           1 where z_i > 0, 0 where z_i <= 0: one row of N per region
//   R^P      leaf of the tree   { x : pattern of x is P }, a half-open polyhedron
//   p        size()             regions with interior
//
// Regions are found by splitting the domain, unit by unit and stage by stage: inside a region of
// the earlier stages the units of a stage are affine, and a unit either cuts the region in two or
// has one sign on it (section 4 of the brief's algorithm: every region of every prefix is visited,
// no infeasible pattern is). A unit cuts if its hyperplane passes through the ball around a known
// inner point, if a known vertex lies beyond it, or if a walk along edges (feasibility.h) gets
// beyond it. A unit with one sign on a region has it on every part of that region too, and is not
// asked again.
//
// The cuts are kept as a binary tree with ONE row z per cut, z > 0 on one side, z <= 0 on the
// other, and no condition for units that do not cut. So the leaves are disjoint and exhaustive for
// every x in floating point, faces of every dimension included, whatever was rounded; there are
// p - 1 cuts.
//
// Domains  a box, or all of R^n: then y = (x, t) with t >= 0, |x_i| <= 1, t <= 1 stands for x / t
//          and z = A x + d t, so that remote cells need no large numbers.
// Margin   a unit cuts a region if it reaches more than `margin` beyond the hyperplane on both
//          sides, in units of x (of y for R^n). Where the reach lies between margin / 100 and
//          100 margin the count depends on the margin: `borderline` counts these.
//
// The paper tries patterns by 2^N linear programs; the tree is ours.
#pragma once

#include "interpret/shallow/feasibility.h"
#include "interpret/shallow/piecewise_linear.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace limpid::interpret {

struct Domain {
  bool is_all = false;            // R^n
  std::vector<double> low, high;  // [n] of a box

  static Domain all() { return {.is_all = true, .low = {}, .high = {}}; }
  static Domain box(int64_t inputs, double low, double high);

  template <class Self, class Visit>
  static void fields(Self& self, Visit& visit) {
    visit(self.is_all, self.low, self.high);
  }
};

struct RegionOptions {
  int64_t max_regions = 1'000'000;
  int64_t max_bytes = int64_t{2} << 30;    // of the tree, estimated
  double time_limit = 0;                   // seconds; 0: none
  double margin = 0;                       // 0: 1e-9 of the box's diagonal, 1e-11 for R^n
  std::function<bool()> should_stop = {};  // asked now and then, by any thread
};

/// One cut; a child >= 0 is another cut, ~child a region, kUnexplored neither.
struct Cut {
  int32_t parent = -1;
  int32_t unit = 0;  // among all N
  int32_t off = 0, on = 0;
};
inline constexpr int32_t kUnexplored = INT32_MIN;

struct RegionTree {
  int64_t inputs = 0, units = 0, outputs = 0;
  Domain domain;
  std::vector<Cut> cuts;          // the root first; none if there is one region
  std::vector<double> rows;       // [cuts, n + 1]: z = row . (x, 1), as the network has it
  std::vector<uint8_t> patterns;  // [p, N]
  std::vector<double> centres;    // [p, n]: a point inside
  std::vector<double> radii;      // [p]: of a ball around it that is inside (in y for R^n)
  std::vector<int32_t> parents;   // [p]: the last cut, -1 for the only region
  std::vector<double> weights;    // [p, q, n]: Lambda_j(x) = weights x + biases
  std::vector<double> biases;     // [p, q]
  bool truncated = false;         // a limit was met: some leaves are kUnexplored
  WalkCounts counts;
  int64_t borderline = 0;
  double margin = 0;

  int64_t size() const { return static_cast<int64_t>(parents.size()); }
  const uint8_t* pattern(int64_t region) const { return patterns.data() + region * units; }
  std::span<const double> centre(int64_t region) const {
    return {centres.data() + region * inputs, static_cast<size_t>(inputs)};
  }
  /// z of a cut at x.
  double row_value(int64_t cut, std::span<const double> x) const;
  /// The region of a point by walking down; -1 if that leaf was not explored.
  int64_t find(std::span<const double> x) const;
  /// Lambda_region(x)
  std::vector<double> value(int64_t region, std::span<const double> x) const;

  template <class Self, class Visit>
  static void fields(Self& self, Visit& visit) {
    visit(self.inputs, self.units, self.outputs, self.domain, self.cuts, self.rows, self.patterns);
    visit(self.centres, self.radii, self.parents, self.weights, self.biases, self.truncated);
    visit(self.counts, self.borderline, self.margin);
  }
};

/// Subtrees are shared out over threads and ranks (core/rank_map.h: all ranks must call this). Same
/// result at any number of either, unless the time limit ends it. Throws ValueError for a box that
/// is empty, inverted or not finite, and above 24 inputs.
RegionTree enumerate_regions(
    const PiecewiseLinear& net, const Domain& domain, const RegionOptions& options = {});

/// The most regions that hidden widths allow (Serra, Tjandraatmadja and Ramalingam, ICML 2018,
/// Theorem 1): the sum over (j_1..j_L) of prod_l C(n_l, j_l) with
/// j_l <= min(n_0, n_1 - j_1, ..., n_(l-1) - j_(l-1), n_l). As double: it overflows integers.
double region_bound(int64_t inputs, std::span<const int64_t> widths);

}  // namespace limpid::interpret
