// tools/examples/digits.h: the 8x8 digits, and a small network that reads them.
#pragma once

#include "datasets/datasets.h"
#include "framework/framework.h"

#include <memory>
#include <string>
#include <vector>

namespace limpid::examples {

/// Standardised images [n, 1, 8, 8] and their classes.
struct Digits {
  Tensor images, labels;  // of the training part
  Tensor test_images, test_labels;

  Digits() {
    const datasets::Split split = datasets::load("digits");
    const datasets::ChannelStatistics s = datasets::channel_statistics(split.train);
    images = datasets::standardise(split.train.images.tensor(), s);
    labels = split.train.labels;
    test_images = datasets::standardise(split.test.images.tensor(), s);
    test_labels = split.test.labels;
  }
};

/// Adam on the whole training part at once: enough for 1,437 small images.
inline std::unique_ptr<Module> trained(
    const std::string& architecture, const Digits& digits, int steps = 150) {
  Rng rng(1);
  auto net = make_model(architecture, {.input = {1, 8, 8}, .classes = 10}, rng);
  Adam optimizer(parameters(*net), {.weight_decay = 1e-3});
  for (int step = 0; step < steps; ++step) {
    Pass pass(Mode::train);
    optimizer.clear_gradients();
    backward(cross_entropy((*net)(digits.images, pass), digits.labels));
    optimizer.step(0.01);
  }
  optimizer.clear_gradients();
  return net;
}

/// Share of the images that get their class.
inline double accuracy(Module& net, const Tensor& images, const Tensor& labels) {
  const Recording off(false);
  Pass pass;
  const Tensor best = arg_max(net(images, pass), 1);
  int64_t right = 0;
  for (int64_t i = 0; i < labels.numel(); ++i) {
    right += best.data<int64_t>()[i] == labels.data<int64_t>()[i] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(labels.numel());
}

}  // namespace limpid::examples
