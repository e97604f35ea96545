// interpret/shallow/polygons.h: the regions of a network with two inputs, as polygons.
//
// Inside a box of the plane no linear program is needed: every region is a convex polygon, a unit
// cuts it exactly if it is positive at one corner and negative at another, and the cut goes through
// two edges. A second way to the regions of regions.h, faster in the plane, and what is drawn.
#pragma once

#include "interpret/shallow/regions.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct Polygons {
  int64_t units = 0, outputs = 0;
  std::vector<uint8_t> patterns;     // [p, N]
  std::vector<double> corners;       // [total, 2], counter-clockwise within a polygon
  std::vector<int64_t> start = {0};  // [p + 1]: corners of polygon j are start[j] .. start[j+1] - 1
  std::vector<double> weights;       // [p, q, 2]
  std::vector<double> biases;        // [p, q]
  bool truncated = false;
  double margin = 0;

  int64_t size() const { return std::ssize(start) - 1; }
  const uint8_t* pattern(int64_t region) const { return patterns.data() + region * units; }
  /// x and y of the corners, one after the other.
  std::span<const double> polygon(int64_t region) const {
    const auto j = static_cast<size_t>(region);
    return {corners.data() + 2 * start[j], static_cast<size_t>(2 * (start[j + 1] - start[j]))};
  }
  double area(int64_t region) const;
};

/// The same at any thread count, unless the time limit ends it. Throws ShapeError unless the
/// network has two inputs, ValueError for all of R^n and for a box that is empty.
Polygons clip_regions(
    const PiecewiseLinear& net, const Domain& box, const RegionOptions& options = {});

}  // namespace limpid::interpret
