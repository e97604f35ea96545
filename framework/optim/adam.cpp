// framework/optim/adam.cpp: one pass over each parameter.
#include "framework/optim/adam.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <cmath>

namespace limpid {
namespace {

const AdamOptions& checked(const AdamOptions& o) {
  check_value(
      o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1 && o.epsilon > 0 &&
          o.weight_decay >= 0 && std::isfinite(o.epsilon) && std::isfinite(o.weight_decay),
      "Adam", "needs 0 <= beta < 1, epsilon > 0 and weight decay >= 0, got ", o.beta1, ", ",
      o.beta2, ", ", o.epsilon, ", ", o.weight_decay);
  return o;
}

}  // namespace

Adam::Adam(NamedParameters parameters, const AdamOptions& options)
    : Adam(std::vector<ParameterGroup>{{std::move(parameters)}}, options) {}

Adam::Adam(const std::vector<ParameterGroup>& groups, const AdamOptions& options)
    : Optimizer(groups, checked(options).weight_decay, {"mean", "square"}), options_(options) {}

void Adam::update(Tensor& parameter, const Update& u) {
  const double steps = static_cast<double>(u.t);
  const double correction1 = 1 - std::pow(options_.beta1, steps);
  const double correction2 = 1 - std::pow(options_.beta2, steps);
  const double decay = u.weight_decay;
  visit_float("Adam", parameter.dtype(), [&]<class T>() {
    const T* gradients = u.gradient.data<T>();
    T* w = parameter.mutable_data<T>();
    T* m = u.slots[0].mutable_data<T>();
    T* v = u.slots[1].mutable_data<T>();
    parallel::for_blocks(parameter.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
      // Constants of the block, which no store into w, m or v can change: the loop vectorises
      const T beta1 = static_cast<T>(options_.beta1);
      const T beta2 = static_cast<T>(options_.beta2);
      const T rest1 = static_cast<T>(1 - options_.beta1);  // 1 - 0.999 in f32: four digits
      const T rest2 = static_cast<T>(1 - options_.beta2);
      const T coupled = static_cast<T>(options_.decouples_decay ? 0 : decay);
      const T shrink = static_cast<T>(options_.decouples_decay ? 1 - u.learning_rate * decay : 1);
      const T rate = static_cast<T>(u.learning_rate / correction1);
      const T root = static_cast<T>(1 / std::sqrt(correction2));
      const T epsilon = static_cast<T>(options_.epsilon);
      for (int64_t i = begin; i < end; ++i) {
        const T g = gradients[i] + coupled * w[i];
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * g * g;
        w[i] = shrink * w[i] - rate * m[i] / (std::sqrt(v[i]) * root + epsilon);
      }
    });
  });
}

}  // namespace limpid
