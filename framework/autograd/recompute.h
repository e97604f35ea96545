// framework/autograd/recompute.h: memory for time, by computing activations again.
//
// A recorded segment keeps every activation that its formulas need until the backward pass.
// checkpoint() keeps the inputs alone, and runs the segment a second time when its gradient is
// asked for (Chen et al., Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174). A net
// of n layers cut into sqrt(n) segments needs memory for about 2 sqrt(n) layers, and one more
// forward pass.
#pragma once

#include "framework/tensor/tensor.h"

#include <functional>
#include <vector>

namespace limpid {

using Segment = std::function<Tensor(const std::vector<Tensor>&)>;

/// f(inputs), recorded as one op whose gradient runs f again. The gradients are the same bits as
/// without checkpoint().
/// f must depend on its arguments alone, parameters included, and give the same value each time:
/// a parameter that it captures instead gets no gradient. First derivatives only: a sweep with
/// create_graph throws GraphError. While gates are held (gates.h) it is f(inputs), and saves no
/// memory.
Tensor checkpoint(const Segment& f, const std::vector<Tensor>& inputs);

}  // namespace limpid
