// tools/coreset_select.cpp: limpid coreset select.
#include "framework/core/error.h"
#include "framework/io/npy.h"
#include "framework/tensor/integers.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/coreset.h"
#include "tools/measuring.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/stopwatch.h"

#include <memory>

namespace limpid::tools {
namespace {

struct SelectingOptions {
  ModelOptions model;
  std::string data;
  std::string method = "moderate";
  double fraction = 0.1;
  bool is_per_class = false;  // as by default
  bool is_global = false;
  std::string centre = "mean";
  std::string greedy = "lazy";
  std::string start = "mean";
  std::string weights_out;
  WatchedTraining training;
};

interpret::SelectOptions settings_of(const SelectingOptions& o, uint64_t seed) {
  using namespace interpret;
  return {
      .fraction = o.fraction,
      .per_class = !o.is_global,
      .seed = seed,
      .centre = o.centre == "mean" ? Centre::mean : Centre::median,
      .start = o.start == "mean" ? Start::mean : Start::random,
      .greedy = o.greedy == "lazy" ? GreedyKind::lazy : GreedyKind::stochastic};
}

void save(const SelectingOptions& o, const std::string& out, const interpret::Selection& found) {
  save_npy(out, integer_tensor(found.indices));
  if (o.weights_out.empty()) return;
  const std::vector<double> ones(found.indices.size(), 1.0);
  const std::vector<double>& weights = found.weights.empty() ? ones : found.weights;
  save_npy(o.weights_out, Tensor::of({std::ssize(weights)}, weights, DType::f64));
}

Json run(const Invocation& in, const SelectingOptions& o) {
  if (o.is_per_class && o.is_global)
    throw UsageError("--per-class and --global exclude each other");
  const interpret::SelectorInfo method = selector_named(o.method);
  as_usage([&] { return interpret::kept_of(1, o.fraction); });
  const RunFolder folder = open_model(o.model, in.console);
  check_classifier(folder, "coreset select");
  const datasets::Dataset data = parts_of(o.data, in.common, folder).train;
  if (data.is_empty()) throw UsageError("the data have no training part to select from");
  const auto seed = static_cast<uint64_t>(in.common.seed);

  WatchedTraining training = o.training;
  training.seed = seed;
  const Stopwatch reading;
  const interpret::Samples samples = samples_for(method, folder, data, training, in.console);
  const double seconds_features = reading.seconds();
  const Stopwatch selecting;
  const interpret::Selection found =
      interpret::select_coreset(o.method, samples, settings_of(o, seed));
  const double seconds_select = selecting.seconds();

  const std::string out = in.common.out.empty() ? "coreset.npy" : in.common.out;
  save(o, out, found);
  in.console.result(join_text(
      o.method, ": ", found.indices.size(), " of ", data.size(), " samples in ", out, ", features ",
      fixed(seconds_features, 3), " s, selection ", fixed(seconds_select, 3), " s"));
  std::string counts = "of each class:";
  for (const int64_t count : found.per_class) counts += join_text(" ", count);
  in.console.result(counts);
  for (const std::string& note : found.notes) in.console.note("note: " + note);
  return Json::object(
      {{"model", name_of(folder)},
       {"data", data.name},
       {"method", o.method},
       {"fraction", o.fraction},
       {"mode", o.is_global || !method.is_per_class ? "global" : "per-class"},
       {"count", data.size()},
       {"indices_count", std::ssize(found.indices)},
       {"per_class", Json::array_of(found.per_class)},
       {"nested", found.nested},
       {"weights", found.weights.empty() ? Json() : Json::array_of(found.weights)},
       {"notes", Json::array_of(found.notes)},
       {"out", out},
       {"seconds_features", seconds_features},
       {"seconds_select", seconds_select}});
}

void declare(Arguments& a, SelectingOptions& o) {
  declare_model(a, o.model);
  a.text("data", o.data, "data set, its training part; the run's own unless given");
  a.text("method", o.method, "of selection: " + selector_list());
  a.number("fraction", o.fraction, "of the samples to keep, above 0", 0, 1);
  a.flag("per-class", o.is_per_class, "the same fraction of every class, which is the default");
  a.flag("global", o.is_global, "of all samples together");
  a.text("centre", o.centre, "of a class, for moderate and dgpruning", {"mean", "median"});
  a.text(
      "greedy", o.greedy, "how facility-location, weighted, graph-cut and log-det search",
      {"lazy", "stochastic"});
  a.text(
      "start", o.start, "k-center, contextual-diversity: the sample nearest to the mean, or any",
      {"mean", "random"});
  a.text("weights-out", o.weights_out, "file for the weights of the samples, .npy");
  declare_watched_training(a, o.training);
}

}  // namespace

Command coreset_select_command() {
  auto options = std::make_shared<SelectingOptions>();
  return {
      .name = "coreset select",
      .summary = "choose the samples on which a network can be interpreted in place of all",
      .example =
          "limpid coreset select runs/fashion --data fashion-2k --method moderate --fraction 0.1 "
          "--out coreset.npy",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
