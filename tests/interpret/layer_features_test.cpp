// tests/interpret/layer_features_test.cpp: steps of a network, layers beside their shuffles, flags.
#include "interpret/transport/layer_features.h"

#include "framework/core/error.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/record.h"
#include "interpret/transport/layer_flags.h"
#include "tests/interpret/digits_net.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

std::vector<std::string> names_of(const RecordedLayers& recorded) {
  std::vector<std::string> names;
  for (const LayerFeatures& f : recorded.steps) names.push_back(f.name);
  return names;
}

// d inputs of very different variance, as data have
Tensor uneven_inputs(int64_t n, int64_t d, Rng& rng) {
  Tensor x = Tensor::normal({n, d}, rng, 0, 1);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < d; ++k) {
      x.mutable_data<float>()[i * d + k] *= static_cast<float>(std::pow(0.7, k));
    }
  }
  return x;
}

void set_weight(Module& layer, const std::vector<double>& values) {
  for (auto [name, tensor] : parameters(layer)) {
    if (tensor.rank() == 2) tensor.assign(Tensor::of(tensor.shape(), values, tensor.dtype()));
  }
}

// Weights that look at the first inputs, where the variance is
std::vector<double> fitted_weights(int64_t units, int64_t d, Rng& rng) {
  std::vector<double> w;
  for (int64_t u = 0; u < units; ++u) {
    for (int64_t k = 0; k < d; ++k) w.push_back(rng.normal() * std::pow(0.7, k));
  }
  return w;
}

WeightedLayer only_layer(Module& net, const Tensor& x) {
  return record_layers(net, x, {.examples_for_weights = x.size(0)}).weighted.at(0);
}

}  // namespace

TEST_CASE("record_layers: a step is a layer with weights and what follows it") {
  Rng rng(1);
  const auto net = make_model("lenet5", {{1, 28, 28}, 10}, rng);
  const Tensor x = Tensor::normal({7, 1, 28, 28}, rng, 0, 1);
  const RecordedLayers seen = record_layers(*net, x, {.batch = 3});
  CHECK(names_of(seen) == std::vector<std::string>{"input", "conv1", "conv2", "fc1", "fc2", "fc3"});
  CHECK(seen.steps[1].shape == Shape{6, 14, 14});  // pooled
  CHECK(seen.steps[2].shape == Shape{16, 5, 5});   // before it is flattened
  CHECK(seen.steps[3].shape == Shape{120});
  REQUIRE(seen.weighted.size() == 5);
  CHECK(seen.weighted[2].input.shape() == Shape{7, 400});
  for (const float v : seen.steps[3].values.values<float>()) CHECK(v >= 0);  // after the ReLU

  const Recording off(false);
  Pass pass;
  const Tensor logits = (*net)(x, pass);
  CHECK(seen.steps.back().values.shape() == Shape{7, 10});
  const std::vector<double> last = seen.steps.back().values.to_vector();
  for (size_t i = 0; i < last.size(); ++i) {  // batches of 3: the product rounds differently
    CHECK(last[i] == doctest::Approx(logits.to_vector()[i]).epsilon(1e-4));
  }
}

TEST_CASE("record_layers: residual blocks are steps, and rectifiers that are no layers count") {
  Rng rng(2);
  const auto net = make_model("resnet8", {{3, 8, 8}, 10}, rng);
  const RecordedLayers seen = record_layers(*net, Tensor::normal({4, 3, 8, 8}, rng, 0, 1));
  CHECK(
      names_of(seen) ==
      std::vector<std::string>{"input", "conv1", "layer1.0", "layer2.0", "layer3.0", "linear"});
  for (const float v : seen.steps[1].values.values<float>()) CHECK(v >= 0);
  REQUIRE(seen.weighted.size() == 8);
  CHECK(seen.weighted[1].name == "layer1.0.conv1");
  CHECK(seen.weighted[1].step == "layer1.0");
}

TEST_CASE("record_layers: large maps are averaged over squares of pixels, and that is said") {
  Rng rng(3);
  Sequential net;
  net.add<Conv2d>("conv", 1, 2, Conv2dOptions{.padding = 1}, rng);
  const Tensor x = Tensor::normal({2, 1, 8, 8}, rng, 0, 1);
  const RecordedLayers seen = record_layers(net, x, {.most_values = 40});
  CHECK(seen.steps[1].pooling == 2);
  CHECK(seen.steps[1].values.shape() == Shape{2, 32});
  CHECK(seen.steps[1].shape == Shape{2, 8, 8});
}

TEST_CASE("record_layers: bad input") {
  Rng rng(4);
  Sequential none;
  none.add<ReLU>("relu");
  CHECK_THROWS_AS(record_layers(none, Tensor::ones({2, 3})), ValueError);
  Sequential net;
  net.add<Linear>("fc", 3, 2, rng);
  CHECK_THROWS_AS(record_layers(net, Tensor::full({2, 3}, NAN)), ValueError);
  CHECK_THROWS_AS(record_layers(net, Tensor::zeros({0, 3})), ValueError);
  set_weight(net, std::vector<double>(6, 1e38));
  CHECK_THROWS_WITH_AS(
      record_layers(net, Tensor::full({2, 3}, 1e30)),
      doctest::Contains("the features of fc hold NaN or infinity"), NumericError);
}

