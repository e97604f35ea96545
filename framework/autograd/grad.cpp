// framework/autograd/grad.cpp: the backward sweep.
#include "framework/autograd/grad.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"

#include <algorithm>
#include <atomic>

namespace limpid {
namespace {

uint64_t next_sweep() {
  static std::atomic<uint64_t> counter{0};
  return counter.fetch_add(1, std::memory_order_relaxed) + 1;
}

// All nodes below `root` that are not older than `oldest`, oldest first, marked with this sweep.
// An explicit stack: a chain of 500,000 ops must not recurse.
std::vector<Node*> nodes_below(Node& root, uint64_t oldest, uint64_t sweep) {
  std::vector<Node*> found;
  std::vector<Node*> stack;
  const auto visit = [&](Node& node) {
    if (node.sweep == sweep || node.sequence < oldest) return;
    node.sweep = sweep;
    node.needed = node.wanted = false;
    node.upstream = Tensor();
    found.push_back(&node);
    stack.push_back(&node);
  };
  visit(root);
  while (!stack.empty()) {
    Node& node = *stack.back();
    stack.pop_back();
    for (const Edge& edge : node.edges) visit(*edge.input);
  }
  std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) {
    return a->sequence < b->sequence;
  });
  return found;
}

// A node is needed if it is wanted or an edge leads to a needed one. Inputs are older than their
// outputs, so one walk from old to new settles it.
void mark_needed(const std::vector<Node*>& nodes, uint64_t sweep) {
  for (Node* node : nodes) {
    for (const Edge& edge : node->edges) {
      node->needed |= edge.input->sweep == sweep && edge.input->needed;
    }
  }
}

// The value of `out` as the formulas of its node see it: with its node, so that they can be
// differentiated through it.
Tensor output_of(Node& node) {
  if (!node.out.defined()) return {};
  const Tensor& value = node.out;
  Tensor out = value.viewed_as(node.shape);
  out.set_node(node.shared_from_this());
  return out;
}

// Lets every edge of the node pass its gradient on.
void propagate(Node& node, uint64_t sweep) {
  try {
    const Tensor out = output_of(node);
    for (const Edge& edge : node.edges) {
      Node& input = *edge.input;
      if (input.sweep != sweep || !input.needed) continue;
      Observer* observer = Observing::current();
      if (observer != nullptr) observer->before_gradient(node.op);
      const Tensor part = edge.formula(node.upstream, out);
      if (observer != nullptr) observer->on_gradient(node.op, part);
      check_graph(
          part.shape() == input.shape, node.op, "its gradient has shape ", part.shape(),
          ", but the input has ", input.shape);
      input.upstream = input.upstream.defined() ? input.upstream + part : part;
    }
  } catch (const OverwrittenError& error) {
    throw GraphError(std::string(node.op) + ": " + error.what());
  }
}

void check_not_released(const Node& node) {
  check_graph(
      node.state != Node::State::released, node.op,
      "its graph was already released; use grad() for the calls before the last");
}

Tensor starting_gradient(const Tensor& y, const GradOptions& o) {
  if (o.seed.defined()) {
    check_shape(
        o.seed.shape() == y.shape(), "grad", "seed ", o.seed.shape(), " does not fit ", y.shape());
    check_dtype(
        o.seed.dtype() == y.dtype(), "grad", "seed is ", name_of(o.seed.dtype()), ", y is ",
        name_of(y.dtype()));
    return o.seed;
  }
  check_shape(
      y.numel() == 1, "grad", "y has ", y.shape(), "; give a seed, or a scalar such as sum(y)");
  return Tensor::ones(y.shape(), y.dtype());
}

// Clears the scratch of the nodes when the sweep ends, also when it throws.
class Sweep {
 public:
  explicit Sweep(std::vector<Node*> nodes) : nodes_(std::move(nodes)) {}
  ~Sweep() {
    for (Node* node : nodes_) node->upstream = Tensor();
  }
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;
  const std::vector<Node*>& nodes() const { return nodes_; }

 private:
  std::vector<Node*> nodes_;
};

