// framework/optim/adam.h: Adam and AdamW.
#pragma once

#include "framework/optim/optimizer.h"

namespace limpid {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;       // wd, of groups without their own
  bool decouples_decay = false;  // AdamW: w shrinks by lr wd itself, not through the gradient
};

/// Adam (Kingma and Ba, ICLR 2015, algorithm 1), with g = gradient + wd w:
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   w = w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
/// AdamW (Loshchilov and Hutter, ICLR 2019): g without wd w, and first w = w - lr wd w.
class Adam : public Optimizer {
 public:
  Adam(NamedParameters parameters, const AdamOptions& options = {});
  Adam(const std::vector<ParameterGroup>& groups, const AdamOptions& options = {});

 private:
  void update(Tensor& parameter, const Update& u) override;

  AdamOptions options_;
};

}  // namespace limpid
