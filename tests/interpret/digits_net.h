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

namespace limpid {

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
    Rng rng(1);
    model = make_model("convnet:8x2:none:max", {image, classes}, rng);
    datasets::Batches batches(
        train, {.batch = 64,
                .mean = datasets::channel_statistics(train).mean,
                .std = datasets::channel_statistics(train).std});
    Adam optimizer(parameters(*model), {.weight_decay = 5e-4});
    for (int64_t epoch = 0; epoch < 12; ++epoch) {
      for (int64_t i = 0; i < batches.count(); ++i) {
        const datasets::Batch b = batches.get(epoch, i);
        Pass pass(Mode::train);
        optimizer.clear_gradients();
        backward(cross_entropy((*model)(b.inputs, pass), b.labels));
        optimizer.step(5e-3);
      }
    }
    optimizer.clear_gradients();
    const datasets::Batch first = datasets::Batches(
                                      train, {.batch = 200,
                                              .shuffle = false,
                                              .mean = datasets::channel_statistics(train).mean,
                                              .std = datasets::channel_statistics(train).std})
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
