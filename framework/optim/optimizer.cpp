// framework/optim/optimizer.cpp: what all optimisers share.
#include "framework/optim/optimizer.h"

#include "framework/core/error.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <cmath>
#include <set>

namespace limpid {

std::vector<ParameterGroup> decay_weights_only(const NamedParameters& parameters) {
  ParameterGroup weights, others{.weight_decay = 0};
  for (const auto& named : parameters) {
    (named.second.rank() >= 2 ? weights : others).parameters.push_back(named);
  }
  return {std::move(weights), std::move(others)};
}

Optimizer::Optimizer(
    const std::vector<ParameterGroup>& groups, double weight_decay, std::vector<std::string> slots)
    : slot_names_(std::move(slots)), steps_(Tensor::zeros({1}, DType::i64)) {
  std::set<std::string> names;
  for (const ParameterGroup& group : groups) {
    const double scale = group.rate_scale;
    const double decay = group.weight_decay.value_or(weight_decay);
    check_value(
        scale >= 0 && std::isfinite(scale) && decay >= 0 && std::isfinite(decay), "Optimizer",
        "a group needs rate scale and weight decay >= 0, got ", scale, ", ", decay);
    for (const auto& [name, tensor] : group.parameters) {
      check_value(names.insert(name).second, "Optimizer", "'", name, "' is listed twice");
      Entry entry{name, tensor, scale, decay, {}};
      for (size_t k = 0; k < slot_names_.size(); ++k) {
        entry.slots.push_back(Tensor::zeros(tensor.shape(), tensor.dtype()));
      }
      entries_.push_back(std::move(entry));
    }
  }
}

void Optimizer::step(double learning_rate) {
  check_value(std::isfinite(learning_rate), "step", "the learning rate is ", learning_rate);
  const Recording off(false);
  const int64_t t = ++*steps_.mutable_data<int64_t>();
  for (Entry& e : entries_) {
    const Tensor gradient = e.parameter.gradient();
    if (!gradient.defined()) continue;
    update(e.parameter, {gradient, e.slots, e.rate_scale * learning_rate, e.weight_decay, t});
  }
}

void Optimizer::clear_gradients() {
  for (Entry& e : entries_) e.parameter.clear_gradient();
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state() const {
  std::vector<std::pair<std::string, Tensor>> named = {{"steps", steps_}};
  for (const Entry& e : entries_) {
    for (size_t k = 0; k < slot_names_.size(); ++k) {
      named.emplace_back(slot_names_[k] + "." + e.name, e.slots[k]);
    }
  }
  return named;
}

double clip_gradients(NamedParameters& parameters, double limit) {
  check_value(limit > 0, "clip_gradients", "needs a positive limit, got ", limit);
  const Recording off(false);
  double squares = 0;
  for (const auto& [name, parameter] : parameters) {
    const Tensor g = parameter.gradient();
    if (g.defined()) squares += sum(g * g).item();
  }
  const double norm = std::sqrt(squares);
  if (norm <= limit) return norm;
  for (auto& [name, parameter] : parameters) {
    const Tensor g = parameter.gradient();
    if (g.defined()) parameter.set_gradient(g * (limit / norm));
  }
  return norm;
}

}  // namespace limpid
