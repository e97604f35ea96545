// framework/optim/optimizer.h: turning gradients into better parameters.
//
// Letters: w parameter, g its gradient, t step count from 1, lr learning rate, wd weight decay.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace limpid {

/// Parameters under their names, as parameters(module) lists them.
using NamedParameters = std::vector<std::pair<std::string, Tensor>>;

/// Parameters with a rate and a decay of their own.
struct ParameterGroup {
  NamedParameters parameters = {};
  double rate_scale = 1;                    // their lr is rate_scale times that of the step
  std::optional<double> weight_decay = {};  // in place of the wd in the optimiser's options
};

/// Two groups: tensors of two and more dimensions, with the optimiser's decay; the others, which
/// are biases and the scales and shifts of normalisation, with none (He et al.: Bag of Tricks for
/// Image Classification with CNNs, CVPR 2019, section 3.1, "no bias decay").
std::vector<ParameterGroup> decay_weights_only(const NamedParameters& parameters);

/// What all optimisers share: parameters, their gradients, and the state that is saved.
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
  /// `weight_decay`: of the groups without their own. `slots`: names of the tensors kept per
  /// parameter, all starting at zero. Throws ValueError if a name is listed twice or a scale or a
  /// decay is negative or not finite.
  Optimizer(
      const std::vector<ParameterGroup>& groups, double weight_decay,
      std::vector<std::string> slots);

  struct Update {
    const Tensor& gradient;
    std::vector<Tensor>& slots;  // in the order of their names
    double learning_rate;        // scaled by the parameter's group
    double weight_decay;         // of the parameter's group
    int64_t t;
  };
  /// Updates one parameter in place.
  virtual void update(Tensor& parameter, const Update& u) = 0;

 private:
  struct Entry {
    std::string name;
    Tensor parameter;
    double rate_scale;
    double weight_decay;
    std::vector<Tensor> slots;
  };

  std::vector<Entry> entries_;  // group after group
  std::vector<std::string> slot_names_;
  Tensor steps_;  // [1] i64
};

/// Scales all gradients by one factor so that their joint Euclidean norm is at most `limit`
/// (Pascanu et al., ICML 2013). Returns the norm before. Throws ValueError unless limit > 0.
double clip_gradients(NamedParameters& parameters, double limit);

}  // namespace limpid
