// tests/interpret/layer_change_test.cpp: one layer done differently.
#include "interpret/transport/layer_change.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/interpret/small_nets.h"
#include "tests/support/gradcheck.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

Tensor output_of(Module& net, const Tensor& x) {
  Pass pass;
  return net(x, pass);
}

std::unique_ptr<Sequential> two_layers() {
  Rng rng(1);
  auto net = std::make_unique<Sequential>();
  net->add<Linear>("fc1", 4, 4, rng);
  net->add<ReLU>("relu");
  net->add<Linear>("fc2", 4, 2, rng);
  convert(*net, DType::f64);
  return net;
}

}  // namespace

TEST_CASE("transport_cost: known values, with and without one shape") {
  const Tensor h = normal({6, 3}, 2);
  CHECK(transport_cost(h, h).item() == 0);
  CHECK(transport_cost(h, h * 3.0).item() == doctest::Approx(4).epsilon(1e-12));
  // Turned, scaled and moved: nothing has changed between the points
  const Tensor wide = pad(h * 5.0 + 1.0, 1, 1, 0);
  CHECK(transport_cost(h, wide).item() < 1e-24);
  CHECK(transport_cost(h, normal({6, 4}, 3)).item() > 0.01);
  CHECK(transport_cost(h, Tensor::ones({6, 5}, DType::f64)).item() == 0);
  CHECK(transport_cost(Tensor::zeros({6, 3}, DType::f64), h).item() == 0);
}

TEST_CASE("transport_cost: derivatives of first and second order") {
  for (const int64_t width : {3, 5}) {
    const Tensor h = normal({4, 3}, 4);
    const Function f = [&](Inputs x) { return transport_cost(h, x[0]); };
    for (const int order : {1, 2}) {
      GradcheckOptions options;
      options.order = order;
      CHECK(gradient_error(f, {normal({4, width}, 5)}, options) < 1e-6);
    }
  }
}

TEST_CASE("changed network: skip, remove, norm by their formulas") {
  const auto net = two_layers();
  const Tensor x = normal({5, 4}, 6);
  Pass pass;
  Module& fc1 = find_layer(*net, "fc1");
  Module& fc2 = find_layer(*net, "fc2");
  const Tensor inner = fc1(x, pass);
  const auto changed = [&](Change change) {
    return output_of(*ChangedNetwork::make(*net, "fc1", change, 0), x).to_vector();
  };
  CHECK(changed(Change::skip) == fc2(relu(inner + x), pass).to_vector());
  CHECK(changed(Change::remove) == fc2(relu(x), pass).to_vector());
  CHECK(changed(Change::decay) == output_of(*net, x).to_vector());
  const auto normed = ChangedNetwork::make(*net, "fc1", Change::norm, 0);
  Pass watching;
  Tensor seen;
  watching.observer = [&](const Module& layer, const Tensor&, const Tensor& y) {
    if (&layer == &fc1) seen = y;
  };
  (*normed)(x, watching);
  const std::vector<double> means = mean(seen, {1}).to_vector();
  for (const double m : means) CHECK(std::abs(m) < 1e-12);
  for (const double v : variance(seen, {1}).to_vector())
    CHECK(v == doctest::Approx(1).epsilon(1e-3));
}

TEST_CASE("changed network: what is added to the loss") {
  const auto net = two_layers();
  const Tensor x = normal({5, 4}, 7);
  Pass pass;
  const auto decay = ChangedNetwork::make(*net, "fc1", Change::decay, 0);
  const Tensor w = parameters(find_layer(*net, "fc1"))[0].second;
  CHECK(decay->added_loss().item() == doctest::Approx(sum(w * w).item() / 2).epsilon(1e-12));
  const auto penalty = ChangedNetwork::make(*net, "fc1", Change::penalty, 0);
  CHECK_FALSE(penalty->added_loss().defined());
  (*penalty)(x, pass);
  CHECK(penalty->added_loss().item() == transport_cost(x, find_layer(*net, "fc1")(x, pass)).item());
  CHECK_FALSE(ChangedNetwork::make(*net, "fc1", Change::skip, 0)->added_loss().defined());
}

TEST_CASE("changed network: past layers of other shapes") {
  Rng rng(8);
  for (const char* name : {"lenet5", "convnet:4x2:batch:max", "resnet8", "tiny_vit"}) {
    INFO(name);
    const auto net = make_model(name, {{1, 12, 12}, 3}, rng);
    const Tensor x = Tensor::normal({4, 1, 12, 12}, rng, 0, 1);
    for (const auto& [layer, module] : layers(*net)) {
      if (!layers(*module).empty() || parameters(*module).empty()) continue;
      INFO(layer);
      for (const Change change : {Change::skip, Change::remove, Change::norm}) {
        const auto changed = ChangedNetwork::make(*net, layer, change, 0);
        CHECK(output_of(*changed, x).shape() == Shape{4, 3});
      }
    }
  }
}

TEST_CASE("changed network: twice the units, in the layer, its norm and the next one") {
  Rng rng(9);
  const auto net = make_model("convnet:4x2:batch:max", {{1, 8, 8}, 3}, rng);
  const Tensor x = Tensor::normal({4, 1, 8, 8}, rng, 0, 1);
  for (const char* layer : {"conv1", "conv2"}) {
    const auto wide = ChangedNetwork::make(*net, layer, Change::width, 1);
    CHECK(output_of(*wide, x).shape() == Shape{4, 3});
    CHECK(parameters(find_layer(*wide, layer))[0].second.size(0) == 8);
    CHECK(parameter_count(*wide) > parameter_count(*net));
  }
  CHECK_THROWS_AS(ChangedNetwork::make(*net, "fc", Change::width, 1), ValueError);
  const auto residual = make_model("resnet8", {{1, 8, 8}, 3}, rng);
  CHECK_THROWS_WITH_AS(
      ChangedNetwork::make(*residual, "layer1.0.conv1", Change::width, 1),
      doctest::Contains("is not a layer of a plain sequence"), ValueError);
  CHECK_THROWS_AS(ChangedNetwork::make(*net, "conv9", Change::skip, 1), ValueError);
  CHECK_THROWS_WITH_AS(
      change_named("grow"), doctest::Contains("penalty, decay, skip, norm, width, remove"),
      ValueError);
}

TEST_CASE("start_layer_afresh: one layer alone") {
  Rng rng(10);
  const auto net = make_model("convnet:4x2:batch:max", {{1, 8, 8}, 3}, rng);
  const auto before = parameters(*net);
  std::vector<std::vector<double>> values;
  for (const auto& [name, tensor] : before) values.push_back(tensor.to_vector());
  start_layer_afresh(*net, "conv2", 3);
  const auto after = parameters(*net);
  for (size_t i = 0; i < after.size(); ++i) {
    INFO(after[i].first);
    const bool is_changed = after[i].second.to_vector() != values[i];
    CHECK(is_changed == after[i].first.starts_with("conv2."));
  }
  CHECK_THROWS_AS(start_layer_afresh(*net, "conv9", 3), ValueError);
}
