// framework/optim/sgd.h: stochastic gradient descent with momentum.
#pragma once

#include "framework/optim/optimizer.h"

namespace limpid {

struct SgdOptions {
  double momentum = 0.9;
  double weight_decay = 0;  // wd
};

/// v = momentum v + g + wd w;  w = w - lr v   (v starts at 0, as in PyTorch).
class Sgd : public Optimizer {
 public:
  Sgd(NamedParameters parameters, const SgdOptions& options = {});

 private:
  void update(
      Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& slots, double learning_rate,
      int64_t t) override;

  SgdOptions options_;
};

}  // namespace limpid
