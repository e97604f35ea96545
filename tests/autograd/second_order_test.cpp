// tests/autograd/second_order_test.cpp: derivatives of whole networks against differences.
#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"
#include "tests/support/gradcheck.h"

#include <doctest/doctest.h>

#include <cstdio>

using namespace limpid;

namespace {

// Cross-entropy of conv - batch norm in training mode - relu - max-pool - linear.
// t: image [3, 2, 6, 6], filters [3, 2, 3, 3], gamma [3], beta [3], weight [4, 12], bias [4]
Tensor network_loss(Inputs t) {
  const Tensor maps = relu(standardize(conv2d(t[0], t[1]), t[2], t[3]));  // [3, 3, 4, 4]
  const Tensor features = flatten(max_pool2d(maps));                      // [3, 12]
  const Tensor logits = matmul(features, t[4], {.transpose_b = true}) + t[5];
  return cross_entropy(logits, Tensor::of_integers({3}, {1, 3, 0}));
}

std::vector<Tensor> network_inputs() {
  Rng rng(21);
  std::vector<Tensor> inputs;
  for (const Shape& s :
       {Shape{3, 2, 6, 6}, Shape{3, 2, 3, 3}, Shape{3}, Shape{3}, Shape{4, 12}, Shape{4}}) {
    inputs.push_back(Tensor::normal(s, rng, 0, 1, DType::f64));
  }
  return inputs;
}

// Cross-entropy plus the squared length of its own input gradient.
Tensor loss_with_map(Inputs t) {
  std::vector<Tensor> inputs = t;
  if (!inputs[0].requires_gradient()) inputs[0] = inputs[0].detach().require_gradient();
  const Tensor loss = network_loss(inputs);
  const Tensor map = grad(loss, inputs[0], {.create_graph = true});  // [3, 2, 6, 6]
  return loss + 10.0 * sum(map * map);
}

}  // namespace

TEST_CASE("network: first and second derivatives agree with central differences") {
  const std::vector<Tensor> inputs = network_inputs();
  double error[3] = {};
  for (int order = 1; order <= 2; ++order) {
    error[order] = gradient_error(network_loss, inputs, {.order = order, .projections = 8});
    CHECK(error[order] < 1e-6);
  }
  std::printf(
      "conv-norm-relu-pool-linear: gradient error %.1e, second order %.1e\n", error[1], error[2]);
}

TEST_CASE("network: weight gradients of a loss that contains an input gradient") {
  const std::vector<Tensor> inputs = network_inputs();
  const double error = gradient_error(loss_with_map, inputs, {.projections = 8});
  std::printf("loss with an input gradient in it: weight gradient error %.1e\n", error);
  CHECK(error < 1e-6);

  // Every weight by itself, not only along random directions
  std::vector<Tensor> leaves = as_leaves(inputs);
  const std::vector<Tensor> exact = grad(loss_with_map(leaves), leaves);
  double worst = 0;
  for (size_t k = 1; k < inputs.size(); ++k) {
    const std::vector<double> slopes = exact[k].to_vector();
    for (size_t i = 0; i < slopes.size(); ++i) {
      const auto at = [&](double h) {
        std::vector<Tensor> moved = inputs;
        moved[k] = inputs[k].clone();
        moved[k].mutable_data<double>()[i] += h;
        return loss_with_map(moved).item();
      };
      worst = std::max(worst, relative_error((at(1e-6) - at(-1e-6)) / 2e-6, slopes[i]));
    }
  }
  CHECK(worst < 1e-6);
  CHECK(max_error(exact[1], Tensor::zeros(inputs[1].shape(), DType::f64)) > 0.01);
}

TEST_CASE("network: three passes over one forward, as in training on maps") {
  // One forward; guided pass, not recorded; standard pass, recorded; last pass for the weights only
  std::vector<Tensor> t = as_leaves(network_inputs());
  const Tensor loss = network_loss(t);
  const Tensor guided = grad(loss, t[0], {.relu = ReluRule::guided});
  CHECK_FALSE(guided.requires_gradient());
  const Tensor map = grad(loss, t[0], {.create_graph = true});
  const Tensor distance = map - guided;
  const Tensor total = loss + sum(distance * distance);
  backward(total, std::vector<Tensor>(t.begin() + 1, t.end()));
  CHECK_FALSE(t[0].gradient().defined());

  // The same total as a function of the weights, with the guided map held fixed
  const Function held = [&guided](Inputs s) {
    std::vector<Tensor> inputs = s;
    if (!inputs[0].requires_gradient()) inputs[0] = inputs[0].detach().require_gradient();
    const Tensor value = network_loss(inputs);
    const Tensor gap = grad(value, inputs[0], {.create_graph = true}) - guided;
    return value + sum(gap * gap);
  };
  CHECK(gradient_error(held, network_inputs()) < 1e-6);
  const std::vector<Tensor> leaves = as_leaves(network_inputs());
  const std::vector<Tensor> expected = grad(held(leaves), leaves);
  for (size_t k = 1; k < t.size(); ++k) CHECK(close(t[k].gradient(), expected[k]));
}

TEST_CASE("network: two layers per image, with strides, groups and averages") {
  Rng rng(22);
  std::vector<Tensor> inputs;
  for (const Shape& s : {Shape{2, 2, 7, 7}, Shape{4, 1, 3, 3}, Shape{3, 4, 3, 3}, Shape{4}}) {
    inputs.push_back(Tensor::normal(s, rng, 0, 1, DType::f64));
  }
  const Function net = [](Inputs t) {
    const NormOptions per_image = {.groups = NormGroups::image_and_channel};
    const Tensor a = conv2d(t[0], t[1], {.stride = 2, .padding = 1, .groups = 2});  // [2, 4, 4, 4]
    const Tensor b = tanh(standardize(a, t[3], {}, per_image));
    const Tensor c = sigmoid(conv2d(b, t[2], {.padding = 2, .dilation = 2}));  // [2, 3, 4, 4]
    const Tensor d = flatten(avg_pool2d(c));                                   // [2, 12]
    return cosine_similarity(d, flatten(resize_bilinear(c, 2, 2))) + mean(d * d, {1});
  };
  for (int order = 1; order <= 3; ++order) {
    CAPTURE(order);
    CHECK(gradient_error(net, inputs, {.order = order}) < 1e-6);
  }
}
