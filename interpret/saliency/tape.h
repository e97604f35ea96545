// interpret/saliency/tape.h: what lies between a value and one it was computed from.
#pragma once

#include "framework/tensor/record.h"
#include "framework/tensor/tensor.h"

#include <vector>

namespace limpid::interpret {

/// The recorded nodes that depend on x and lead to y: y's node first, each node before its inputs,
/// without x's own. Empty if y does not depend on x. Both must be recorded.
std::vector<Node*> nodes_between(const Tensor& y, const Tensor& x);

}  // namespace limpid::interpret
