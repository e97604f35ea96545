// framework/autograd/recompute.cpp: the second run of a segment, shared by all of its inputs.
#include "framework/autograd/recompute.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/tensor/gates.h"
#include "framework/tensor/record.h"

#include <memory>

namespace limpid {
namespace {

// One second run serves the edges of all inputs, which a sweep visits one after the other.
class Replay {
 public:
  Replay(Segment f, const std::vector<Tensor>& inputs) : f_(std::move(f)) {
    for (const Tensor& input : inputs) {
      inputs_.push_back(keep(input.detach()));
      is_wanted_.push_back(input.requires_gradient());
    }
    gradients_.resize(inputs.size());
  }

  // The gradient of input k for the upstream gradient g.
  Tensor take(size_t k, const Tensor& g) {
    check_graph(
        !Recording::is_on(), "checkpoint",
        "offers first derivatives only; leave it out where create_graph is set");
    const bool is_known = upstream_.defined() && upstream_.is(g) && gradients_[k].defined();
    if (!is_known) run_again(g);
    Tensor gradient = std::move(gradients_[k]);
    gradients_[k] = Tensor();
    return gradient;
  }

 private:
  void run_again(const Tensor& g) {
    // Leaves of its own over the same values: this graph shares no node with the outer one
    std::vector<Tensor> leaves;
    std::vector<Tensor> wanted;
    for (size_t k = 0; k < inputs_.size(); ++k) {
      leaves.push_back(inputs_[k]->detach());
      if (is_wanted_[k]) wanted.push_back(leaves.back().require_gradient());
    }
    const Recording on(true);
    const Tensor y = f_(leaves);
    const BackwardRules& rules = backward_rules();
    const std::vector<Tensor> found = grad(
        y, wanted,
        {.release_graph = true,
         .relu = rules.relu,
         .scope = rules.scope,
         .holds_statistics = rules.holds_statistics,
         .seed = g.detach()});
    for (size_t k = 0, next = 0; k < inputs_.size(); ++k) {
      gradients_[k] = is_wanted_[k] ? found[next++] : Tensor();
    }
    upstream_ = g;
  }

  Segment f_;
  std::vector<Kept> inputs_;
  std::vector<bool> is_wanted_;
  Tensor upstream_;                // the g of the last run
  std::vector<Tensor> gradients_;  // of the last run, until they are taken
};

}  // namespace

// A second run comes when gates that were held in the first no longer are
Tensor checkpoint(const Segment& f, const std::vector<Tensor>& inputs) {
  const GateScope* gates = GateScope::current();
  if (gates != nullptr && gates->holds()) return f(inputs);
  std::vector<Tensor> values;
  for (const Tensor& input : inputs) values.push_back(input.detach());
  Tensor y = [&] {
    const Recording off(false);
    return f(values).detach();
  }();
  const auto replay = std::make_shared<Replay>(f, inputs);
  std::vector<std::pair<Tensor, Vjp>> rules;
  for (size_t k = 0; k < inputs.size(); ++k) {
    rules.emplace_back(inputs[k], Vjp([replay, k](const Tensor& g) { return replay->take(k, g); }));
  }
  return record_all("checkpoint", y, std::move(rules));
}

}  // namespace limpid