// dy/dx for the given nodes; null entries of the result are zero gradients.
std::vector<Tensor> sweep_to(
    const Tensor& y, const std::vector<Node*>& wanted, const GradOptions& o) {
  check_graph(
      y.requires_gradient(), "grad", "y was not recorded from a tensor that requires a gradient");
  check_graph(
      !(o.create_graph && o.release_graph), "grad",
      "create_graph and release_graph exclude each other");
  uint64_t oldest = y.node()->sequence;
  for (const Node* node : wanted) oldest = std::min(oldest, node->sequence);

  // Find the part of the graph between y and the wanted nodes
  const Tensor seed = starting_gradient(y, o);
  const uint64_t id = next_sweep();
  std::vector<std::shared_ptr<Node>> kept_alive;  // inputs of released edges; outlives the sweep
  const Sweep sweep(nodes_below(*y.node(), oldest, id));
  for (Node* node : wanted) {
    if (node->sweep == id) node->needed = node->wanted = true;
  }
  for (const Node* node : sweep.nodes()) {
    if (!node->wanted) check_not_released(*node);
  }
  mark_needed(sweep.nodes(), id);

  // Visit it newest first
  const Recording recording(o.create_graph);
  const RuleScope rules({o.relu, o.scope, o.holds_statistics});
  if (y.node()->sweep == id) y.node()->upstream = seed;
  for (size_t i = sweep.nodes().size(); i-- > 0;) {
    Node& node = *sweep.nodes()[i];
    if (node.needed && node.upstream.defined()) propagate(node, id);
    if (!node.wanted) node.upstream = Tensor();
    if (o.release_graph && node.state == Node::State::recorded) {
      for (Edge& edge : node.edges) kept_alive.push_back(std::move(edge.input));
      node.release();
    }
  }
  std::vector<Tensor> results;
  for (const Node* node : wanted) results.push_back(node->sweep == id ? node->upstream : Tensor());
  return results;
}

}  // namespace

std::vector<Tensor> grad(const Tensor& y, std::span<const Tensor> xs, const GradOptions& o) {
  std::vector<Node*> wanted;
  for (const Tensor& x : xs) {
    check_graph(
        x.requires_gradient(), "grad",
        "x is not part of a graph; call require_gradient() before the forward pass");
    wanted.push_back(x.node().get());
  }
  std::vector<Tensor> results = sweep_to(y, wanted, o);
  for (size_t i = 0; i < xs.size(); ++i) {
    if (!results[i].defined()) results[i] = Tensor::zeros(xs[i].shape(), xs[i].dtype());
  }
  return results;
}

Tensor grad(const Tensor& y, const Tensor& x, const GradOptions& options) {
  return grad(y, std::span<const Tensor>(&x, 1), options).front();
}

namespace {

void add_to_leaves(const Tensor& loss, const std::vector<Node*>& leaves) {
  const std::vector<Tensor> gradients = sweep_to(loss, leaves, {.release_graph = true});
  const Recording off(false);
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!gradients[i].defined()) continue;
    std::unique_ptr<Tensor>& slot = leaves[i]->gradient;
    // Replaced, never added in place: the old gradient may be in use elsewhere
    slot = std::make_unique<Tensor>(slot ? *slot + gradients[i] : gradients[i]);
  }
}

}  // namespace

void backward(const Tensor& loss) {
  check_graph(
      loss.requires_gradient(), "backward",
      "the loss was not recorded from a tensor that requires a gradient");
  std::vector<Node*> leaves;
  for (Node* node : nodes_below(*loss.node(), 0, next_sweep())) {
    check_not_released(*node);
    if (node->state == Node::State::leaf) leaves.push_back(node);
  }
  add_to_leaves(loss, leaves);
}

void backward(const Tensor& loss, std::span<const Tensor> leaves) {
  check_graph(
      loss.requires_gradient(), "backward",
      "the loss was not recorded from a tensor that requires a gradient");
  std::vector<Node*> nodes;
  for (const Tensor& leaf : leaves) {
    check_graph(
        leaf.requires_gradient() && leaf.node()->state == Node::State::leaf, "backward",
        "gradients are added to leaves only");
    nodes.push_back(leaf.node().get());
  }
  add_to_leaves(loss, nodes);
}

Tensor hessian_vector_product(const Tensor& y, const Tensor& x, const Tensor& v) {
  const Tensor slope = grad(y, x, {.create_graph = true});
  if (!slope.requires_gradient()) return Tensor::zeros(x.shape(), x.dtype());  // y is linear in x
  return grad(slope, x, {.seed = v});
}

Tensor jacobian(const Tensor& y, const Tensor& x) {
  const Recording off(false);
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < y.numel(); ++i) {
    const Tensor unit = one_hot(Tensor::of_integers({}, {i}), y.numel(), y.dtype());
    const Tensor row = grad(y, x, {.seed = reshape(unit, y.shape())});
    rows.push_back(reshape(row, {1, x.numel()}));
  }
  check_shape(!rows.empty(), "jacobian", "y is empty (", y.shape(), ")");
  return concat(rows, 0);
}

}  // namespace limpid
