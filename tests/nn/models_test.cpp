// tests/nn/models_test.cpp: names, sizes, errors and arithmetic of the networks.
#include "framework/nn/models.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/ops/loss.h"
#include "tests/nn/finite_difference.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace limpid {
namespace {

using Names = std::vector<std::string>;

std::unique_ptr<Module> build(const std::string& name, const Shape& input, int64_t classes = 10) {
  Rng rng(1);
  return make_model(name, {.input = input, .classes = classes}, rng);
}

Names parameter_names(Module& module) {
  Names names;
  for (const auto& [name, tensor] : parameters(module)) names.push_back(name);
  return names;
}

Names layer_names(Module& module) {
  Names names;
  for (const auto& [name, layer] : layers(module)) names.push_back(name);
  return names;
}

int64_t count(const std::string& name, const Shape& input, int64_t classes = 10) {
  return parameter_count(*build(name, input, classes));
}

struct Named {
  std::string name;
  Shape input;
};
const std::vector<Named> kModels = {
    {"mlp", {5}},
    {"mlp:7-3", {1, 4, 4}},
    {"lenet5", {1, 12, 12}},
    {"convnet:4x2", {3, 8, 8}},
    {"convnet:4x2:batch:max", {3, 9, 8}},
    {"convnet:4x1:none", {1, 5, 5}},
    {"resnet8", {3, 8, 8}},
};

}  // namespace

