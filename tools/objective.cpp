// tools/objective.cpp: losses and figures of the three tasks.
#include "tools/objective.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "tools/arguments.h"
#include "tools/console.h"

#include <limits>

namespace limpid::tools {
namespace {

// Targets [N] in the units that the network is trained in, as a column [N, 1].
Tensor standard_targets(const ModelCard& card, const Tensor& targets) {
  const Tensor column = reshape(targets, {targets.size(0), 1});
  return (column - card.target_mean) / card.target_std;
}

// What the outputs [N, D] should be, for the tasks whose loss is a squared error.
Tensor wanted_outputs(const ModelCard& card, const Batch& batch) {
  if (card.task == Task::regress) return standard_targets(card, batch.labels);
  const Tensor& x = batch.inputs;
  return reshape(x, {x.size(0), x.numel() / std::max<int64_t>(1, x.size(0))});
}

// Mean squared error over a whole set, batch by batch.
double squared_error(const RunFolder& folder, const BatchSource& source) {
  const Recording off(false);
  double sum = 0;
  int64_t values = 0;
  for (int64_t b = 0; b < source.batches; ++b) {
    const Batch batch = source.get(0, b);
    Pass pass;
    const Tensor outputs = (*folder.model)(batch.inputs, pass);
    sum += mse(outputs, wanted_outputs(folder.card, batch)).item() *
           static_cast<double>(outputs.numel());
    values += outputs.numel();
  }
  return sum / static_cast<double>(values);
}

// Cross-entropies [N] of logits [N, K].
Tensor cross_entropies(const Tensor& logits, const Batch& batch, const CrossEntropyOptions& o) {
  const int64_t N = logits.size(0), K = logits.size(1);
  const Tensor log_p = log_softmax(logits);  // [N, K]
  const bool is_plain = o.label_smoothing == 0 && !o.class_weights.defined();
  if (is_plain && !batch.mixed.defined()) {
    return reshape(-select(log_p, batch.labels.values<int64_t>()), {N});
  }
  // -sum_k t_k w_k log p_k, with weights that are 1 on average over the labels of the batch
  const Tensor exact = one_hot(batch.labels, K, logits.dtype());
  const Tensor hard = batch.mixed.defined() ? batch.mixed : exact;
  Tensor t = affine(hard, 1 - o.label_smoothing, o.label_smoothing / static_cast<double>(K));
  if (o.class_weights.defined()) {
    t = t * (o.class_weights / (sum(exact * o.class_weights) / static_cast<double>(N)));
  }
  return reshape(-sum(t * log_p, {1}), {N});
}

}  // namespace

Tensor task_loss(
    const ModelCard& card, const Tensor& outputs, const Batch& batch,
    const CrossEntropyOptions& options) {
  if (card.task != Task::classify) return mse(outputs, wanted_outputs(card, batch));
  if (batch.mixed.defined()) {
    // Smoothing, for labels that are distributions already
    const double s = options.label_smoothing;
    const auto classes = static_cast<double>(batch.mixed.size(1));
    return soft_cross_entropy(outputs, batch.mixed * (1 - s) + s / classes);
  }
  const bool is_plain = options.label_smoothing == 0 && !options.class_weights.defined();
  return is_plain ? cross_entropy(outputs, batch.labels)
                  : cross_entropy(outputs, batch.labels, options);
}

Tensor task_losses(
    const ModelCard& card, const Tensor& outputs, const Batch& batch,
    const CrossEntropyOptions& options) {
  if (card.task == Task::classify) return cross_entropies(outputs, batch, options);
  const Tensor error = outputs - wanted_outputs(card, batch);  // [N, D]
  return reshape(mean(error * error, {1}), {error.size(0)});
}

double Evaluation::accuracy() const {
  return classes ? classes->accuracy : std::numeric_limits<double>::quiet_NaN();
}

Evaluation evaluate(const RunFolder& folder, const datasets::Dataset& data) {
  Evaluation result{.count = data.size()};
  const BatchSource source = source_in_order(data, folder.card);
  switch (folder.card.task) {
    case Task::classify:
      result.classes = classification_metrics(predict(*folder.model, source), data.labels);
      result.loss = result.classes->loss;
      break;
    case Task::regress: {
      const Recording off(false);
      const Tensor y = predict(*folder.model, source);  // [N, 1]
      const double deviation = folder.card.target_std;
      result.targets = regression_metrics(
          reshape(y * deviation + folder.card.target_mean, data.labels.shape()), data.labels);
      result.loss = result.targets->mse / (deviation * deviation);
      break;
    }
    case Task::reconstruct: result.loss = squared_error(folder, source); break;
  }
  return result;
}

Headline headline(const Evaluation& e) {
  if (e.classes) return {"accuracy", percent(e.classes->accuracy)};
  if (e.targets) return {"R2", fixed(e.targets->r2, 4)};
  return {"squared error", fixed(e.loss, 5)};
}

void check_classifier(const RunFolder& folder, const char* command) {
  if (folder.card.task == Task::classify) return;
  throw UsageError(join_text(
      folder.path, " was trained to ", name_of(folder.card.task), "; ", command,
      " needs a classifier"));
}

}  // namespace limpid::tools
