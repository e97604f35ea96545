// framework/train/trainer.h: the training loop.
//
// A run is a sequence of steps; everything random in step t is a function of (seed, t), and every
// batch a function of (seed, epoch, index). So a run that stops at any step and goes on from its
// Progress, weights and optimiser state ends with the same bits as one that never stopped.
// Several ranks (core/ranks.h) may share each batch: the loss and the gradients are those of the
// whole batch, so every rank makes the same update, and Progress counts whole batches.
#pragma once

#include "framework/core/ranks.h"
#include "framework/nn/module.h"
#include "framework/optim/optimizer.h"
#include "framework/optim/schedule.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>

namespace limpid {

struct Batch {
  Tensor inputs;      // [B, ...]
  Tensor labels;      // [B], i64 classes or f32 targets
  Tensor mixed = {};  // [B, K], labels as distributions where examples were mixed, else undefined
  ranks::Share share = {};  // the rows of a batch that all ranks share, B of them; or all of it
};

/// Where the trainer gets its data: `batches` per epoch, each a function of (epoch, index).
struct BatchSource {
  int64_t batches = 0;
  int64_t examples = 0;
  std::function<Batch(int64_t epoch, int64_t index)> get;
};

/// The same batches, each prepared on another thread while the one before is in use.
BatchSource prepared_ahead(const BatchSource& source);

/// How far a run is, and the sums of the epoch in progress.
struct Progress {
  int64_t epoch = 0;  // complete epochs
  int64_t step = 0;   // steps done in the epoch in progress
  double loss_sum = 0;
  int64_t correct = 0;  // 0 where there are no classes
  int64_t seen = 0;
};

struct EpochReport {
  int64_t epoch = 0;          // from 1
  double learning_rate = 0;   // of the last step
  double train_loss = 0;      // mean over the epoch, as the weights changed
  double train_accuracy = 0;  // likewise; NaN where there are no classes
  double seconds = 0;
};

struct TrainOptions {
  int64_t epochs = 1;
  uint64_t seed = 0;
  double clip = 0;  // largest joint norm of the gradients; 0: no clipping
  /// Loss of a batch; cross-entropy if empty. Gets the model, so that it may do more than one pass.
  std::function<Tensor(Module&, const Batch&, Pass&, Tensor& logits)> loss = {};
  /// What an example counts in the loss of a batch that ranks share: the loss is the mean with
  /// these weights, summed over the batch here. The number of examples if empty.
  std::function<double(const Batch&)> weight = {};
  /// Called after every update of the weights, before the end of an epoch is reported.
  std::function<void()> after_update = {};
  /// Called after every epoch; training ends if it returns false.
  std::function<bool(const EpochReport&, const Progress&)> after_epoch = {};
  /// Called after every step; training ends if it returns false.
  std::function<bool(const Progress&)> after_step = {};
};

/// Trains from `progress` on, which is updated as the run goes, until options.epochs are complete
/// or a callback says stop. Throws NumericError, before the update, if the loss is not finite, and
/// ValueError for an empty source, a negative clip or a progress that the source cannot continue.
void fit(
    Module& model, Optimizer& optimizer, const Schedule& schedule, const BatchSource& source,
    const TrainOptions& options, Progress& progress);

/// Logits of all examples in the order of the source's epoch 0, in evaluation mode: [N, K].
/// Throws ValueError for an empty source.
Tensor predict(Module& model, const BatchSource& source);

}  // namespace limpid
