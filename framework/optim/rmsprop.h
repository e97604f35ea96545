// framework/optim/rmsprop.h: gradients divided by their running root mean square.
#pragma once

#include "framework/optim/optimizer.h"

namespace limpid {

struct RmsPropOptions {
  double alpha = 0.99;      // how much of the mean square stays
  double epsilon = 1e-8;    // outside the root
  double weight_decay = 0;  // wd, of groups without their own
  double momentum = 0;
};

/// RMSprop (Tieleman and Hinton, lecture 6.5 of Neural Networks for Machine Learning, 2012) in
/// PyTorch's form, with g = gradient + wd w; s and v start at 0:
///   s = alpha s + (1 - alpha) g^2;  v = momentum v + g / (sqrt(s) + epsilon);  w = w - lr v
class RmsProp : public Optimizer {
 public:
  RmsProp(NamedParameters parameters, const RmsPropOptions& options = {});
  RmsProp(const std::vector<ParameterGroup>& groups, const RmsPropOptions& options = {});

 private:
  void update(Tensor& parameter, const Update& u) override;

  RmsPropOptions options_;
};

}  // namespace limpid
