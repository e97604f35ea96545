// framework/optim/sgd.h: stochastic gradient descent with momentum.
#pragma once

#include "framework/optim/optimizer.h"

namespace limpid {

struct SgdOptions {
  double momentum = 0.9;
  double weight_decay = 0;  // wd, of groups without their own
  bool nesterov = false;    // needs momentum > 0
};

/// With g = gradient + wd w (v starts at 0, as in PyTorch):
///   v = momentum v + g;  w = w - lr v
/// Nesterov's form looks one step ahead (Sutskever et al., ICML 2013, in PyTorch's variables):
///   v = momentum v + g;  w = w - lr (g + momentum v)
class Sgd : public Optimizer {
 public:
  Sgd(NamedParameters parameters, const SgdOptions& options = {});
  Sgd(const std::vector<ParameterGroup>& groups, const SgdOptions& options = {});

 private:
  void update(Tensor& parameter, const Update& u) override;

  SgdOptions options_;
};

}  // namespace limpid
