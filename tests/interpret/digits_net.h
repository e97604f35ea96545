// tests/interpret/digits_net.h: a small convolutional network that knows the digits.
#pragma once

#include "datasets/datasets.h"
#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/loss.h"
#include "framework/optim/adam.h"
#include "tests/interpret/small_nets.h"

#include <memory>
#include <string>

namespace limpid {

/// A network for standardised images of this training part.
inline std::unique_ptr<Module> trained(
    const datasets::Dataset& train, const datasets::ChannelStatistics& s,
    const std::string& architecture, int64_t epochs) {
  Rng rng(1);
  std::unique_ptr<Module> model =
      make_model(architecture, {train.example_shape(), train.classes}, rng);
  datasets::Batches batches(train, {.batch = 64, .mean = s.mean, .std = s.std});
  Adam optimizer(parameters(*model), {.weight_decay = 5e-4});
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    for (int64_t i = 0; i < batches.count(); ++i) {
      const datasets::Batch b = batches.get(epoch, i);
      Pass pass(Mode::train);
      optimizer.clear_gradients();
      backward(cross_entropy((*model)(b.inputs, pass), b.labels));
      optimizer.step(5e-3);
    }
  }
  optimizer.clear_gradients();
  return model;
}

/// Trained once for all cases of a program.
struct Digits {
  std::unique_ptr<Module> model;
  Tensor images, labels;  // the first 200 that it was trained on, standardised
  Shape image;
  int64_t classes = 0;

  Digits() {
    const datasets::Dataset train = datasets::load("digits").train;
    image = train.example_shape();
    classes = train.classes;
    const datasets::ChannelStatistics s = datasets::channel_statistics(train);
    model = trained(train, s, "convnet:8x2:none:max", 12);
    const datasets::Batch first =
        datasets::Batches(train, {.batch = 200, .shuffle = false, .mean = s.mean, .std = s.std})
            .get(0, 0);
    images = first.inputs;
    labels = first.labels;
  }
};

inline Digits& digits() {
  static Digits one;
  return one;
}

}  // namespace limpid
