// framework/autograd/anomaly.h: finding the op that first made a NaN or an infinity.
//
//     AnomalyCheck check;
//     const Observing watch(check);
//     backward(cross_entropy(model(x, pass), labels));   // throws at the first such value
#pragma once

#include "framework/tensor/record.h"

namespace limpid {

/// Throws NumericError as soon as an op returns a value that is not finite, or a formula a gradient
/// that is not, naming the op, the shape and the first such element. Every value is read once more,
/// so this costs about as much time as the pointwise ops of the network.
class AnomalyCheck : public Observer {
 public:
  void on_result(const char* op, const Tensor& value) override;
  void on_gradient(const char* op, const Tensor& gradient) override;
};

}  // namespace limpid
