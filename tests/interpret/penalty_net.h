// tests/interpret/penalty_net.h: small networks and batches for the tests of the penalty.
#pragma once

#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "interpret/gradient_penalty/step.h"
#include "tests/support/compare.h"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace limpid::interpret {

inline Tensor example_losses(const Tensor& logits, const Batch& batch) {
  return reshape(-select(log_softmax(logits), batch.labels.values<int64_t>()), {logits.size(0)});
}

/// A network with one random batch.
struct TestNet {
  std::unique_ptr<Module> net;
  Batch batch;
  Rng rng;

  TestNet(
      const std::string& model, const Shape& images, int64_t classes, DType dtype = DType::f64,
      uint64_t seed = 5)
      : rng(seed) {
    net = make_model(model, {.input = Shape(images.sizes().subspan(1)), .classes = classes}, rng);
    convert(*net, dtype);
    batch.inputs = Tensor::normal(images, rng, 0, 1, dtype);
    std::vector<int64_t> labels;
    for (int64_t n = 0; n < images[0]; ++n) labels.push_back(n % classes);
    batch.labels = Tensor::of_integers({images[0]}, labels);
  }

  std::vector<Tensor> weights() const {
    std::vector<Tensor> leaves;
    for (const auto& named : parameters(*net)) leaves.push_back(named.second);
    return leaves;
  }

  Tensor loss(const InterpretableOptions& options, int64_t step = 0) {
    Rng dropout(77);
    Pass pass(Mode::train, &dropout);
    Tensor logits;
    return penalised_loss(*net, batch, pass, logits, example_losses, step, options);
  }

  /// The gradient of the loss by all weights, joined.
  std::vector<double> slope(const InterpretableOptions& options, int64_t step = 0) {
    std::vector<double> all;
    for (const Tensor& g : grad(loss(options, step), weights())) {
      for (const double value : g.to_vector()) all.push_back(value);
    }
    return all;
  }

  /// That of the penalty alone.
  std::vector<double> penalty_slope(InterpretableOptions options, int64_t step = 0) {
    std::vector<double> all = slope(options, step);
    options.penalty.lambda = 0;
    const std::vector<double> plain = slope(options, step);
    for (size_t i = 0; i < all.size(); ++i) all[i] -= plain[i];
    return all;
  }
};

inline double length(const std::vector<double>& x) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  return std::sqrt(squares);
}

/// |a - b| / |b|.
inline double distance(std::vector<double> a, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return length(a) / length(b);
}

}  // namespace limpid::interpret
