// interpret/support_vectors/retraining.cpp: training on few vectors, and a layer read off them.
#include "interpret/support_vectors/retraining.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/optim/adam.h"
#include "framework/optim/schedule.h"
#include "framework/tensor/record.h"
#include "framework/train/trainer.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

// Weights of mean 1, f32.
Tensor scaled_weights(const Tensor& weights, int64_t n) {
  if (!weights.defined()) return Tensor::ones({n, 1});
  check_shape(weights.shape() == Shape({n}), "retrain", "needs one weight per vector");
  const std::vector<double> values = weights.to_vector();
  const bool is_valid = std::all_of(
      values.begin(), values.end(), [](double v) { return v >= 0 && std::isfinite(v); });
  const double total = sum(to(weights, DType::f64)).item();
  check_value(is_valid && total > 0, "retrain", "weights must be at least 0, and not all 0");
  return reshape(
      to(to(weights, DType::f64) * (static_cast<double>(n) / total), DType::f32), {n, 1});
}

// Step t takes `batch` vectors of a random order, drawn anew when it is used up.
std::vector<int64_t> batch_rows(int64_t n, int64_t batch, int64_t t, const Rng& rng) {
  const int64_t size = std::min(n, batch);
  const int64_t per_round = n / size;
  const std::vector<int64_t> order = rng.child(static_cast<uint64_t>(t / per_round)).permutation(n);
  const auto first = order.begin() + (t % per_round) * size;
  return {first, first + size};
}

}  // namespace

std::unique_ptr<Module> retrained(
    const ModelShape& shape, const Tensor& images, const Tensor& targets, const Tensor& weights,
    const RetrainOptions& o, uint64_t seed) {
  const int64_t n = images.size(0);
  check_shape(
      n >= 1 && targets.shape() == Shape({n, shape.classes}), "retrain",
      "needs one distribution over ", shape.classes, " classes per vector (", images.shape(), ", ",
      targets.shape(), ")");
  check_value(o.steps >= 1 && o.batch >= 1, "retrain", "needs at least one step and one vector");
  const Tensor weighted = scaled_weights(weights, n) * to(targets, DType::f32);
  const Tensor classes = reshape(arg_max(targets, 1), {n});
  Rng rng(seed);
  std::unique_ptr<Module> model = make_model(o.architecture, shape, rng);
  Adam optimizer(parameters(*model), {.weight_decay = o.weight_decay});
  const Rng order = rng.child(1);

  const BatchSource source{
      .batches = o.steps,
      .examples = o.steps * std::min(n, o.batch),
      .get = [&](int64_t, int64_t t) {
        const std::vector<int64_t> chosen = batch_rows(n, o.batch, t, order);
        return Batch{
            take_rows(images, chosen), take_rows(classes, chosen), take_rows(weighted, chosen)};
      }};
  const Schedule schedule{
      .kind = Schedule::Kind::cosine, .learning_rate = o.learning_rate, .steps = o.steps};
  TrainOptions options{.epochs = 1, .seed = seed};
  options.loss = [](Module& m, const Batch& b, Pass& pass, Tensor& logits) {
    logits = m(b.inputs, pass);
    return soft_cross_entropy(logits, b.mixed);
  };
  Progress progress;
  fit(*model, optimizer, schedule, source, options, progress);
  optimizer.clear_gradients();
  return model;
}

LayerFromVectors last_layer_from_vectors(
    Module& model, const Tensor& images, const Tensor& targets, const Tensor& lambda) {
  const NamedTensors all = parameters(model);
  const std::string& last = all.back().first;
  LayerFromVectors result;
  result.layer = last.substr(0, last.rfind('.'));
  std::vector<Tensor> theta;
  for (const auto& [name, tensor] : all) {
    if (!name.starts_with(result.layer + ".")) continue;
    result.values.emplace_back(name, Tensor());
    theta.push_back(tensor);
  }
  const Recording on(true);
  Pass pass;
  const Tensor log_p = log_softmax(model(images, pass));
  const Tensor minus_losses = sum(to(targets, log_p.dtype()) * log_p, {1});
  const Tensor total = sum(reshape(to(lambda, log_p.dtype()), minus_losses.shape()) * minus_losses);
  const std::vector<Tensor> theta_hat = grad(total, theta);
  const Recording off(false);
  double product = 0, own = 0, found = 0;
  for (size_t k = 0; k < theta.size(); ++k) {
    result.values[k].second = theta_hat[k];
    product += sum(to(theta[k].detach() * theta_hat[k], DType::f64)).item();
    own += sum(to(theta[k].detach() * theta[k].detach(), DType::f64)).item();
    found += sum(to(theta_hat[k] * theta_hat[k], DType::f64)).item();
  }
  result.cosine = own * found > 0 ? product / std::sqrt(own * found) : 0;
  return result;
}

}  // namespace limpid::interpret
