// tools/examples/06_interpretable_gradients.cpp: train until the gradient says what guided does.
//
// A Learning Paradigm for Interpretable Gradients (arXiv 2404.15024): the loss gets a second term,
// the distance of the input gradient from the guided gradient of the same network.
#include "interpret/interpret.h"
#include "tools/examples/digits.h"

#include <cmath>
#include <cstdio>

using namespace limpid;

namespace {

// Mean cosine of gradient and guided gradient on the test images
double agreement(Module& net, const examples::Digits& digits) {
  const std::vector<int64_t> classes = to_integers(digits.test_labels);
  const Tensor plain = interpret::gradient_map(net, digits.test_images, classes);
  const Tensor guided =
      interpret::gradient_map(net, digits.test_images, classes, {.relu = ReluRule::guided});
  double total = 0;
  int64_t count = 0;
  for (const double c : interpret::cosines(plain, guided)) {
    if (!std::isfinite(c)) continue;
    total += c;
    ++count;
  }
  return total / static_cast<double>(count);
}

double trained_agreement(const examples::Digits& digits, double lambda, double& accuracy) {
  Rng rng(1);
  const auto net = make_model("mlp:64-32", {.input = {1, 8, 8}, .classes = 10}, rng);
  Adam optimizer(parameters(*net));
  interpret::InterpretableOptions options;
  options.penalty.lambda = lambda;
  options.source = interpret::GradientSource::logit;
  const auto losses = [](const Tensor& logits, const Batch& batch) {
    const Tensor chosen = select(log_softmax(logits), batch.labels.values<int64_t>());
    return reshape(-chosen, {logits.size(0)});
  };
  for (int step = 0; step < 100; ++step) {
    Pass pass(Mode::train, &rng);
    Tensor logits;
    optimizer.clear_gradients();
    backward(interpret::penalised_loss(
        *net, {digits.images, digits.labels}, pass, logits, losses, step, options));
    optimizer.step(0.01);
  }
  optimizer.clear_gradients();
  accuracy = examples::accuracy(*net, digits.test_images, digits.test_labels);
  return agreement(*net, digits);
}

}  // namespace

int main() {
  const examples::Digits digits;
  double plain_accuracy = 0, accuracy = 0;
  const double plain = trained_agreement(digits, 0, plain_accuracy);
  const double penalised = trained_agreement(digits, 0.3, accuracy);
  std::printf("without the penalty  cosine %.3f  accuracy %.1f %%\n", plain, 100 * plain_accuracy);
  std::printf("with the penalty     cosine %.3f  accuracy %.1f %%\n", penalised, 100 * accuracy);
  return penalised > plain + 0.05 && accuracy > 0.9 ? 0 : 1;
}
