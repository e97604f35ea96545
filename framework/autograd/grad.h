// framework/autograd/grad.h: derivatives of recorded values.
//
// One sweep: walk the graph from y, keep the nodes from which a wanted x can be reached, visit them
// newest first, and let every edge turn the gradient of its output into that of its input. Edges
// are formulas written with ops (record.h), so with create_graph the result is itself recorded and
// can be differentiated again, to any order.
#pragma once

#include "framework/tensor/record.h"
#include "framework/tensor/tensor.h"

#include <span>
#include <vector>

namespace limpid {

struct GradOptions {
  bool create_graph = false;           // record the backward pass, to differentiate it again
  bool release_graph = false;          // drop edges as soon as they are used
  ReluRule relu = ReluRule::standard;  // rule of the rectifiers that THIS pass visits
  ReluScope scope = ReluScope::all;    // all, or relu only (relu6 stays standard)
  bool holds_statistics = false;       // batch norm: statistics of the batch are constants
  Tensor seed = {};                    // dL/dy; required unless y has one element (then 1)
};

/// dy/dx for one x: any tensor of the graph, a leaf or an intermediate result, shaped like x.
/// Zeros if y does not depend on x. Throws GraphError if y or x is not recorded, if the graph
/// between them was released, if a kept value was overwritten or an op has no derivative.
Tensor grad(const Tensor& y, const Tensor& x, const GradOptions& options = {});
/// The same for several x in one sweep.
std::vector<Tensor> grad(
    const Tensor& y, std::span<const Tensor> xs, const GradOptions& options = {});

/// Adds dL/dx to the gradient() of every leaf below `loss`, then releases the graph. Leaves are
/// only touched once the whole sweep has succeeded.
void backward(const Tensor& loss);
/// The same for the named leaves alone.
void backward(const Tensor& loss, std::span<const Tensor> leaves);

/// The product of the Hessian of the scalar y with v: d<dy/dx, v>/dx. Two sweeps.
Tensor hessian_vector_product(const Tensor& y, const Tensor& x, const Tensor& v);

/// All partial derivatives of y by x, [numel of y, numel of x]: one sweep per element of y, so for
/// small outputs.
Tensor jacobian(const Tensor& y, const Tensor& x);

}  // namespace limpid
