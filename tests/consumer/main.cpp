// tests/consumer/main.cpp: a program outside the tree that uses all three installed libraries.
#include "datasets/datasets.h"
#include "framework/framework.h"
#include "interpret/interpret.h"

#include <cstdint>
#include <cstdio>
#include <vector>

using namespace limpid;

int main() {
  // A tensor and a gradient: d/dx sum x^2 = 2x
  const Tensor x = Tensor::full({3}, 2).require_gradient();
  const double slope = sum(grad(sum(x * x), x)).item();

  // Some steps of training
  const datasets::Dataset digits = datasets::load("digits").train;
  Rng rng(7);
  const auto net = make_model("mlp:32", {.input = {1, 8, 8}, .classes = 10}, rng);
  Adam optimizer(parameters(*net));
  double loss = 0;
  for (int step = 0; step < 40; ++step) {
    Pass pass(Mode::train);
    optimizer.clear_gradients();
    const Tensor error = cross_entropy((*net)(digits.images.tensor(), pass), digits.labels);
    backward(error);
    optimizer.step(0.01);
    loss = error.item();
  }

  // An explanation of the first image
  const std::vector<int64_t> classes = {digits.labels.data<int64_t>()[0]};
  const Tensor map = interpret::gradient_map(*net, slice(digits.images.tensor(), 0, 0, 1), classes);

  const bool ok = slope == 12 && loss < 1 && map.shape() == Shape{1, 1, 8, 8};
  std::printf("%s: slope %g, loss %.3f\n", ok ? "ok" : "wrong", slope, loss);
  return ok ? 0 : 1;
}
