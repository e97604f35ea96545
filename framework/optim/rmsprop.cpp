// framework/optim/rmsprop.cpp: one pass over each parameter.
#include "framework/optim/rmsprop.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <cmath>

namespace limpid {
namespace {

const RmsPropOptions& checked(const RmsPropOptions& o) {
  check_value(
      o.alpha >= 0 && o.alpha < 1 && o.momentum >= 0 && o.momentum < 1 && o.epsilon > 0 &&
          o.weight_decay >= 0 && std::isfinite(o.epsilon) && std::isfinite(o.weight_decay),
      "RmsProp", "needs 0 <= alpha, momentum < 1, epsilon > 0 and weight decay >= 0, got ", o.alpha,
      ", ", o.momentum, ", ", o.epsilon, ", ", o.weight_decay);
  return o;
}

}  // namespace

RmsProp::RmsProp(NamedParameters parameters, const RmsPropOptions& options)
    : RmsProp(std::vector<ParameterGroup>{{std::move(parameters)}}, options) {}

RmsProp::RmsProp(const std::vector<ParameterGroup>& groups, const RmsPropOptions& options)
    : Optimizer(groups, checked(options).weight_decay, {"square", "momentum"}), options_(options) {}

void RmsProp::update(Tensor& parameter, const Update& u) {
  visit_float("RmsProp", parameter.dtype(), [&]<class T>() {
    const T* gradients = u.gradient.data<T>();
    T* w = parameter.mutable_data<T>();
    T* s = u.slots[0].mutable_data<T>();
    T* v = u.slots[1].mutable_data<T>();
    parallel::for_blocks(parameter.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      // Constants of the block, which no store into w, s or v can change: the loop vectorises
      const T alpha = static_cast<T>(options_.alpha);
      const T rest = static_cast<T>(1 - options_.alpha);
      const T epsilon = static_cast<T>(options_.epsilon);
      const T momentum = static_cast<T>(options_.momentum);
      const T decay = static_cast<T>(u.weight_decay);
      const T lr = static_cast<T>(u.learning_rate);
      for (int64_t i = begin; i < end; ++i) {
        const T g = gradients[i] + decay * w[i];
        s[i] = alpha * s[i] + rest * g * g;
        v[i] = momentum * v[i] + g / (std::sqrt(s[i]) + epsilon);
        w[i] -= lr * v[i];
      }
    });
  });
}

}  // namespace limpid
