// tests/nn/layers_test.cpp: each layer against values computed by hand, and its gradients.
#include "framework/nn/layers.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/ranks.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/nn/finite_difference.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace limpid {
namespace {

using Values = std::vector<double>;

// f32 results of a handful of operations on numbers around 1: a few units of 2^-24 = 6e-8.
constexpr double kSingle = 1e-6;

Tensor evaluate(Module& module, const Tensor& x) {
  Pass pass;
  return module(x, pass);
}

Tensor train(Module& module, const Tensor& x) {
  Pass pass(Mode::train);
  return module(x, pass);
}

const auto kEvaluation = [] { return Pass(); };
const auto kTraining = [] { return Pass(Mode::train); };

}  // namespace

TEST_CASE("Linear: x W' + b") {
  Rng rng(1);
  Linear layer(3, 2, rng);
  state_named(layer, "weight").assign(Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}));
  state_named(layer, "bias").assign(Tensor::of({2}, {10, 20}));
  // Row (1, 0, -1): 1 - 3 + 10, 4 - 6 + 20. Row (0, 2, 0): 4 + 10, 10 + 20
  const Tensor y = evaluate(layer, Tensor::of({2, 3}, {1, 0, -1, 0, 2, 0}));
  CHECK(y.shape() == Shape({2, 2}));
  CHECK(y.to_vector() == Values{8, 18, 14, 30});
  CHECK(std::string(layer.type()) == "Linear");
  CHECK_THROWS_AS(evaluate(layer, Tensor::zeros({2, 4})), ShapeError);
  CHECK_THROWS_AS(evaluate(layer, Tensor::zeros({2, 3}, DType::f64)), DTypeError);
}

TEST_CASE("Linear and Conv2d: initial values fill [-1/sqrt(fan in), 1/sqrt(fan in)]") {
  Rng rng(2);
  Linear linear(25, 400, rng);
  Conv2d conv(4, 100, {.size = 5, .groups = 2}, rng);  // fan in 2 * 25
  for (auto& [module, fan_in] : {std::pair<Module*, double>{&linear, 25}, {&conv, 50}}) {
    const double bound = 1 / std::sqrt(fan_in);
    for (const auto& [name, tensor] : parameters(*module)) {
      CHECK(tensor.requires_gradient());
      double largest = 0, total = 0;
      for (const double w : tensor.to_vector()) {
        largest = std::max(largest, std::abs(w));
        total += w;
      }
      CHECK(largest <= bound);
      CHECK(largest > 0.9 * bound);  // 100 values or more all below 0.9: odds under 3e-5
      // The mean of n values has deviation bound / sqrt(3 n); five of them
      const auto n = static_cast<double>(tensor.numel());
      CHECK(std::abs(total / n) < 5 * bound / std::sqrt(3 * n));
    }
  }
  CHECK_FALSE(close(state_named(linear, "weight"), Tensor::zeros({400, 25})));
  CHECK_THROWS_WITH_AS(Linear(0, 3, rng), "init: fan-in must be at least 1, got 0", ValueError);
}

