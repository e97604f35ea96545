// interpret/shallow/local_model.h: what a network does around one point, and how far that holds.
//
//   symbol      code       shape    meaning
//   P           pattern    [N]      units that are on at x
//   alpha, beta map        [q, n]   f(y) = alpha y + beta for every y of the region of P
//   z_i         HalfSpace  [n], 1   unit i on the region; the region is the intersection of the
//                                   half-spaces s_i z_i >= 0, s_i = 1 if unit i is on, else -1
//   r           radius              min_i |z_i(x)| / |a_i|: the region's edge is exactly that far
//
// A hyperplane may pass outside of the region without touching it: then its half-space is redundant
// and says nothing about the point. So each of the nearest ones is asked for the distance of the
// facet it gives the region, the nearest point that satisfies all others and has z_i = 0.
#pragma once

#include "interpret/shallow/piecewise_linear.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct HalfSpace {
  int64_t unit = 0;            // among all N
  bool is_on = false;          // at x
  std::vector<double> normal;  // [n], of length 1, pointing into the region
  double offset = 0;           // inside: normal . y + offset >= 0
  double distance = 0;         // of x to the hyperplane
  double facet_distance = 0;   // of x to the facet; infinite if the half-space is redundant
};

struct LocalModel {
  Pattern pattern;
  LocalMap map;
  std::vector<HalfSpace> nearest;  // by distance
  double radius = 0;               // infinite if no unit depends on the input
};

/// Throws ShapeError unless x has the inputs of the network.
LocalModel local_model(const PiecewiseLinear& net, std::span<const double> x, int64_t nearest);

/// The half-spaces of a pattern as rows (normal, offset) [m, n + 1], in the order of the units, but
/// for units that do not depend on the input; `units` [m] tells which they are.
struct HalfSpaceRows {
  std::vector<double> rows;
  std::vector<int64_t> units;
};
HalfSpaceRows half_space_rows(const PiecewiseLinear& net, const Pattern& pattern);

}  // namespace limpid::interpret
