// interpret/shallow/facets.h: which regions of a box touch, what changes between them, their sizes.
//
//   symbol   code       meaning
//   z        cut        a row of the tree; its hyperplane z = 0 carries the facet
//   i, j     off, on    regions with z <= 0 and z > 0 that share a part of it of dimension n - 1
//            jump       max over the facet and the outputs of |Lambda_j - Lambda_i|: 0 but for
//                       rounding where the network is continuous
//            slope      max over the outputs of |alpha_j - alpha_i|
//
// Two patterns that differ in one unit need not touch, and two regions that touch may differ in
// more, so facets are found, not read off the patterns: for every cut, both sides of the tree below
// are walked down at once on the hyperplane, and what is left of it must have interior there. The
// largest jump is a linear program on the facet (feasibility.h), hence exact.
#pragma once

#include "interpret/shallow/regions.h"

#include <cstdint>
#include <vector>

namespace limpid::interpret {

struct Facet {
  int32_t off = 0, on = 0;
  int32_t cut = 0;
  double jump = 0;
  double slope = 0;
};

/// By cut. Unexplored parts have none. Same result at any thread count. Throws ValueError for R^n.
std::vector<Facet> facets(const RegionTree& tree);

/// Length, area or volume of each region.
struct Volumes {
  std::vector<double> value;      // [p]
  std::vector<double> low, high;  // [p], 95 % intervals (Wilson 1927); empty: exact
};
/// Exact up to two inputs, by the share of uniform points above. Throws ValueError for R^n and for
/// no samples.
Volumes region_volumes(const RegionTree& tree, int64_t samples = 100'000, uint64_t seed = 0);

}  // namespace limpid::interpret
