// framework/optim/optimizer.cpp: what all optimisers share.
#include "framework/optim/optimizer.h"

#include "framework/core/error.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <cmath>

namespace limpid {

Optimizer::Optimizer(NamedParameters parameters, std::vector<std::string> slots)
    : parameters_(std::move(parameters)),
      slot_names_(std::move(slots)),
      steps_(Tensor::zeros({1}, DType::i64)) {
  for (const auto& [name, tensor] : parameters_) {
    std::vector<Tensor> own;
    for (size_t k = 0; k < slot_names_.size(); ++k) {
      own.push_back(Tensor::zeros(tensor.shape(), tensor.dtype()));
    }
    slots_.push_back(std::move(own));
  }
}

void Optimizer::step(double learning_rate) {
  check_value(std::isfinite(learning_rate), "step", "the learning rate is ", learning_rate);
  const Recording off(false);
  const int64_t t = ++*steps_.mutable_data<int64_t>();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor& parameter = parameters_[i].second;
    const Tensor gradient = parameter.gradient();
    if (gradient.defined()) update(parameter, gradient, slots_[i], learning_rate, t);
  }
}

void Optimizer::clear_gradients() {
  for (auto& [name, parameter] : parameters_) parameter.clear_gradient();
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state() const {
  std::vector<std::pair<std::string, Tensor>> named = {{"steps", steps_}};
  for (size_t i = 0; i < parameters_.size(); ++i) {
    for (size_t k = 0; k < slot_names_.size(); ++k) {
      named.emplace_back(slot_names_[k] + "." + parameters_[i].first, slots_[i][k]);
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
