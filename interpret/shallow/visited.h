// interpret/shallow/visited.h: the regions that data visit, for networks of any size.
//
// No enumeration: one pass per batch says which gates are open at each example, and examples with
// the same gates share a region and its affine map. What no example visits stays unknown, so this
// is a partial list: `coverage` tells how much of other data it holds for.
//
// Aletheia (Sudjianto et al., arXiv 2011.04041) unwraps networks this way.
#pragma once

#include "framework/nn/module.h"
#include "interpret/shallow/piecewise_linear.h"

#include <compare>
#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// 128 bits that stand for the gates at one example: two regions share a key with a chance of
/// about regions^2 / 2^128.
struct PatternKey {
  uint64_t high = 0, low = 0;
  auto operator<=>(const PatternKey&) const = default;
};

/// The keys of examples [P, ...] in evaluation mode. Throws ValueError for an op that is not
/// piecewise linear, naming it.
std::vector<PatternKey> pattern_keys(Module& model, const Tensor& examples);

struct Visited {
  std::vector<PatternKey> keys;    // of each region, by first visit
  std::vector<int64_t> first;      // the first example in it
  std::vector<int64_t> counts;     // examples in it
  std::vector<int64_t> region_of;  // [P]
  int64_t size() const { return static_cast<int64_t>(keys.size()); }
  int64_t single_point_regions() const;
};
Visited visited_regions(std::span<const PatternKey> keys);

/// The share of other examples that lie in visited regions.
double coverage(const Visited& visited, std::span<const PatternKey> others);

/// The shallow network of the visited regions on other examples: the map of a region is taken at
/// the first of the examples [P, ...] in it. An example elsewhere is in no region and gets no
/// value.
struct VisitedCheck {
  int64_t points = 0, covered = 0;
  int64_t models = 0;        // maps that were used
  double max_abs_error = 0;  // from the deep network, over covered points
};
VisitedCheck check_visited(
    Module& model, const Visited& visited, const Tensor& examples, const Tensor& others);

/// The affine map of the region of one example [1, ...] or [...], one backward pass per output.
LocalMap local_map_at(Module& model, const Tensor& example);

}  // namespace limpid::interpret
