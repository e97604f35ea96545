// tests/nn/module_test.cpp: the walks over a module tree: names, conversion, loading.
#include "framework/nn/module.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "tests/nn/finite_difference.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace limpid {
namespace {

std::map<std::string, Tensor> copy_of_state(Module& module) {
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : state(module)) tensors.emplace(name, tensor.clone());
  return tensors;
}

bool has_state(Module& module, const std::map<std::string, Tensor>& expected) {
  const NamedTensors own = state(module);
  return own.size() == expected.size() && std::ranges::all_of(own, [&](const auto& item) {
           return bitwise_equal(item.second, expected.at(item.first));
         });
}

std::unique_ptr<Module> small_net(uint64_t seed, const std::string& norm = "batch") {
  Rng rng(seed);
  return make_model("convnet:4x1:" + norm, {.input = {1, 4, 4}, .classes = 2}, rng);
}

std::string load_error(Module& module, const std::map<std::string, Tensor>& tensors) {
  return failure<ValueError>([&] { load_state(module, tensors); });
}

}  // namespace

TEST_CASE("state: parameters and buffers in visiting order") {
  const auto net = small_net(1);
  const auto names = [](const NamedTensors& tensors) {
    std::vector<std::string> out;
    for (const auto& [name, tensor] : tensors) out.push_back(name);
    return out;
  };
  using Names = std::vector<std::string>;
  CHECK(
      names(parameters(*net)) ==
      Names{"conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "fc.weight", "fc.bias"});
  CHECK(names(buffers(*net)) == Names{"norm1.running_mean", "norm1.running_var"});
  CHECK(
      names(state(*net)) == Names{
                                "conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias",
                                "norm1.running_mean", "norm1.running_var", "fc.weight", "fc.bias"});
  for (const auto& [name, tensor] : parameters(*net)) CHECK(tensor.requires_gradient());
  for (const auto& [name, tensor] : buffers(*net)) CHECK_FALSE(tensor.requires_gradient());
  // conv 1*9*4 + 4, norm 4 + 4, fc 4 * 2*2 * 2 + 2; buffers do not count
  CHECK(parameter_count(*net) == 40 + 8 + 34);
}

TEST_CASE("find_layer: by dotted name, else the valid names") {
  const auto net = small_net(1);
  CHECK(std::string(find_layer(*net, "norm1").type()) == "BatchNorm2d");
  CHECK_THROWS_WITH_AS(
      find_layer(*net, "norm2"),
      "layer: no layer 'norm2'; there are: conv1, norm1, relu1, pool1, flatten, fc", ValueError);
  CHECK_THROWS_AS(find_layer(*net, ""), ValueError);
  Rng rng(2);
  const auto resnet = make_model("resnet8", {.input = {3, 8, 8}, .classes = 2}, rng);
  CHECK(std::string(find_layer(*resnet, "layer2.0.conv1").type()) == "Conv2d");
  CHECK(std::string(find_layer(*resnet, "layer2.0").type()) == "BasicBlock");
}

TEST_CASE("convert: values stay, parameters are leaves of the new type, gradients are gone") {
  const auto net = small_net(3);
  const auto before = copy_of_state(*net);
  for (auto& [name, tensor] : parameters(*net)) tensor.set_gradient(tensor.detach());
  convert(*net, DType::f64);
  for (const auto& [name, tensor] : state(*net)) {
    CHECK(tensor.dtype() == DType::f64);
    CHECK(tensor.to_vector() == before.at(name).to_vector());  // f32 values are f64 values
    CHECK_FALSE(tensor.gradient().defined());
  }
  for (const auto& [name, tensor] : parameters(*net)) {
    CHECK(tensor.requires_gradient());
    CHECK(tensor.node()->state == Node::State::leaf);
  }
  for (const auto& [name, tensor] : buffers(*net)) CHECK_FALSE(tensor.requires_gradient());

  Pass pass;
  CHECK((*net)(Tensor::ones({1, 1, 4, 4}, DType::f64), pass).dtype() == DType::f64);
  Pass mixed;
  CHECK_THROWS_AS((*net)(Tensor::ones({1, 1, 4, 4}), mixed), DTypeError);
  convert(*net, DType::f32);
  CHECK(has_state(*net, before));
}

TEST_CASE("convert: both types compute the same network") {
  const auto net = small_net(4);
  Rng rng(5);
  const Tensor x = Tensor::normal({3, 1, 4, 4}, rng, 0, 1, DType::f64);
  Tensor narrow = Tensor::empty(x.shape());
  narrow.assign(x);
  Pass single, wide;
  const Tensor y = (*net)(narrow, single);
  convert(*net, DType::f64);
  // f32 rounding through three layers of up to 16 terms: below 1e-5
  CHECK(close(y, (*net)(x, wide), 1e-5));
}

TEST_CASE("load_state: copies by name into the tensors that are there") {
  const auto source = small_net(6), target = small_net(7);
  const auto tensors = copy_of_state(*source);
  CHECK_FALSE(has_state(*target, tensors));
  const Tensor handle = parameters(*target)[0].second;
  load_state(*target, tensors);
  CHECK(has_state(*target, tensors));
  CHECK(parameters(*target)[0].second.is(handle));  // optimisers keep their handles
  CHECK(handle.requires_gradient());

  // Other types are converted
  auto wide = tensors;
  wide["fc.bias"] = Tensor::of({2}, {0.5, -2}, DType::f64);
  load_state(*target, wide);
  CHECK(state_named(*target, "fc.bias").to_vector() == std::vector<double>{0.5, -2});
  CHECK(state_named(*target, "fc.bias").dtype() == DType::f32);
}

TEST_CASE("load_state: lists every difference and writes nothing") {
  const auto source = small_net(8), target = small_net(9);
  const auto before = copy_of_state(*target);
  auto tensors = copy_of_state(*source);
  tensors.erase("conv1.bias");
  tensors.erase("norm1.running_var");
  tensors["fc.weight"] = Tensor::zeros({2, 3});
  tensors["fc.bias"] = Tensor::zeros({3});
  tensors["extra"] = Tensor::zeros({5});
  tensors["more.weight"] = Tensor::scalar(1);
  CHECK(
      load_error(*target, tensors) ==
      "weights: missing conv1.bias [4]; missing norm1.running_var [4]; "
      "fc.weight is [2, 3], the model needs [2, 16]; fc.bias is [3], the model needs [2]; "
      "unexpected extra [5]; unexpected more.weight []");
  CHECK(has_state(*target, before));

  // Each alone is enough
  for (const std::string name : {"conv1.weight", "norm1.running_mean"}) {
    auto one = copy_of_state(*source);
    one.erase(name);
    CHECK(load_error(*target, one).starts_with("weights: missing " + name));
    one = copy_of_state(*source);
    one[name] = Tensor::zeros({1});
    CHECK(load_error(*target, one).starts_with("weights: " + name + " is [1]"));
  }
  auto extra = copy_of_state(*source);
  extra["x"] = Tensor::zeros({1});
  CHECK(load_error(*target, extra) == "weights: unexpected x [1]");
  CHECK(has_state(*target, before));

  // Foreign names are not looked at
  load_state(*target, extra, [](const std::string& name) { return name == "x"; });
  CHECK(has_state(*target, copy_of_state(*source)));
}

TEST_CASE("load_state: without normalisation there is less to load") {
  const auto batch = small_net(10), none = small_net(10, "none");
  const std::string text = load_error(*none, copy_of_state(*batch));
  CHECK(text.find("unexpected norm1.running_mean [4]") != std::string::npos);
  CHECK(text.find("missing") == std::string::npos);
}

}  // namespace limpid
