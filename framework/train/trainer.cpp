// framework/train/trainer.cpp: one step, one epoch, one run.
#include "framework/train/trainer.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/train/metrics.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace limpid {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kStepStream = 0x73746570;  // "step": child of the seed that dropout draws from

Tensor plain_loss(Module& model, const Batch& batch, Pass& pass, Tensor& logits) {
  logits = model(batch.inputs, pass);
  return cross_entropy(logits, batch.labels);
}

// The batch that is being prepared, and whose it is.
struct Ahead {
  BatchSource source;
  int64_t epoch = -1, index = -1;
  Batch batch;
  parallel::Background background;  // writes `batch`; destroyed first

  Batch get(int64_t wanted_epoch, int64_t wanted_index) {
    background.wait();
    const bool is_ready = epoch == wanted_epoch && index == wanted_index;
    Batch current = is_ready ? std::move(batch) : source.get(wanted_epoch, wanted_index);
    epoch = wanted_index + 1 < source.batches ? wanted_epoch : wanted_epoch + 1;
    index = wanted_index + 1 < source.batches ? wanted_index + 1 : 0;
    background.start([this] { batch = source.get(epoch, index); });
    return current;
  }
};

}  // namespace

BatchSource prepared_ahead(const BatchSource& source) {
  auto ahead = std::make_shared<Ahead>();
  ahead->source = source;
  return {
      .batches = source.batches,
      .examples = source.examples,
      .get = [ahead](int64_t epoch, int64_t index) { return ahead->get(epoch, index); }};
}

void fit(
    Module& model, Optimizer& optimizer, const Schedule& schedule, const BatchSource& source,
    const TrainOptions& options, Progress& progress) {
  check_value(source.batches >= 1, "train", "the data set is empty");
  check_value(options.clip >= 0, "train", "the clipping limit is ", options.clip);
  check_value(
      progress.epoch >= 0 && progress.step >= 0 && progress.step < source.batches, "train",
      "cannot go on from epoch ", progress.epoch, ", step ", progress.step, " with ",
      source.batches, " batches per epoch");
  const auto loss_of = options.loss ? options.loss : plain_loss;
  NamedTensors leaves = parameters(model);
  std::vector<Tensor> trained;  // a loss may have leaves of its own, such as its inputs
  for (const auto& [name, leaf] : leaves) {
    if (leaf.requires_gradient()) trained.push_back(leaf);
  }
  auto epoch_start = Clock::now();

  while (progress.epoch < options.epochs) {
    // One step: forward, backward, update
    const int64_t t = progress.epoch * source.batches + progress.step;
    const Batch batch = source.get(progress.epoch, progress.step);
    Rng rng = Rng(options.seed).child(kStepStream).child(static_cast<uint64_t>(t));
    Pass pass(Mode::train, &rng);
    Tensor logits;
    const Tensor loss = loss_of(model, batch, pass, logits);
    const double value = loss.item();
    if (!std::isfinite(value)) {
      throw NumericError(
          join_text(
              "train: the loss is ", std::isnan(value) ? "NaN" : "infinite", " in epoch ",
              progress.epoch + 1, ", step ", progress.step + 1, "; try a smaller learning rate"),
          value);
    }
    optimizer.clear_gradients();
    backward(loss, trained);
    if (options.clip > 0) clip_gradients(leaves, options.clip);
    const double learning_rate = schedule.at(t);
    optimizer.step(learning_rate);
    if (options.after_update) options.after_update();

    // Book-keeping, then the end of the epoch
    const int64_t size = batch.labels.size(0);
    progress.loss_sum += value * static_cast<double>(size);
    const bool has_classes = batch.labels.dtype() == DType::i64 && logits.rank() == 2;
    if (has_classes) progress.correct += count_correct(logits, batch.labels);
    progress.seen += size;
    ++progress.step;
    if (progress.step == source.batches) {
      const double seen = static_cast<double>(progress.seen);
      EpochReport report{
          .epoch = progress.epoch + 1,
          .learning_rate = learning_rate,
          .train_loss = progress.loss_sum / seen,
          .train_accuracy = has_classes ? static_cast<double>(progress.correct) / seen
                                        : std::numeric_limits<double>::quiet_NaN(),
          .seconds = std::chrono::duration<double>(Clock::now() - epoch_start).count()};
      progress = Progress{.epoch = progress.epoch + 1};
      const bool goes_on = !options.after_epoch || options.after_epoch(report, progress);
      epoch_start = Clock::now();
      if (!goes_on) break;
    }
    if (options.after_step && !options.after_step(progress)) break;
  }
  optimizer.clear_gradients();
}

Tensor predict(Module& model, const BatchSource& source) {
  check_value(source.batches >= 1, "predict", "the data set is empty");
  const Recording off(false);
  std::vector<Tensor> parts;
  for (int64_t index = 0; index < source.batches; ++index) {
    Pass pass;
    parts.push_back(model(source.get(0, index).inputs, pass));
  }
  return concat(parts, 0);
}

}  // namespace limpid
