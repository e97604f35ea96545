// tools/penalty.cpp: options of the gradient penalty, what they exclude, and the cosine it raises.
#include "tools/penalty.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "tools/arguments.h"
#include "tools/training.h"

#include <cmath>
#include <limits>

namespace limpid::tools {

void declare_penalty(Arguments& a, PenaltyOptions& o) {
  a.text(
      "interpretable-gradients", o.error,
      "pull the input gradient towards the guided one while training; the distance: cosine, mse, "
      "mae or hi (histogram intersection)",
      {"", "cosine", "mse", "mae", "hi"});
  a.number("lambda", o.lambda, "weight of that penalty; 0: only measure the cosine", 0, 1e6);
  a.text(
      "route", o.route,
      "how its slope is found: double (exact), fd (finite difference), shift (moved inputs)",
      {"double", "fd", "shift"});
  a.text(
      "gradient-source", o.source, "whose gradient: loss, neg-loss, logit or log-prob of the label",
      {"loss", "neg-loss", "logit", "log-prob"});
  a.text(
      "gradient-target", o.target,
      "pull towards: guided, deconv, smoothgrad, or a control: permuted, edges",
      {"guided", "deconv", "smoothgrad", "permuted", "edges"});
  a.text(
      "penalty-mode", o.mode,
      "with batch norm, whose gradient: that of the batch with its statistics held constant (route "
      "double; the default there), evaluate: with running statistics, or train: of the batch",
      {"", "held", "evaluate", "train"});
  a.flag(
      "attach-target", o.attaches_target,
      "differentiate the target too, instead of holding it constant (route double)");
  a.number(
      "fd-step", o.step,
      "step of the route fd, as a share of the size of the images; 0: the best for the precision",
      0, 1);
  a.integer("penalty-every", o.every, "penalise every N-th step only, N times as hard", 1, 1000);
  a.number(
      "penalty-share", o.share, "penalise a random share of each batch, in a pass of its own", 1e-3,
      1);
}

namespace {

bool is_as_declared(const PenaltyOptions& o) {
  const PenaltyOptions d;
  return o.lambda == d.lambda && o.route == d.route && o.source == d.source &&
         o.target == d.target && o.mode == d.mode && o.attaches_target == d.attaches_target &&
         o.step == d.step && o.every == d.every && o.share == d.share;
}

}  // namespace

void check_penalty(const TrainingOptions& training, const ModelCard& card) {
  const PenaltyOptions& o = training.penalty;
  if (!o.is_on()) {
    if (is_as_declared(o)) return;
    throw UsageError(
        "--lambda, --route, --gradient-source, --gradient-target, --penalty-mode, "
        "--attach-target, --fd-step, --penalty-every and --penalty-share need "
        "--interpretable-gradients");
  }
  if (card.task == Task::reconstruct) {
    throw UsageError("--interpretable-gradients is for --task classify and regress");
  }
  if (card.task == Task::regress && (o.source == "logit" || o.source == "log-prob")) {
    throw UsageError("--gradient-source " + o.source + " is for --task classify");
  }
  if (o.step > 0 && o.route != "fd") throw UsageError("--fd-step is for --route fd");
  as_usage([&] { interpret::check_options(interpretable_options(o)); });
  const bool mixes = training.augment.find("mixup") != std::string::npos;
  if (mixes && (o.source == "logit" || o.source == "log-prob")) {
    throw UsageError("--gradient-source " + o.source + " needs one label, mixup has two");
  }
  if (o.target == "permuted" && training.batch < 2) {
    throw UsageError("--gradient-target permuted needs --batch 2 or more");
  }
  const bool is_image = card.input.rank() == 3 && card.input[1] >= 3 && card.input[2] >= 3;
  if (o.target == "edges" && !is_image) {
    throw UsageError(join_text("--gradient-target edges needs images, not ", card.input));
  }
}

interpret::InterpretableOptions interpretable_options(const PenaltyOptions& o) {
  return {
      .penalty =
          {.error = interpret::gradient_error_named(o.error),
           .lambda = o.lambda,
           .target = interpret::gradient_target_named(o.target),
           .detaches_target = !o.attaches_target},
      .source = interpret::gradient_source_named(o.source),
      .route = interpret::gradient_route_named(o.route),
      .every = o.every,
      .share = o.share,
      .gradient = interpret::penalised_gradient_named(
          !o.mode.empty()       ? o.mode
          : o.route == "double" ? "held"
                                : "evaluate"),
      .step = o.step};
}

double gradient_cosine(
    const RunFolder& folder, const datasets::Dataset& data, interpret::GradientSource source) {
  constexpr int64_t kBatch = 100;  // graphs of so many examples are in memory at once
  const BatchSource batches = source_in_order(data, folder.card, kBatch);
  double total = 0;
  int64_t counted = 0;
  for (int64_t b = 0; b < batches.batches; ++b) {
    const Batch batch = batches.get(0, b);
    Tensor x = batch.inputs.detach();
    x.require_gradient();
    Pass pass;
    const Tensor logits = (*folder.model)(x, pass);
    const Tensor losses = task_losses(folder.card, logits, batch);
    const Tensor scores = interpret::gradient_scores(source, logits, losses, batch.labels);
    for (const double cosine : interpret::gradient_cosines(scores, x).to_vector()) {
      if (std::isnan(cosine)) continue;
      total += cosine;
      ++counted;
    }
  }
  if (counted == 0) return std::numeric_limits<double>::quiet_NaN();
  return total / static_cast<double>(counted);
}

}  // namespace limpid::tools
