// framework/optim/sgd.cpp: one pass over each parameter.
#include "framework/optim/sgd.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <cmath>

namespace limpid {

Sgd::Sgd(NamedParameters parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters), {"momentum"}), options_(options) {
  check_value(
      options.momentum >= 0 && options.momentum < 1 && options.weight_decay >= 0 &&
          std::isfinite(options.weight_decay),
      "Sgd", "needs 0 <= momentum < 1 and weight decay >= 0, got ", options.momentum, ", ",
      options.weight_decay);
}

void Sgd::update(
    Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& slots, double learning_rate,
    int64_t) {
  visit_float("Sgd", parameter.dtype(), [&]<class T>() {
    const T* g = gradient.data<T>();
    T* w = parameter.mutable_data<T>();
    T* v = slots[0].mutable_data<T>();
    const T momentum = static_cast<T>(options_.momentum);
    const T decay = static_cast<T>(options_.weight_decay);
    const T lr = static_cast<T>(learning_rate);
    parallel::for_blocks(parameter.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        v[i] = momentum * v[i] + (g[i] + decay * w[i]);
        w[i] -= lr * v[i];
      }
    });
  });
}

}  // namespace limpid
