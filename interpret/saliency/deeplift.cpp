// interpret/saliency/deeplift.cpp: a sweep over the tape with quotients of differences as slopes.
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/relevance.h"
#include "interpret/saliency/tape.h"
#include "interpret/saliency/target.h"

#include <map>
#include <vector>

namespace limpid::interpret {
namespace {

constexpr double kTiny = 1e-10;  // differences below are 0, and the slope is the derivative

// Keeps what ops make, to look up the value of a node: a node does not own its value.
class Trace : public Observer {
 public:
  void on_result(const char*, const Tensor& value) override { results_.push_back(value); }
  void on_gradient(const char*, const Tensor&) override {}

  void sort_by_node() {
    for (const Tensor& value : results_) {
      if (value.node() != nullptr) values_[value.node().get()] = value.detach();
    }
  }
  void set(const Tensor& leaf) { values_[leaf.node().get()] = leaf.detach(); }
  const Tensor& operator[](const Node& node) const { return values_.at(&node); }

 private:
  std::vector<Tensor> results_;
  std::map<const Node*, Tensor> values_;
};

// The two halves of a batch: [2 N, ...] -> [N, ...] each.
Tensor images_of(const Tensor& both) { return slice(both, 0, 0, both.size(0) / 2); }
Tensor references_of(const Tensor& both) { return slice(both, 0, both.size(0) / 2, both.size(0)); }
Tensor difference(const Tensor& both) { return images_of(both) - references_of(both); }
// Multipliers of the images; those of the references are never asked for.
Tensor both_of(const Tensor& images) { return pad(images, 0, 0, images.size(0)); }

// change / step, and `otherwise` where the step is tiny: [N, ...]
Tensor slope_or(const Tensor& change, const Tensor& step, const Tensor& otherwise) {
  const Tensor is_tiny = less(abs(step), Tensor::scalar(kTiny, step.dtype()));
  const Tensor below = where(is_tiny, Tensor::scalar(1, step.dtype()), step);
  return where(is_tiny, otherwise, change / below);
}

// Multipliers of a node's input, from those of its output, m [2 N, ...].
class Rules {
 public:
  Rules(const Between& part, const Trace& values) : part_(part), values_(values) {}

  Tensor operator()(const Node& node, const Edge& edge, const Tensor& m) const {
    const std::string op = node.op;
    if (is_linear(node, part_)) return derivative(node, edge, m);
    if (op == "relu" || op == "relu6") return rectifier(node, edge, m);
    if (op == "max_pool2d") return maximum_of_windows(node, edge, m);
    raise<ValueError>("deeplift", "has no rule for the op ", op);
  }

 private:
  static Tensor derivative(const Node& node, const Edge& edge, const Tensor& m) {
    return edge.formula(m, node.out.defined() ? *node.out : Tensor());
  }

  // m (v - v0) / (u - u0)
  Tensor rectifier(const Node& node, const Edge& edge, const Tensor& m) const {
    const Tensor change = images_of(m) * difference(values_[node]);
    const Tensor plain = images_of(derivative(node, edge, m));
    return both_of(slope_or(change, difference(values_[*edge.input]), plain));
  }

  // A window's change v - v0 is that of its winner where v > v0, and that of the reference's winner
  // where v < v0; each share is divided by the change of the pixel it belongs to.
  Tensor maximum_of_windows(const Node& node, const Edge& edge, const Tensor& m) const {
    const Tensor v = images_of(values_[node]);
    const Tensor v0 = references_of(values_[node]);
    const Tensor larger = maximum(v, v0);
    const Tensor shares = concat({images_of(m) * (larger - v0), images_of(m) * (v - larger)}, 0);
    const Tensor spread = derivative(node, edge, shares);  // each half by its own winners
    const Tensor change = images_of(spread) + references_of(spread);
    const Tensor plain = images_of(derivative(node, edge, m));
    return both_of(slope_or(change, difference(values_[*edge.input]), plain));
  }

  const Between& part_;
  const Trace& values_;
};

// Multipliers of x, from `seed` at y.
Tensor multipliers(const Tensor& y, const Tensor& x, const Tensor& seed, const Trace& values) {
  const Recording off(false);
  const Between part = between(y, x);
  const Rules rules(part, values);
  std::map<const Node*, Tensor> collected;
  collected[y.node().get()] = seed;
  for (const Node* node : part.nodes) {
    const Tensor m = collected[node];
    collected.erase(node);
    for (const Edge& edge : node->edges) {
      if (!part.dependent.contains(edge.input.get())) continue;
      const Tensor share = rules(*node, edge, m);
      Tensor& sum = collected[edge.input.get()];
      sum = sum.defined() ? sum + share : share;
    }
  }
  return collected[x.node().get()];
}

}  // namespace

Tensor deeplift_map(
    Module& model, const Tensor& images, const Tensor& references,
    std::span<const int64_t> classes) {
  const Recording on(true);
  Tensor both = concat({images.detach(), references.detach()}, 0);  // [2 N, C, H, W]
  both.require_gradient();
  Trace values;
  Pass pass;
  const Tensor logits = [&] {
    const Observing observing(values);
    return model(both, pass);  // [2 N, classes]
  }();
  values.sort_by_node();
  values.set(both);

  const Recording off(false);
  target_score(images_of(logits), classes);  // checks the classes
  const Tensor wanted = Tensor::of_integers({images.size(0)}, classes);
  const Tensor seed = both_of(one_hot(wanted, logits.size(1), logits.dtype()));
  return images_of(multipliers(logits, both, seed, values)) * (images - references);
}

}  // namespace limpid::interpret
