// tests/train/toy.h: small problems, and runs on them that can be compared bit by bit.
#pragma once

#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/optim/adam.h"
#include "framework/train/trainer.h"
#include "tests/support/compare.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace limpid {

struct Toy {
  Tensor inputs;  // [N, ...]
  Tensor labels;  // [N]
};

/// Points of two rings, radius 1 and 2, noise 0.1: no straight line separates them.
inline Toy rings(int64_t n, uint64_t seed) {
  Rng rng(seed);
  Toy toy{Tensor::empty({n, 2}), Tensor::empty({n}, DType::i64)};
  for (int64_t i = 0; i < n; ++i) {
    const double angle = rng.uniform(0, 6.28318530717958648);
    const double radius = static_cast<double>(1 + i % 2) + rng.normal(0, 0.1);
    toy.inputs.mutable_data<float>()[2 * i] = static_cast<float>(radius * std::cos(angle));
    toy.inputs.mutable_data<float>()[2 * i + 1] = static_cast<float>(radius * std::sin(angle));
    toy.labels.mutable_data<int64_t>()[i] = i % 2;
  }
  return toy;
}

/// Noise images with labels in turn.
inline Toy noise_images(int64_t n, const Shape& image, int64_t classes, uint64_t seed) {
  Rng rng(seed);
  Toy toy{
      Tensor::normal({n, image[0], image[1], image[2]}, rng, 0, 1), Tensor::empty({n}, DType::i64)};
  for (int64_t i = 0; i < n; ++i) toy.labels.mutable_data<int64_t>()[i] = i % classes;
  return toy;
}

/// Shuffled batches of `size` as a function of (seed, epoch, index); file order for seed 0.
inline BatchSource batches_of(const Toy& toy, int64_t size, uint64_t seed) {
  const int64_t n = toy.labels.numel();
  const auto get = [toy, n, size, seed](int64_t epoch, int64_t index) {
    std::vector<int64_t> order = Rng(seed).child(static_cast<uint64_t>(epoch)).permutation(n);
    const int64_t count = std::min(size, n - index * size);
    std::vector<int64_t> sizes(
        toy.inputs.shape().sizes().begin(), toy.inputs.shape().sizes().end());
    sizes[0] = count;
    Batch batch{
        Tensor::empty(Shape(std::span<const int64_t>(sizes))), Tensor::empty({count}, DType::i64)};
    const int64_t features = toy.inputs.numel() / n;
    for (int64_t k = 0; k < count; ++k) {
      const int64_t row =
          seed == 0 ? index * size + k : order[static_cast<size_t>(index * size + k)];
      std::memcpy(
          batch.inputs.mutable_data<float>() + k * features,
          toy.inputs.data<float>() + row * features, static_cast<size_t>(features) * sizeof(float));
      batch.labels.mutable_data<int64_t>()[k] = toy.labels.data<int64_t>()[row];
    }
    return batch;
  };
  return {.batches = (n + size - 1) / size, .examples = n, .get = get};
}

/// A network on two features, seen as channels of one pixel, with batch statistics and dropout:
/// everything that a run could forget to save. [N, 2] -> [N, 2].
inline std::unique_ptr<Module> dropout_net(uint64_t seed) {
  class AsImage : public Stateless {
   public:
    const char* type() const override { return "AsImage"; }

   private:
    Tensor forward(const Tensor& x, Pass&) override {
      return x.viewed_as({x.size(0), x.size(1), 1, 1});
    }
  };
  Rng rng(seed);
  auto net = std::make_unique<Sequential>();
  net->add<AsImage>("image");
  net->add<Conv2d>("conv", 2, 8, Conv2dOptions{.size = 1}, rng);
  net->add<BatchNorm2d>("norm", 8);
  net->add<ReLU>("relu");
  net->add<Dropout>("dropout", 0.25);
  net->add<Flatten>("flatten");
  net->add<Linear>("fc", 8, 2, rng);
  return net;
}

/// A model with its optimiser and progress.
struct Run {
  std::unique_ptr<Module> model;
  std::unique_ptr<Adam> optimizer;
  Progress progress = {};

  explicit Run(std::unique_ptr<Module> m)
      : model(std::move(m)),
        optimizer(std::make_unique<Adam>(parameters(*model), AdamOptions{.weight_decay = 0.01})) {}
};

/// Weights, buffers and optimiser state.
inline std::vector<Tensor> everything_of(const Run& run) {
  std::vector<Tensor> all;
  for (const auto& [name, tensor] : state(*run.model)) all.push_back(tensor.clone());
  for (const auto& [name, tensor] : run.optimizer->state()) all.push_back(tensor.clone());
  return all;
}

inline bool bitwise_equal(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!bitwise_equal(a[i], b[i])) return false;
  }
  return true;
}

}  // namespace limpid
