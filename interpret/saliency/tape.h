// interpret/saliency/tape.h: what lies between a value and one it was computed from.
#pragma once

#include "framework/tensor/record.h"
#include "framework/tensor/tensor.h"

#include <set>
#include <vector>

namespace limpid::interpret {

/// The part of the tape that leads from x to y.
struct Between {
  std::vector<Node*> nodes;         // those that depend on x and lead to y: newest first, without x
  std::set<const Node*> dependent;  // the same, with x
};
/// Empty if y does not depend on x. Both must be recorded.
Between between(const Tensor& y, const Tensor& x);

/// True if the op of a node is linear (or affine) in its inputs that depend on x: sums and
/// rearrangements are, and products where one factor alone depends on x.
bool is_linear(const Node& node, const Between& part);

}  // namespace limpid::interpret
