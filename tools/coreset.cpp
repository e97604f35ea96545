// tools/coreset.cpp: features of a trained network, and scores of networks in training.
#include "tools/coreset.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/ops/reduce.h"
#include "interpret/coreset/deepfool.h"
#include "interpret/coreset/last_layer.h"
#include "interpret/coreset/scores.h"
#include "tools/arguments.h"
#include "tools/console.h"
#include "tools/retraining.h"

namespace limpid::tools {
namespace {

std::vector<bool> right_predictions(const Tensor& logits, const Tensor& labels) {
  const Tensor best = arg_max(logits, 1);
  std::vector<bool> is_right;
  for (int64_t i = 0; i < labels.numel(); ++i) {
    is_right.push_back(best.data<int64_t>()[i] == labels.data<int64_t>()[i]);
  }
  return is_right;
}

// Scores over the epochs of one training: forgetting, or the mean of GraNd.
std::vector<double> watched_scores(
    const std::string& method, const RunFolder& folder, const datasets::Dataset& data,
    int64_t epochs, uint64_t seed) {
  const auto net = fresh_network(folder, seed);
  const BatchSource in_order = source_in_order(data, folder.card);
  const BatchSource shuffled =
      batches_of(data, {.seed = seed, .mean = folder.card.mean, .std = folder.card.std});
  interpret::ForgettingCount count;
  std::vector<double> norms(static_cast<size_t>(data.size()));
  const auto watch = [&] {
    const interpret::HeadOutputs out = interpret::head_outputs(*net, in_order);
    if (method == "forgetting") {
      count.record(right_predictions(out.logits, data.labels));
      return;
    }
    const auto now =
        interpret::grand(interpret::probabilities_of(out.logits), data.labels, out.hidden);
    for (size_t i = 0; i < norms.size(); ++i) norms[i] += now[i] / static_cast<double>(epochs);
  };
  train_plainly(*net, shuffled, {.epochs = epochs, .seed = seed, .after_epoch = watch});
  return method == "forgetting" ? count.scores() : norms;
}

std::vector<double> training_scores(
    const std::string& method, const RunFolder& folder, const datasets::Dataset& data,
    const WatchedTraining& o, Console& console) {
  std::vector<double> scores(static_cast<size_t>(data.size()));
  for (int64_t r = 0; r < o.runs; ++r) {
    console.note(join_text(
        method, ": training ", folder.card.architecture, " for ", o.epochs, " epochs, run ", r + 1,
        " of ", o.runs));
    const auto one =
        watched_scores(method, folder, data, o.epochs, o.seed + static_cast<uint64_t>(r));
    for (size_t i = 0; i < scores.size(); ++i) scores[i] += one[i] / static_cast<double>(o.runs);
  }
  return scores;
}

}  // namespace

void declare_watched_training(Arguments& a, WatchedTraining& o) {
  a.integer(
      "score-epochs", o.epochs, "forgetting, grand: epochs of a training from scratch", 1, 10000);
  a.integer("score-runs", o.runs, "forgetting, grand: how many such trainings", 1, 1000);
}

interpret::SelectorInfo selector_named(const std::string& name) {
  return as_usage([&] { return interpret::selector_named(name); });
}

std::string selector_list() {
  return joined(interpret::selectors(), ", ", &interpret::SelectorInfo::name);
}

interpret::Samples samples_for(
    const interpret::SelectorInfo& method, const RunFolder& folder, const datasets::Dataset& data,
    const WatchedTraining& training, Console& console, interpret::HeadOutputs* known) {
  interpret::Samples samples{.labels = data.labels};
  if (method.needs_features || method.needs_logits) {
    interpret::HeadOutputs own;
    interpret::HeadOutputs& out = known != nullptr ? *known : own;
    if (!out.hidden.defined()) {
      out = interpret::head_outputs(*folder.model, source_in_order(data, folder.card));
    }
    samples.features = out.hidden;
    samples.logits = out.logits;
  }
  if (method.name == "deepfool") {
    samples.scores = interpret::deepfool_distances(
        *folder.model, standardised(data.images.tensor(), folder.card));
    for (double& score : samples.scores) score = -score;
  } else if (method.needs_scores) {
    samples.scores = training_scores(method.name, folder, data, training, console);
  }
  return samples;
}

}  // namespace limpid::tools
