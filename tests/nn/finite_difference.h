// tests/nn/finite_difference.h: gradients of a module against central differences.
#pragma once

#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/nn/module.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/support/compare.h"

#include <algorithm>
#include <vector>

namespace limpid {

/// The largest error of the derivatives of sum(u y) with respect to x and each parameter, along one
/// random direction each. The module and x are f64; h = 1e-6, so that truncation is about 1e-12 and
/// rounding about 1e-10 times the size of the sum: a tolerance of 1e-6 leaves room for both.
/// `make_pass` gives a new, equal pass for every evaluation.
template <class MakePass>
double derivative_error(Module& module, const Tensor& x, MakePass make_pass) {
  Rng rng(99);
  Tensor input = x.clone().require_gradient();
  const auto run = [&] {
    auto pass = make_pass();
    return module(input, pass);
  };
  const Tensor u = Tensor::normal(run().shape(), rng, 0, 1, DType::f64);
  std::vector<Tensor> leaves = {input};
  for (const auto& [name, tensor] : parameters(module)) leaves.push_back(tensor);
  const std::vector<Tensor> gradients = grad(sum(run() * u), leaves);

  double worst = 0;
  for (size_t k = 0; k < leaves.size(); ++k) {
    const Tensor v = Tensor::normal(leaves[k].shape(), rng, 0, 1, DType::f64);
    const Tensor at = leaves[k].clone();
    constexpr double kStep = 1e-6;
    leaves[k].assign(at + v * kStep);
    const double above = sum(run() * u).item();
    leaves[k].assign(at - v * kStep);
    const double below = sum(run() * u).item();
    leaves[k].assign(at);
    const double by_engine = sum(gradients[k] * v).item();
    worst = std::max(worst, relative_error((above - below) / (2 * kStep), by_engine));
  }
  return worst;
}

/// The parameter or buffer of that name; undefined if there is none.
inline Tensor state_named(Module& module, const std::string& wanted) {
  for (const auto& [name, tensor] : state(module)) {
    if (name == wanted) return tensor;
  }
  return Tensor();
}

}  // namespace limpid
