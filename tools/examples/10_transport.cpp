// tools/examples/10_transport.cpp: layers as transport of the data, and which of them is broken.
//
// Transport Analysis of Infinitely Deep Neural Network (arXiv 1605.02832): a layer moves the
// distribution of the data. The best denoising autoencoder for N(0, s) with noise variance t
// shrinks the variance to s^3 / (s + t)^2; many thin layers approach s - 2 t.
#include "interpret/interpret.h"
#include "tools/examples/digits.h"

#include <cstdio>

using namespace limpid;

int main() {
  for (const int64_t layers : {1, 10, 100}) {
    const std::vector<double> taus = interpret::equal_steps(0.25, layers);
    std::printf(
        "%3d layers, noise budget 0.25: variance 1 -> %.6f\n", static_cast<int>(layers),
        interpret::composed_variance(1, taus));
  }

  // A trained network: how far does each layer carry the digits?
  const examples::Digits digits;
  const auto net = examples::trained("mlp:32-32", digits);
  const std::vector<int64_t> labels = to_integers(digits.test_labels);
  const auto look = [&] {
    const interpret::RecordedLayers seen = interpret::record_layers(*net, digits.test_images);
    const interpret::NetworkTransport moved =
        interpret::network_transport(seen.steps, labels, {.samples = 150, .repeats = 1});
    std::vector<interpret::LayerHealth> health;
    for (const interpret::WeightedLayer& layer : seen.weighted) {
      health.push_back(interpret::layer_health(
          layer, std::span(labels).first(static_cast<size_t>(layer.input.size(0)))));
    }
    for (const interpret::LayerTransport& l : moved.layers) {
      std::printf(
          "%-6s moves %4.1f %% of the way, D = %.2f\n", l.name.c_str(), 100 * l.share,
          l.class_separation.median);
    }
    std::string fault;
    for (const interpret::LayerFlag& flag : interpret::layer_flags(moved, health)) {
      if (flag.is_fault && fault.empty()) fault = flag.layer;
    }
    std::printf("out of order: %s\n", fault.empty() ? "nothing" : fault.c_str());
    return fault;
  };
  const bool is_in_order = look().empty();

  // Its second layer loses its order: the same weights, shuffled
  Tensor weight = parameters(find_layer(*net, "fc2"))[0].second;
  const std::vector<double> values = weight.to_vector();
  std::vector<double> shuffled;
  for (const int64_t i : Rng(9).permutation(weight.numel())) {
    shuffled.push_back(values[static_cast<size_t>(i)]);
  }
  weight.assign(Tensor::of(weight.shape(), shuffled));
  return is_in_order && look() == "fc2" ? 0 : 1;
}