TEST_CASE("Conv2d: cross-correlation with bias, stride, padding and groups") {
  Rng rng(3);
  Conv2d layer(1, 1, {.size = 2}, rng);
  state_named(layer, "weight").assign(Tensor::of({1, 1, 2, 2}, {1, 0, 0, -1}));
  state_named(layer, "bias").assign(Tensor::of({1}, {0.5}));
  // x[p, q] - x[p+1, q+1] + 0.5 on 1 ... 9: always -4 + 0.5
  const Tensor x = Tensor::of({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(evaluate(layer, x).to_vector() == Values(4, -3.5));

  Conv2d bare(4, 6, {.size = 3, .stride = 2, .padding = 1, .groups = 2, .bias = false}, rng);
  CHECK(parameters(bare).size() == 1);
  CHECK(parameters(bare)[0].second.shape() == Shape({6, 2, 3, 3}));
  CHECK(evaluate(bare, Tensor::zeros({2, 4, 7, 6})).shape() == Shape({2, 6, 4, 3}));
  CHECK_THROWS_WITH_AS(
      Conv2d(4, 6, {.groups = 3}, rng), "Conv2d: 3 groups do not divide 4 and 6 channels",
      ValueError);
  CHECK_THROWS_AS(Conv2d(4, 6, {.groups = 0}, rng), ValueError);
  CHECK_THROWS_AS(Conv2d(4, 6, {.size = 0}, rng), ValueError);
  CHECK_THROWS_AS(evaluate(bare, Tensor::zeros({2, 3, 7, 6})), ShapeError);
}

TEST_CASE("BatchNorm2d: batch statistics while training, running ones else") {
  BatchNorm2d layer(2);
  convert(layer, DType::f64);
  state_named(layer, "weight").assign(Tensor::of({2}, {2, 1}));
  state_named(layer, "bias").assign(Tensor::of({2}, {-1, 3}));
  // Channel 0 holds 1, 2 | 3, 6: mean 3, squares 4 + 1 + 0 + 9 = 14, variance 14/4, unbiased 14/3.
  // Channel 1 holds 5, 5 | 5, 9: mean 6, squares 1 + 1 + 1 + 9 = 12, variance 3, unbiased 4.
  const Tensor x = Tensor::of({2, 2, 1, 2}, {1, 2, 5, 5, 3, 6, 5, 9}, DType::f64);
  const auto expected = [&](double m0, double v0, double m1, double v1) {
    Values y = x.to_vector();
    for (const size_t i : {0, 1, 4, 5}) y[i] = 2 * (y[i] - m0) / std::sqrt(v0 + 1e-5) - 1;
    for (const size_t i : {2, 3, 6, 7}) y[i] = (y[i] - m1) / std::sqrt(v1 + 1e-5) + 3;
    return Tensor::of(x.shape(), y, DType::f64);
  };
  CHECK(close(train(layer, x), expected(3, 3.5, 6, 3)));

  // running = 0.9 running + 0.1 batch from mean 0, variance 1; the unbiased variance enters
  const Tensor mean = state_named(layer, "running_mean"), var = state_named(layer, "running_var");
  CHECK(close(mean, Tensor::of({2}, {0.3, 0.6}, DType::f64)));
  CHECK(close(var, Tensor::of({2}, {0.9 + 1.4 / 3, 0.9 + 0.4}, DType::f64)));
  CHECK_FALSE(mean.requires_gradient());

  // Evaluation reads them and leaves everything alone
  const Tensor mean_before = mean.clone(), var_before = var.clone();
  CHECK(close(evaluate(layer, x), expected(0.3, 0.9 + 1.4 / 3, 0.6, 1.3)));
  CHECK(bitwise_equal(mean, mean_before));
  CHECK(bitwise_equal(var, var_before));

  // A second training pass goes on from there
  train(layer, x);
  CHECK(close(mean, Tensor::of({2}, {0.3 * 1.9, 0.6 * 1.9}, DType::f64)));
}

TEST_CASE("BatchNorm2d: evaluation is a scale and a shift per channel") {
  Rng rng(98);
  BatchNorm2d layer(3);
  for (auto& [name, tensor] : state(layer)) {
    tensor.assign(Tensor::uniform(tensor.shape(), rng, 0.5, 1.5));
  }
  const Tensor x = Tensor::normal({2, 3, 4, 4}, rng, 0, 1);
  Pass pass;
  const auto [scale, shift] = layer.in_evaluation();
  CHECK(close(scale_shift(x, scale, shift), layer(x, pass), 1e-6));
}

TEST_CASE("BatchNorm2d: fewer than two values per channel throw and leave the statistics alone") {
  BatchNorm2d layer(3);
  for (const Shape& shape : {Shape({1, 3, 1, 1}), Shape({0, 3, 4, 4}), Shape({2, 3, 0, 4})}) {
    CHECK_THROWS_AS(train(layer, Tensor::ones(shape)), ShapeError);
    CHECK(evaluate(layer, Tensor::ones(shape)).shape() == shape);
  }
  CHECK_THROWS_AS(train(layer, Tensor::ones({2, 4, 2, 2})), ShapeError);  // 4 channels, not 3
  CHECK_THROWS_AS(evaluate(layer, Tensor::ones({2, 4, 2, 2})), ShapeError);
  CHECK(state_named(layer, "running_mean").to_vector() == Values(3, 0));
  CHECK(state_named(layer, "running_var").to_vector() == Values(3, 1));

  // One image with several pixels has statistics: 1, 3 in every channel give -1, 1
  const Tensor y = train(layer, Tensor::of({1, 3, 1, 2}, {1, 3, 1, 3, 1, 3}));
  CHECK(close(y, Tensor::of({1, 3, 1, 2}, {-1, 1, -1, 1, -1, 1}), 1e-5));  // epsilon is 1e-5
  CHECK(close(state_named(layer, "running_mean"), Tensor::full({3}, 0.2), kSingle));
  CHECK(close(state_named(layer, "running_var"), Tensor::full({3}, 0.9 + 0.2), kSingle));
}

TEST_CASE("InstanceNorm2d: each image by itself, in both modes alike") {
  InstanceNorm2d layer(1);
  CHECK(buffers(layer).empty());
  CHECK(parameter_count(layer) == 2);
  convert(layer, DType::f64);
  state_named(layer, "weight").assign(Tensor::of({1}, {3}));
  state_named(layer, "bias").assign(Tensor::of({1}, {1}));
  // (0, 2): mean 1, variance 1. (10, 16): mean 13, variance 9
  const Tensor x = Tensor::of({2, 1, 1, 2}, {0, 2, 10, 16}, DType::f64);
  const double a = 3 / std::sqrt(1 + 1e-5), b = 3 * 3 / std::sqrt(9 + 1e-5);
  const Tensor expected = Tensor::of({2, 1, 1, 2}, {1 - a, 1 + a, 1 - b, 1 + b}, DType::f64);
  CHECK(close(evaluate(layer, x), expected));
  CHECK(bitwise_equal(train(layer, x), evaluate(layer, x)));
  CHECK_THROWS_AS(evaluate(layer, Tensor::ones({2, 1, 1, 1}, DType::f64)), ShapeError);
}

TEST_CASE("layers without state: values by hand") {
  const Tensor x = Tensor::of({1, 1, 2, 4}, {1, -2, 3, 4, 5, 0, -1, 2});
  ReLU relu;
  CHECK(evaluate(relu, x).to_vector() == Values{1, 0, 3, 4, 5, 0, 0, 2});
  MaxPool2d max_pool;
  CHECK(evaluate(max_pool, x).to_vector() == Values{5, 4});
  AvgPool2d avg_pool;
  CHECK(evaluate(avg_pool, x).to_vector() == Values{1, 2});
  MaxPool2d sliding({.size = 2, .stride = 1});
  CHECK(evaluate(sliding, x).to_vector() == Values{5, 3, 4});
  GlobalAvgPool2d global;
  CHECK(evaluate(global, x).to_vector() == Values{1.5});
  CHECK(evaluate(global, Tensor::zeros({2, 3, 4, 5})).shape() == Shape({2, 3}));
  Flatten flatten;
  CHECK(evaluate(flatten, Tensor::zeros({2, 3, 4, 5})).shape() == Shape({2, 60}));
  CHECK(evaluate(flatten, x).to_vector() == x.to_vector());
  CHECK_THROWS_AS(evaluate(flatten, Tensor::scalar(1)), ShapeError);
  CHECK(state(max_pool).empty());
}

TEST_CASE("layers: gradients agree with central differences") {
  Rng rng(4);
  const Tensor rows = Tensor::normal({3, 4}, rng, 0, 1, DType::f64);
  const Tensor images = Tensor::normal({2, 4, 5, 5}, rng, 0, 1, DType::f64);
  Linear linear(4, 3, rng);
  Conv2d conv(4, 6, {.size = 3, .stride = 2, .padding = 1, .groups = 2}, rng);
  BatchNorm2d batch_norm(4);
  InstanceNorm2d instance_norm(4);
  for (Module* m : std::initializer_list<Module*>{&linear, &conv, &batch_norm, &instance_norm}) {
    convert(*m, DType::f64);
    for (auto& [name, tensor] : parameters(*m)) {  // away from the special values 0 and 1
      tensor.assign(Tensor::normal(tensor.shape(), rng, 0.5, 1, DType::f64));
    }
  }
  CHECK(derivative_error(linear, rows, kEvaluation) < 1e-6);
  CHECK(derivative_error(conv, images, kEvaluation) < 1e-6);
  CHECK(derivative_error(batch_norm, images, kTraining) < 1e-6);
  CHECK(derivative_error(batch_norm, images, kEvaluation) < 1e-6);
  CHECK(derivative_error(instance_norm, images, kTraining) < 1e-6);
}

TEST_CASE("Dropout: drops a share p, scales the rest, keeps the mean") {
  Dropout layer(0.3);
  const Tensor x = Tensor::ones({100, 1000});
  Rng rng(5);
  Pass pass(Mode::train, &rng);
  const Tensor y = layer(x, pass);
  int64_t dropped = 0, others = 0;
  const float kept = 1 / 0.7F;
  for (const float v : y.values<float>()) {
    if (v == 0)
      ++dropped;
    else if (std::abs(v - kept) > 1e-6F)
      ++others;
  }
  CHECK(others == 0);
  // 100,000 draws: the dropped share has deviation sqrt(0.21 / 100000) = 0.00145, the mean of y
  // that over 0.7; five of them
  CHECK(std::abs(static_cast<double>(dropped) / 1e5 - 0.3) < 5 * 0.00145);
  CHECK(std::abs(mean(y).item() - 1) < 5 * 0.00145 / 0.7);

  // The same stream gives the same mask, the next draw another one
  Rng again(5), third(6);
  Pass same(Mode::train, &again), other(Mode::train, &third);
  CHECK(bitwise_equal(layer(x, same), y));
  CHECK_FALSE(bitwise_equal(layer(x, same), y));
  CHECK_FALSE(bitwise_equal(layer(x, other), y));
}

TEST_CASE("Dropout: identity in evaluation and for p = 0; bad p and missing stream") {
  Dropout layer(0.5), none(0);
  const Tensor x = Tensor::of({3}, {1, 2, 3});
  CHECK(evaluate(layer, x).is(x));
  CHECK(train(none, x).is(x));  // needs no stream
  CHECK_THROWS_WITH_AS(
      train(layer, x), "dropout: a training pass needs a random stream: Pass(mode, &rng)",
      ValueError);
  for (const double p : {-0.1, 1.0, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS(Dropout{p}, ValueError);
  }
}

TEST_CASE("Dropout: the gradient passes through the same mask") {
  Dropout layer(0.4);
  Rng rng(7);
  Tensor x = Tensor::full({1000}, 2.0).require_gradient();
  Pass pass(Mode::train, &rng);
  const Tensor y = layer(x, pass);
  CHECK(close(grad(sum(y), x) * 2.0, y, kSingle));  // y = x mask / 0.6 with x = 2
}

TEST_CASE("Sequential: layers in order, under their names; empty: the input itself") {
  Rng rng(8);
  Sequential net;
  const Tensor x = Tensor::of({1, 2}, {-3, 4});
  CHECK(evaluate(net, x).is(x));
  net.add<ReLU>("first");
  Linear& linear = net.add<Linear>("second", 2, 1, rng);
  state_named(linear, "weight").assign(Tensor::of({1, 2}, {10, 100}));
  state_named(linear, "bias").assign(Tensor::of({1}, {1}));
  CHECK(evaluate(net, x).to_vector() == Values{401});  // relu first: -3 does not enter
  const NamedModules named = layers(net);
  REQUIRE(named.size() == 2);
  CHECK(named[0].first == "first");
  CHECK(named[1].second == &linear);
  CHECK(parameters(net)[0].first == "second.weight");
}

TEST_CASE("macs: multiply-adds of Linear and Conv2d; none elsewhere") {
  Rng rng(9);
  Linear linear(30, 7, rng);
  CHECK(linear.macs({5, 30}, {5, 7}) == 5 * 30 * 7);
  Conv2d conv(8, 12, {.size = 3, .groups = 4}, rng);
  // 12 filters of 8/4 * 3 * 3 = 18 weights at 6 * 5 places of 2 images
  CHECK(conv.macs({2, 8, 8, 7}, {2, 12, 6, 5}) == 2 * 12 * 6 * 5 * 18);
  CHECK(ReLU().macs({2, 3}, {2, 3}) == 0);
  CHECK(BatchNorm2d(3).macs({2, 3, 4, 4}, {2, 3, 4, 4}) == 0);
}

TEST_CASE(
    "BatchNorm2d: shared by one rank, the values, gradients and running statistics are the same") {
  Rng rng(5);
  const Tensor data = Tensor::normal({4, 3, 2, 5}, rng, 2, 3);
  const Tensor weights = Tensor::normal({4, 3, 2, 5}, rng, 0, 1);
  BatchNorm2d plain(3), shared(3);
  std::vector<Tensor> results[2];
  for (BatchNorm2d* layer : {&plain, &shared}) {
    state_named(*layer, "weight").assign(Tensor::of({3}, {0.5, 2, -1}));
    Tensor x = data.clone();
    x.require_gradient();
    Pass pass(Mode::train);
    if (layer == &shared) pass.share({.begin = 0, .end = 4, .of = 4});
    const Tensor y = (*layer)(x, pass);
    const Tensor dx = grad(sum(y * y * weights), x, {.create_graph = true});
    const Tensor second = grad(sum(dx * weights), x, {.create_graph = true});
    results[layer == &shared ? 1 : 0] = {
        y, dx, second, state_named(*layer, "running_mean"), state_named(*layer, "running_var")};
  }
  // f32 by two orders of the same sums; second derivatives are sums of about 40 terms near 1
  for (size_t i = 0; i < results[0].size(); ++i) {
    INFO(i);
    CHECK(max_error(results[0][i], results[1][i]) < 2e-5);
    CHECK(max_error(results[0][i], Tensor::zeros(results[0][i].shape())) > 0.1);
  }
}

TEST_CASE("BatchNorm2d and Dropout: no row of a shared batch is a part too") {
  Rng rng(6);
  BatchNorm2d norm(2);
  Dropout dropout(0.5);
  Pass pass(Mode::train, &rng);
  pass.share({.begin = 3, .end = 3, .of = 3});
  CHECK(norm(Tensor::zeros({0, 2, 4, 4}), pass).shape() == Shape({0, 2, 4, 4}));
  CHECK(dropout(Tensor::zeros({0, 5}), pass).shape() == Shape({0, 5}));
}

TEST_CASE("Dropout: the parts of a shared batch drop what the batch drops") {
  Dropout layer(0.3);
  Rng numbers(7);
  const Tensor x = Tensor::normal({7, 4}, numbers, 0, 1);
  const auto dropped = [&](const Tensor& input, const ranks::Share& rows) {
    Rng rng(8);
    Pass pass(Mode::train, &rng);
    pass.share(rows);
    return layer(input, pass);
  };
  const Tensor whole = dropped(x, {});
  std::vector<Tensor> parts;
  for (int part = 0; part < 3; ++part) {
    const ranks::Share rows = ranks::share(7, part, 3);
    parts.push_back(dropped(slice(x, 0, rows.begin, rows.end), rows));
  }
  CHECK(bitwise_equal(concat(parts, 0), whole));
}

}  // namespace limpid
