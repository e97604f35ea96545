// framework/train/trainer.cpp: one step, one epoch, one run.
#include "framework/train/trainer.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/ranks.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/train/metrics.h"

#include <algorithm>
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

// What one step found, over the whole batch.
struct StepResult {
  double loss = 0;
  int64_t correct = 0;
  int64_t size = 0;
  bool has_classes = false;
  Tensor to_minimise = {};  // summed over the ranks, the loss
};

// The loss of the batch, or of the rows of it that this rank has, forward.
StepResult forward(Module& model, const Batch& batch, Pass& pass, const TrainOptions& options) {
  Tensor logits, loss;
  const int64_t size = batch.labels.size(0);
  if (size > 0) {
    loss = options.loss ? options.loss(model, batch, pass, logits)
                        : plain_loss(model, batch, pass, logits);
  } else {  // no row for this rank, which still takes part in the statistics of the batch
    logits = model(batch.inputs, pass);
    loss = sum(logits);
  }
  StepResult step{.loss = loss.item(), .size = size, .to_minimise = loss};
  step.has_classes = batch.labels.dtype() == DType::i64 && logits.rank() == 2;
  if (step.has_classes) step.correct = count_correct(logits, batch.labels);
  return step;
}

// The same for the whole batch: the mean of the losses of all ranks, by the weight of their rows.
void join_ranks(StepResult& step, const Batch& batch, const TrainOptions& options) {
  const double weight = options.weight ? options.weight(batch) : static_cast<double>(step.size);
  double totals[] = {weight * step.loss, weight, static_cast<double>(step.correct)};
  ranks::sum(totals);
  step.loss = totals[0] / totals[1];
  step.correct = static_cast<int64_t>(totals[2]);
  step.size = batch.share.of;
  step.to_minimise = step.to_minimise * (weight / totals[1]);
}

// Adds the gradients of all ranks: one message for all parameters.
template <class T>
void sum_gradients(std::vector<Tensor>& leaves) {
  std::vector<T> values;
  for (const Tensor& leaf : leaves) {
    const Tensor gradient = leaf.gradient();
    if (!gradient.defined()) continue;  // a parameter that the loss does not depend on, on no rank
    values.insert(values.end(), gradient.values<T>().begin(), gradient.values<T>().end());
  }
  ranks::sum(values);
  auto at = values.begin();
  for (Tensor& leaf : leaves) {
    if (!leaf.gradient().defined()) continue;
    Tensor total = Tensor::empty(leaf.shape(), leaf.dtype());
    std::copy_n(at, total.numel(), total.mutable_data<T>());
    at += total.numel();
    leaf.set_gradient(total);
  }
}

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
    const bool is_shared = batch.share.of > 0;
    if (is_shared) pass.share(batch.share);
    StepResult now = forward(model, batch, pass, options);
    if (is_shared) join_ranks(now, batch, options);
    if (!std::isfinite(now.loss)) {
      throw NumericError(
          join_text(
              "train: the loss is ", std::isnan(now.loss) ? "NaN" : "infinite", " in epoch ",
              progress.epoch + 1, ", step ", progress.step + 1, "; try a smaller learning rate"),
          now.loss);
    }
    optimizer.clear_gradients();
    backward(now.to_minimise, trained);
    if (is_shared) {
      visit_float("train", now.to_minimise.dtype(), [&]<class T>() { sum_gradients<T>(trained); });
    }
    if (options.clip > 0) clip_gradients(leaves, options.clip);
    const double learning_rate = schedule.at(t);
    optimizer.step(learning_rate);
    if (options.after_update) options.after_update();

    // Book-keeping, then the end of the epoch
    progress.loss_sum += now.loss * static_cast<double>(now.size);
    progress.correct += now.correct;
    progress.seen += now.size;
    ++progress.step;
    if (progress.step == source.batches) {
      const double seen = static_cast<double>(progress.seen);
      EpochReport report{
          .epoch = progress.epoch + 1,
          .learning_rate = learning_rate,
          .train_loss = progress.loss_sum / seen,
          .train_accuracy = now.has_classes ? static_cast<double>(progress.correct) / seen
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
