// tests/interpret/small_nets.h: networks in f64 that are small enough to compute with loops.
#pragma once

#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/ops/loss.h"
#include "framework/optim/adam.h"
#include "framework/tensor/tensor.h"

#include <cstddef>
#include <span>
#include <vector>

namespace limpid {

/// conv 3x3 (K maps), ReLU, [conv 3x3, ReLU,] global average pooling, linear: images [N, C, H, W].
struct SmallNet {
  Sequential net;
  const Module* maps = nullptr;  // the last ReLU
  int64_t K = 0;

  SmallNet(int64_t C, int64_t channels, int64_t classes, bool is_deep, Rng& rng) : K(channels) {
    net.add<Conv2d>("conv1", C, K, Conv2dOptions{.padding = 1}, rng);
    maps = &net.add<ReLU>("relu1");
    if (is_deep) {
      net.add<Conv2d>("conv2", K, K, Conv2dOptions{.padding = 1}, rng);
      maps = &net.add<ReLU>("relu2");
    }
    net.add<GlobalAvgPool2d>("pool");
    net.add<Linear>("linear", K, classes, rng);
    convert(net, DType::f64);
  }

  /// W [classes, K] and b [classes] of the last layer.
  Tensor head() { return parameters(net)[parameters(net).size() - 2].second.detach(); }
  Tensor head_bias() { return parameters(net).back().second.detach(); }
};

/// Trains on random labels until the loss is small, so that scores differ as those of a network in
/// use do; a fresh one hardly reacts to its input.
inline void fit(SmallNet& small, const Tensor& images, std::span<const int64_t> labels) {
  const Tensor classes = Tensor::of_integers({images.size(0)}, labels);
  Adam optimizer(parameters(small.net));
  for (int step = 0; step < 200; ++step) {
    Pass pass(Mode::train);
    optimizer.clear_gradients();
    backward(cross_entropy(small.net(images, pass), classes));
    optimizer.step(0.02);
  }
  optimizer.clear_gradients();
}

/// Bytes of all parameters, buffers and gradients of a model.
inline std::vector<std::vector<std::byte>> bits(Module& model) {
  std::vector<std::vector<std::byte>> all;
  for (const auto& [name, tensor] : state(model)) {
    const auto bytes = tensor.bytes();
    all.emplace_back(bytes.begin(), bytes.end());
    const Tensor g = tensor.gradient();
    all.emplace_back();
    if (g.defined()) all.back().assign(g.bytes().begin(), g.bytes().end());
  }
  return all;
}

/// x[n, c, i, j] of a tensor [N, C, H, W].
inline double at(const Tensor& x, int64_t n, int64_t c, int64_t i, int64_t j) {
  const int64_t row = (n * x.size(1) + c) * x.size(2) + i;
  return x.data<double>()[row * x.size(3) + j];
}

}  // namespace limpid
