// framework/optim/optimizer.h: turning gradients into better parameters.
//
// Letters: w parameter, g its gradient, t step count from 1, lr learning rate, wd weight decay.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace limpid {

/// Parameters under their names, as parameters(module) lists them.
using NamedParameters = std::vector<std::pair<std::string, Tensor>>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update of every parameter that has a gradient. Call between backward() and the next
  /// forward pass. Throws ValueError if the rate is not finite.
  void step(double learning_rate);
  void clear_gradients();
  /// Slots and counters under names like "momentum.fc1.weight", to save and to restore by assign().
  std::vector<std::pair<std::string, Tensor>> state() const;

 protected:
  /// `slots`: names of the tensors kept per parameter, all starting at zero.
  Optimizer(NamedParameters parameters, std::vector<std::string> slots);

  /// Updates one parameter in place; slots[k] is its k-th slot, t the step.
  virtual void update(
      Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& slots, double learning_rate,
      int64_t t) = 0;

 private:
  NamedParameters parameters_;
  std::vector<std::string> slot_names_;
  std::vector<std::vector<Tensor>> slots_;  // per parameter
  Tensor steps_;                            // [1] i64
};

/// Scales all gradients by one factor so that their joint Euclidean norm is at most `limit`
/// (Pascanu et al., ICML 2013). Returns the norm before. Throws ValueError unless limit > 0.
double clip_gradients(NamedParameters& parameters, double limit);

}  // namespace limpid
