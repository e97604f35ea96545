// tools/penalty.h: the gradient penalty on the command line of train.
#pragma once

#include "framework/train/trainer.h"
#include "interpret/gradient_penalty/step.h"
#include "tools/objective.h"
#include "tools/run_folder.h"

#include <string>

namespace limpid::tools {

class Arguments;
struct TrainingOptions;

/// As on the command line; `error` is empty without the penalty.
struct PenaltyOptions {
  std::string error = {};
  double lambda = interpret::GradientPenaltyOptions{}.lambda;
  std::string route = "double";
  std::string source = "loss";
  std::string target = "guided";
  std::string mode = {};
  bool attaches_target = false;
  double step = interpret::InterpretableOptions{}.step;
  int64_t every = 1;
  double share = 1;

  bool is_on() const { return !error.empty(); }
};

void declare_penalty(Arguments& arguments, PenaltyOptions& options);

/// Throws UsageError for combinations that make no sense, with each other or with the run.
void check_penalty(const TrainingOptions& options, const ModelCard& card);

interpret::InterpretableOptions interpretable_options(const PenaltyOptions& options);

/// Mean cosine of the gradient of the source and its guided gradient over a set, in evaluation
/// mode and without label smoothing; examples without a gradient are left out. NaN if all are.
double gradient_cosine(
    const RunFolder& folder, const datasets::Dataset& data, interpret::GradientSource source);

}  // namespace limpid::tools