TEST_CASE("models: parameter names follow PyTorch's") {
  CHECK(
      parameter_names(*build("mlp:7-3", {4})) ==
      Names{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"});
  CHECK(
      layer_names(*build("mlp:7-3", {4})) ==
      Names{"flatten", "fc1", "relu1", "fc2", "relu2", "fc3"});
  CHECK(
      parameter_names(*build("lenet5", {1, 28, 28})) ==
      Names{
          "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias",
          "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"});
  CHECK(
      layer_names(*build("lenet5", {1, 28, 28})) == Names{
                                                        "conv1", "relu1", "pool1", "conv2", "relu2",
                                                        "pool2", "flatten", "fc1", "relu3", "fc2",
                                                        "relu4", "fc3"});
  CHECK(
      parameter_names(*build("convnet:4x2", {3, 8, 8})) ==
      Names{
          "conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "conv2.weight", "conv2.bias",
          "norm2.weight", "norm2.bias", "fc.weight", "fc.bias"});
  CHECK(
      layer_names(*build("convnet:4x1:none:max", {3, 8, 8})) ==
      Names{"conv1", "relu1", "pool1", "flatten", "fc"});
}

TEST_CASE("convnet: the options choose norm and pool") {
  const auto type = [](Module& net, const std::string& layer) {
    return std::string(find_layer(net, layer).type());
  };
  const auto plain = build("convnet", {3, 8, 8});
  CHECK(type(*plain, "norm3") == "InstanceNorm2d");
  CHECK(type(*plain, "pool3") == "AvgPool2d");
  const auto other = build("convnet:4x2:batch:max", {3, 8, 8});
  CHECK(type(*other, "norm2") == "BatchNorm2d");
  CHECK(type(*other, "pool1") == "MaxPool2d");
  CHECK(type(*build("convnet:4x2:batch", {3, 8, 8}), "pool1") == "AvgPool2d");
}

TEST_CASE("resnet8: names as in common CIFAR ResNet code") {
  const auto net = build("resnet8", {3, 32, 32});
  Names expected = {"conv1.weight", "bn1.weight", "bn1.bias"};
  Names expected_layers = {"conv1", "bn1"};
  for (const std::string stage : {"layer1", "layer2", "layer3"}) {
    expected_layers.push_back(stage);
    expected_layers.push_back(stage + ".0");
    for (const std::string n : {"1", "2"}) {
      expected_layers.push_back(stage + ".0.conv" + n);
      expected_layers.push_back(stage + ".0.bn" + n);
      expected.push_back(stage + ".0.conv" + n + ".weight");
      expected.push_back(stage + ".0.bn" + n + ".weight");
      expected.push_back(stage + ".0.bn" + n + ".bias");
    }
  }
  for (const std::string name : {"pool", "linear"}) expected_layers.push_back(name);
  for (const std::string name : {"linear.weight", "linear.bias"}) expected.push_back(name);
  CHECK(parameter_names(*net) == expected);
  CHECK(layer_names(*net) == expected_layers);
  CHECK(buffers(*net).size() == 2 * 7);
}

TEST_CASE("models: parameter counts") {
  // 6 25 + 6 + 16 6 25 + 16 + 120 400 + 120 + 84 120 + 84 + 10 84 + 10
  CHECK(count("lenet5", {1, 28, 28}) == 61706);
  // 64 64 + 64 + 64 32 + 32 + 32 10 + 10
  CHECK(count("mlp:64-32", {64}) == 4160 + 2080 + 330);
  CHECK(count("mlp:64-32", {1, 8, 8}) == 4160 + 2080 + 330);
  CHECK(count("mlp", {64}) == 4160 + 650);  // one hidden layer of 64
  // Default 128x3 with instance norm on [3, 32, 32], the network of dataset condensation:
  // conv 3 128 9 + 128, norm 2 128; two times 128 128 9 + 128 + 2 128; fc 128 4 4 10 + 10
  CHECK(count("convnet", {3, 32, 32}) == 3840 + 2 * 147840 + 20490);
  CHECK(count("convnet", {3, 32, 32}) == 320010);
  CHECK(count("convnet:128x3:instance:avg", {3, 32, 32}) == 320010);
  CHECK(count("convnet:128x3:none", {3, 32, 32}) == 320010 - 3 * 256);
  CHECK(count("convnet:4x2:batch", {3, 9, 9}, 5) == 120 + 156 + 4 * 2 * 2 * 5 + 5);
  // stem 3 16 9 + 32; stage 1: 2 (16 16 9) + 64; stage 2: 16 32 9 + 32 32 9 + 128;
  // stage 3: 32 64 9 + 64 64 9 + 256; linear 64 10 + 10; option A has no weights
  CHECK(count("resnet8", {3, 32, 32}) == 464 + 4672 + 13952 + 55552 + 650);
  CHECK(count("resnet8", {3, 8, 8}) == 75290);  // the image size does not enter
}

TEST_CASE("models: fresh weights are a function of the generator") {
  for (const auto& [name, input] : kModels) {
    Rng a(5), b(5), c(6);
    const auto one = make_model(name, {input, 3}, a), two = make_model(name, {input, 3}, b);
    const auto other = make_model(name, {input, 3}, c);
    const auto s = state(*one), t = state(*two), u = state(*other);
    bool equal = true, differs = false;
    for (size_t i = 0; i < s.size(); ++i) {
      equal &= bitwise_equal(s[i].second, t[i].second);
      differs |= !bitwise_equal(s[i].second, u[i].second);
    }
    CHECK(equal);
    CHECK(differs);
  }
}

TEST_CASE("make_model: unknown names, bad options and inputs that are too small") {
  Rng rng(2);
  const auto make = [&](const std::string& name, const Shape& input, int64_t classes = 10) {
    return make_model(name, {.input = input, .classes = classes}, rng);
  };
  const Shape image = {3, 32, 32};
  CHECK_THROWS_WITH_AS(
      make("vgg", image), ("model: unknown model 'vgg'; there are: " + model_names()).c_str(),
      ValueError);
  for (const std::string name :
       {"",
        "MLP",
        "lenet5:3",
        "resnet8:1",
        "resnet21",
        "mlp:",
        "mlp:0",
        "mlp:-4",
        "mlp:8-",
        "mlp:8--8",
        "mlp:8x8",
        "mlp: 8",
        "mlp:65537",
        "mlp:99999999999999999999",
        "convnet:",
        "convnet:8",
        "convnet:8x",
        "convnet:x3",
        "convnet:8x3x2",
        "convnet:0x3",
        "convnet:8x0",
        "convnet:8x17",
        "convnet:8x3:layer",
        "convnet:8x3:batch:min",
        "convnet:8x3:batch:max:more"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(make(name, image), ValueError);
  }
  CHECK_THROWS_WITH_AS(
      make("mlp:8-x", image), "model: 'x' in mlp:8-x is not a whole number from 1 to 65536",
      ValueError);
  CHECK_THROWS_WITH_AS(
      make("convnet:8x3:layer", image),
      "model: 'layer' in convnet:8x3:layer is not none, instance or batch", ValueError);

  CHECK_THROWS_WITH_AS(
      make("lenet5", {1, 11, 28}), "model: lenet5 needs images of at least 12x12, got [1, 11, 28]",
      ShapeError);
  CHECK_THROWS_AS(make("lenet5", {28, 28}), ShapeError);
  CHECK_THROWS_WITH_AS(
      make("convnet", {3, 8, 7}),
      "model: convnet of depth 3 needs images of at least 8x8, got [3, 8, 7]", ShapeError);
  CHECK_THROWS_AS(make("resnet8", {3, 3, 4}), ShapeError);
  CHECK_THROWS_AS(make("resnet8", {64}), ShapeError);

  CHECK_THROWS_WITH_AS(
      make("mlp", {4}, 0), "model: needs an input and an output, got [4] and 0 classes",
      ValueError);
  CHECK_THROWS_AS(make("mlp", {4}, -1), ValueError);
  CHECK_THROWS_AS(make("mlp", {0}), ValueError);
}

TEST_CASE("models: the smallest and odd inputs work; logits are [N, classes]") {
  const std::vector<Named> smallest = {
      {"lenet5", {1, 12, 12}},
      {"lenet5", {2, 13, 15}},
      {"convnet:4x3", {3, 8, 8}},
      {"convnet:4x3:batch:max", {3, 11, 9}},
      {"resnet8", {3, 4, 4}},
      {"resnet8", {1, 7, 5}},
      {"mlp:1", {1}}};
  for (const Named& c : smallest) {
    const std::string& name = c.name;
    const Shape& input = c.input;
    CAPTURE(name);
    const auto net = build(name, input, 4);
    std::vector<int64_t> sizes(input.sizes().begin(), input.sizes().end());
    sizes.insert(sizes.begin(), 3);
    Pass pass(Mode::train);
    CHECK(
        (*net)(Tensor::ones(Shape(std::span<const int64_t>(sizes))), pass).shape() ==
        Shape({3, 4}));
  }
}

TEST_CASE("models: an empty batch gives no logits; batch norm in training refuses it") {
  for (const Named& c : kModels) {
    const std::string& name = c.name;
    const Shape& input = c.input;
    CAPTURE(name);
    const auto net = build(name, input);
    std::vector<int64_t> sizes(input.sizes().begin(), input.sizes().end());
    sizes.insert(sizes.begin(), 0);
    const Tensor none = Tensor::zeros(Shape(std::span<const int64_t>(sizes)));
    Pass evaluation, training(Mode::train);
    CHECK((*net)(none, evaluation).shape() == Shape({0, 10}));
    if (buffers(*net).empty()) {
      CHECK((*net)(none, training).shape() == Shape({0, 10}));
    } else {
      CHECK_THROWS_AS((*net)(none, training), ShapeError);
    }
  }
}

TEST_CASE("models: gradients agree with central differences in f64") {
  // The weights are in general position, so no ReLU or max-pool switches within the step of 1e-6
  for (const Named& c : kModels) {
    const std::string& name = c.name;
    const Shape& input = c.input;
    CAPTURE(name);
    const auto net = build(name, input, 3);
    convert(*net, DType::f64);
    Rng rng(3);
    std::vector<int64_t> sizes(input.sizes().begin(), input.sizes().end());
    sizes.insert(sizes.begin(), 3);
    const Tensor x = Tensor::normal(Shape(std::span<const int64_t>(sizes)), rng, 0, 1, DType::f64);
    CHECK(derivative_error(*net, x, [] { return Pass(Mode::train); }) < 1e-6);
    CHECK(derivative_error(*net, x, [] { return Pass(); }) < 1e-6);
  }
}

TEST_CASE("resnet8: shortcut A is every second pixel and zeros in the new channels") {
  // With all convolutions of stage 2 at zero and fresh statistics its residual is 0 exactly, so the
  // block is relu(shortcut), and its input, a ReLU's output, is not negative.
  for (const Shape& input : {Shape({3, 8, 8}), Shape({3, 9, 7}), Shape({3, 5, 4})}) {
    const auto net = build("resnet8", input);
    for (const std::string n : {"1", "2"}) {
      Tensor w = state_named(*net, "layer2.0.conv" + n + ".weight");
      w.assign(Tensor::zeros(w.shape()));
    }
    Rng rng(4);
    const Tensor x = Tensor::normal({2, 3, input[1], input[2]}, rng, 0, 1);
    Pass pass;
    Module& before = find_layer(*net, "layer1");
    Module& after = find_layer(*net, "layer2.0");
    pass.watch(before);
    pass.watch(after);
    (*net)(x, pass);
    const Tensor a = pass.activation(before);  // [2, 16, H, W]
    const Tensor b = pass.activation(after);   // [2, 32, P, Q]

    const int64_t H = a.size(2), W = a.size(3);
    const int64_t P = (H + 1) / 2, Q = (W + 1) / 2;
    REQUIRE(b.shape() == Shape({2, 32, P, Q}));
    int wrong = 0, positive = 0;
    for (int64_t i = 0; i < b.numel(); ++i) {
      const int64_t q = i % Q, p = i / Q % P, k = i / (Q * P) % 32, n = i / (Q * P * 32);
      const bool is_new = k < 8 || k >= 24;  // 16 new channels, half on each side
      const float expected =
          is_new ? 0 : a.data<float>()[((n * 16 + k - 8) * H + 2 * p) * W + 2 * q];
      wrong += b.data<float>()[i] != expected;
      positive += expected > 0;
    }
    CHECK(wrong == 0);
    CHECK(positive > 50);  // the comparison is not one of zeros
  }
}

TEST_CASE(
    "models: logits, gradients and running statistics are the same bits at any thread count") {
  for (const Named& c : {Named{"lenet5", {1, 28, 28}}, Named{"resnet8", {3, 16, 16}}}) {
    const std::string& name = c.name;
    const Shape& input = c.input;
    CAPTURE(name);
    Rng rng(5);
    const Tensor x = Tensor::normal({9, input[0], input[1], input[2]}, rng, 0, 1);
    const Tensor labels = Tensor::of_integers({9}, {0, 1, 2, 3, 4, 5, 6, 7, 8});
    std::vector<Tensor> first;
    for (const int threads : {1, 2, 3, 5}) {
      const parallel::ThreadLimit limit(threads);
      const auto net = build(name, input);
      Pass pass(Mode::train);
      const Tensor logits = (*net)(x, pass);
      backward(cross_entropy(logits, labels));
      std::vector<Tensor> results = {logits};
      for (const auto& [parameter, tensor] : parameters(*net)) results.push_back(tensor.gradient());
      for (const auto& [buffer, tensor] : buffers(*net)) results.push_back(tensor);
      if (first.empty()) first = results;
      for (size_t i = 0; i < results.size(); ++i) CHECK(bitwise_equal(results[i], first[i]));
    }
  }
}

}  // namespace limpid