TEST_CASE("layer_health: fitted weights stand apart from their shuffles, shuffled ones do not") {
  Rng rng(5);
  const Tensor x = uneven_inputs(200, 16, rng);
  Sequential net;
  net.add<Linear>("fc", 16, 100, rng);
  const std::vector<double> fitted = fitted_weights(100, 16, rng);
  set_weight(net, fitted);
  const LayerHealth good = layer_health(only_layer(net, x), {});
  CHECK(good.distance > 8);
  CHECK(good.units == 100);
  CHECK(std::isnan(good.own.separation));

  int64_t within = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<double> lost;
    for (const int64_t i : Rng(100 + seed).permutation(std::ssize(fitted))) {
      lost.push_back(fitted[static_cast<size_t>(i)]);
    }
    set_weight(net, lost);
    within += layer_health(only_layer(net, x), {}, {.seed = seed}).distance <= 3.5 ? 1 : 0;
  }
  CHECK(within >= 19);  // 3.5 deviations: about one in a thousand beyond, three figures
}

TEST_CASE("layer_health: weights are put back bit by bit") {
  Rng rng(6);
  const auto net = make_model("convnet:4x2:batch:max", {{1, 8, 8}, 3}, rng);
  const Tensor x = Tensor::normal({20, 1, 8, 8}, rng, 0, 1);
  const RecordedLayers seen = record_layers(*net, x);
  const auto before = bits(*net);
  for (const WeightedLayer& layer : seen.weighted) layer_health(layer, {}, {.shuffles = 3});
  CHECK(bits(*net) == before);
  const std::vector<int64_t> too_few = {0, 1};
  CHECK_THROWS_AS(layer_health(seen.weighted[0], too_few, {.shuffles = 3}), ShapeError);
  CHECK(bits(*net) == before);
  CHECK_THROWS_AS(layer_health(seen.weighted[0], {}, {.shuffles = 1}), ValueError);
}

TEST_CASE("layer_health: constant units and directions of the output") {
  Rng rng(7);
  Sequential net;
  net.add<Linear>("fc", 4, 4, rng);
  const Tensor x = Tensor::normal({100, 4}, rng, 0, 1);
  // Two units alike, two silent
  set_weight(net, {1, 2, 3, 4, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0});
  const LayerHealth h = layer_health(only_layer(net, x), {});
  CHECK(h.constant == 0.5);
  CHECK(h.own.directions == doctest::Approx(1).epsilon(1e-6));  // f32 sums
  CHECK(h.weight_gain == doctest::Approx(std::sqrt(60.0 / 4)));
  Sequential one;
  one.add<Linear>("fc", 4, 1, rng);
  CHECK(layer_health(only_layer(one, x), {}).units == 1);
}

TEST_CASE("layer_flags: the broken layer of a trained network is named first") {
  const datasets::Dataset train = datasets::load("digits").train;
  const datasets::ChannelStatistics statistics = datasets::channel_statistics(train);
  const auto net = trained(train, statistics, "mlp:32-32", 8);
  const Tensor x = datasets::standardise(slice(train.images.tensor(), 0, 0, 200), statistics);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 200; ++i) labels.push_back(train.labels.data<int64_t>()[i]);
  const auto faults = [&] {
    const RecordedLayers seen = record_layers(*net, x);
    std::vector<LayerHealth> health;
    for (const WeightedLayer& layer : seen.weighted) {
      health.push_back(layer_health(layer, labels));
    }
    const NetworkTransport transport =
        network_transport(seen.steps, labels, {.samples = 60, .repeats = 1});
    std::vector<LayerFlag> all = layer_flags(transport, health);
    std::erase_if(all, [](const LayerFlag& f) { return !f.is_fault; });
    return all;
  };
  CHECK(faults().empty());

  Module& middle = find_layer(*net, "fc2");
  const Tensor weight = parameters(middle)[0].second.clone();
  const auto rule_after = [&](const std::vector<double>& values) {
    set_weight(middle, values);
    const std::vector<LayerFlag> found = faults();
    REQUIRE_FALSE(found.empty());
    CHECK(found[0].layer == "fc2");
    return found[0].rule;
  };
  std::vector<double> w = weight.to_vector();
  for (double& v : w) v *= 20;
  CHECK(rule_after(w) == "scaled");
  w = weight.to_vector();
  for (size_t i = 32; i < w.size(); ++i) w[i] = w[i - 32];  // every unit is the first
  CHECK(rule_after(w) == "collapsed");
  w = weight.to_vector();
  std::fill(w.begin(), w.begin() + 32 * 20, 0.0);  // 20 of 32 units
  CHECK(rule_after(w) == "dead");
  std::vector<double> lost;
  for (const int64_t i : Rng(1).permutation(weight.numel())) {
    lost.push_back(weight.to_vector()[static_cast<size_t>(i)]);
  }
  CHECK(rule_after(lost) == "shuffled");
}
