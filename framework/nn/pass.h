// framework/nn/pass.h: what a forward pass may depend on besides its input.
//
// Mode, random numbers and watched layers are arguments of the call, never state of the model. So
// "forgot to switch to evaluation" cannot happen, and a model is explained without being touched.
#pragma once

#include "framework/core/ranks.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace limpid {

class Module;
class Rng;

/// Whether layers that differ (batch norm, dropout) train or evaluate.
enum class Mode : uint8_t { evaluate, train };

/// Mode, random numbers and watched layers of one forward pass.
class Pass {
 public:
  Pass() = default;
  explicit Pass(Mode mode, Rng* rng = nullptr) : mode_(mode), rng_(rng) {}

  /// train: batch statistics, dropout active. evaluate: running statistics, no randomness.
  bool is_training() const { return mode_ == Mode::train; }
  /// The stream for dropout. Throws ValueError if the pass was given none.
  Rng& rng() const;
  bool has_rng() const { return rng_ != nullptr; }

  /// Makes dropout the identity in a training pass, to compare runs without its randomness.
  void keep_all() { drops_ = false; }
  /// Dropout is active: training, unless keep_all() was called.
  bool drops() const { return is_training() && drops_; }

  /// The inputs are these rows of a batch that several ranks share (core/ranks.h). Batch statistics
  /// are then those of the whole batch, and dropout draws as for the whole batch; all ranks must
  /// run the same layers in the same order, forward and backward.
  void share(const ranks::Share& rows) { rows_ = rows; }
  bool is_shared() const { return rows_.of > 0; }
  const ranks::Share& rows() const { return rows_; }

  /// Leaves running statistics alone, for a second pass over one batch; batch statistics are still
  /// used.
  void freeze_statistics() { follows_ = false; }
  /// Running statistics follow this pass: training, unless freeze_statistics() was called.
  bool updates_statistics() const { return is_training() && follows_; }
  /// A pass of the same mode that repeats this one over other inputs: dropout draws from `rng`, or
  /// from nothing if this pass has no generator; running statistics stay, no layer is watched.
  Pass repeated(Rng* rng) const;

  /// Asks for a layer's output. It then requires a gradient, so a frozen network can be explained.
  void watch(const Module& layer);
  /// The output of a watched layer. Throws ValueError if it was not watched, did not run or ran
  /// more than once.
  const Tensor& activation(const Module& layer) const;

  /// Called after every layer with its input and output; what it returns goes on in place of the
  /// output. For interventions, and for the same value with other derivatives.
  std::function<Tensor(const Module&, const Tensor& input, const Tensor& output)> substitute;

  /// Called after every layer with its input and output, for tables of shapes and costs.
  std::function<void(const Module&, const Tensor& input, const Tensor& output)> observer;

 private:
  friend class Module;
  struct Watched {
    const Module* layer;
    Tensor output;
    int runs = 0;
  };
  Tensor after(const Module& layer, const Tensor& input, Tensor output);

  Mode mode_ = Mode::evaluate;
  Rng* rng_ = nullptr;
  bool drops_ = true;
  bool follows_ = true;
  ranks::Share rows_;
  std::vector<Watched> watched_;
};

}  // namespace limpid
