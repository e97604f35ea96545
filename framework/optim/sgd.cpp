// framework/optim/sgd.cpp: one pass over each parameter.
#include "framework/optim/sgd.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <cmath>

namespace limpid {
namespace {

const SgdOptions& checked(const SgdOptions& o) {
  check_value(
      o.momentum >= 0 && o.momentum < 1 && o.weight_decay >= 0 && std::isfinite(o.weight_decay),
      "Sgd", "needs 0 <= momentum < 1 and weight decay >= 0, got ", o.momentum, ", ",
      o.weight_decay);
  check_value(!o.nesterov || o.momentum > 0, "Sgd", "nesterov needs momentum > 0");
  return o;
}

}  // namespace

Sgd::Sgd(NamedParameters parameters, const SgdOptions& options)
    : Sgd(std::vector<ParameterGroup>{{std::move(parameters)}}, options) {}

Sgd::Sgd(const std::vector<ParameterGroup>& groups, const SgdOptions& options)
    : Optimizer(groups, checked(options).weight_decay, {"momentum"}), options_(options) {}

void Sgd::update(Tensor& parameter, const Update& u) {
  visit_float("Sgd", parameter.dtype(), [&]<class T>() {
    const T* gradients = u.gradient.data<T>();
    T* w = parameter.mutable_data<T>();
    T* v = u.slots[0].mutable_data<T>();
    const T momentum = static_cast<T>(options_.momentum);
    const T decay = static_cast<T>(u.weight_decay);
    const T lr = static_cast<T>(u.learning_rate);
    const bool nesterov = options_.nesterov;
    parallel::for_blocks(parameter.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T g = gradients[i] + decay * w[i];
        v[i] = momentum * v[i] + g;
        w[i] -= lr * (nesterov ? g + momentum * v[i] : v[i]);
      }
    });
  });
}

}  // namespace limpid
