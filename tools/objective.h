// tools/objective.h: what a network is trained to do, and how good the result is.
//
//   classify     cross-entropy of the logits [N, K] against classes
//   regress      mean squared error of the one output against the target, both in units of the
//                target's standard deviation over the training part
//   reconstruct  mean squared error of the outputs [N, D] against the standardised input itself
#pragma once

#include "framework/ops/loss.h"
#include "framework/train/metrics.h"
#include "framework/train/trainer.h"
#include "tools/run_folder.h"

#include <optional>

namespace limpid::tools {

/// The loss of a batch for the task of the model; the options are for classification.
Tensor task_loss(
    const ModelCard& card, const Tensor& outputs, const Batch& batch,
    const CrossEntropyOptions& options = {});

/// The same for each example, [N]: their mean is task_loss.
Tensor task_losses(
    const ModelCard& card, const Tensor& outputs, const Batch& batch,
    const CrossEntropyOptions& options = {});

struct Evaluation {
  int64_t count = 0;                              // examples
  double loss = 0;                                // as above, without smoothing and weights
  std::optional<Metrics> classes = {};            // classify
  std::optional<RegressionMetrics> targets = {};  // regress: in units of the target

  /// Share of right classes; NaN for the other tasks.
  double accuracy() const;
};

/// Runs the model on all examples of a set, in evaluation mode.
Evaluation evaluate(const RunFolder& folder, const datasets::Dataset& data);

/// The figure that sums it up, for people: {"accuracy", "97.2 %"}, {"R2", "0.9312"} or
/// {"squared error", "0.05379"}.
struct Headline {
  std::string name, value;
};
Headline headline(const Evaluation& evaluation);

/// Throws UsageError unless the model is a classifier; `command` stands in the text.
void check_classifier(const RunFolder& folder, const char* command);

}  // namespace limpid::tools
