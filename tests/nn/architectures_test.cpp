// tests/nn/architectures_test.cpp: sizes and names of the published networks.
//
// Parameter counts of the -imagenet networks with 1,000 classes are those that torchvision states
// for its models; the others follow from the changes that models.h describes.
#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"

#include <doctest/doctest.h>

#include <set>

using namespace limpid;

namespace {

std::unique_ptr<Module> build(const std::string& name, const Shape& input, int64_t classes) {
  Rng rng(1);
  return make_model(name, {.input = input, .classes = classes}, rng);
}

std::set<std::string> names_of(Module& module) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : state(module)) names.insert(name);
  return names;
}

}  // namespace

TEST_CASE("parameter counts of published networks") {
  CHECK(parameter_count(*build("resnet18-imagenet", {3, 224, 224}, 1000)) == 11689512);
  CHECK(parameter_count(*build("mobilenet_v2-imagenet", {3, 224, 224}, 1000)) == 3504872);
  CHECK(parameter_count(*build("squeezenet1_0", {3, 224, 224}, 1000)) == 1248424);
  // He et al. 2016, table 6: ResNet-20 has 0.27 million
  CHECK(parameter_count(*build("resnet20", {3, 32, 32}, 10)) == 269722);
  // conv1 shrinks from 7x7 to 3x3: 3 * 64 * (49 - 9) fewer; 900 fewer classes of 513 weights
  CHECK(parameter_count(*build("resnet18", {3, 32, 32}, 100)) == 11689512 - 7680 - 900 * 513);
  CHECK(parameter_count(*build("mobilenet_v2", {3, 32, 32}, 100)) == 3504872 - 900 * 1281);
}

TEST_CASE("parameter count of VGG-11: convolutions 9,220,480, classifier 513 * 512 + 513 * K") {
  CHECK(parameter_count(*build("vgg11", {3, 32, 32}, 10)) == 9220480 + 513 * 512 + 513 * 10);
}

TEST_CASE("names follow torchvision and common CIFAR code") {
  auto resnet = build("resnet18", {3, 32, 32}, 10);
  const auto names = names_of(*resnet);
  for (const char* name :
       {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight",
        "layer2.0.downsample.1.running_var", "layer4.1.bn2.bias", "fc.weight", "fc.bias"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
  CHECK_FALSE(names.contains("layer1.0.downsample.0.weight"));
  auto mobile = build("mobilenet_v2", {3, 32, 32}, 10);
  const auto mobile_names = names_of(*mobile);
  for (const char* name :
       {"features.0.0.weight", "features.0.1.running_mean", "features.1.conv.0.0.weight",
        "features.1.conv.1.weight", "features.1.conv.2.weight", "features.2.conv.1.0.weight",
        "features.2.conv.3.running_var", "features.18.0.weight", "classifier.1.bias"}) {
    CAPTURE(name);
    CHECK(mobile_names.contains(name));
  }
  auto squeeze = build("squeezenet1_0", {3, 64, 64}, 10);
  CHECK(names_of(*squeeze).contains("features.12.expand3x3.weight"));
  CHECK(names_of(*squeeze).contains("classifier.1.bias"));
  auto vgg = build("vgg11", {3, 32, 32}, 10);
  CHECK(names_of(*vgg).contains("features.18.weight"));
  CHECK(names_of(*vgg).contains("classifier.3.bias"));
}

TEST_CASE("every network runs forward and backward, and each parameter gets a gradient") {
  struct Case {
    std::string name;
    Shape input;
  };
  const std::vector<Case> cases = {
      {"resnet20", {3, 16, 16}},
      {"resnet18:0.125", {3, 16, 16}},
      {"mobilenet_v2:0.25", {3, 32, 32}},
      {"vgg11", {3, 32, 32}},
      {"squeezenet1_0", {3, 48, 48}},
      {"tiny_vit", {1, 28, 28}},
      {"tiny_vit", {1, 8, 8}},

      {"resnet18-imagenet", {3, 32, 32}},
  };
  for (const Case& c : cases) {
    const std::string name = c.name;
    CAPTURE(name);
    auto net = build(c.name, c.input, 5);
    Rng rng(3);
    std::vector<int64_t> sizes(c.input.sizes().begin(), c.input.sizes().end());
    sizes.insert(sizes.begin(), 2);
    const Tensor x = Tensor::normal(Shape(std::span<const int64_t>(sizes)), rng, 0, 1);
    Pass pass(Mode::train, &rng);
    const Tensor y = (*net)(x, pass);
    CHECK(y.shape() == Shape({2, 5}));
    backward(sum(y * y));
    int64_t missing = 0;
    for (const auto& [parameter, tensor] : parameters(*net))
      missing += !tensor.gradient().defined();
    CHECK(missing == 0);
  }
}

TEST_CASE("width factors and options are checked") {
  CHECK(
      parameter_count(*build("resnet18:0.5", {3, 32, 32}, 10)) <
      parameter_count(*build("resnet18", {3, 32, 32}, 10)) / 3);
  for (const char* name :
       {"resnet18:0", "resnet18:-1", "resnet18:nan", "mobilenet_v2:x", "vgg11:2", "tiny_vit:8"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(build(name, {3, 32, 32}, 10), ValueError);
  }
  CHECK_THROWS_AS(build("vgg11", {3, 28, 28}, 10), ShapeError);
}
