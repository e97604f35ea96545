// tools/metrics.cpp: limpid metrics.
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/gradient_output.h"
#include "tools/metrics_output.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/removing.h"
#include "tools/retraining.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct MetricsOptions {
  ModelOptions model;
  std::string data;
  int64_t count = 200;
  std::string target = "label";
  std::string against;
  MeasuringOptions measuring = {
      .methods = {"gradient", "guided", "grad-cam", "grad-cam++", "layer-cam"},
      .controls = {"ones", "centre", "random", "shuffled"}};
  bool confidence_only = false;
  bool gradients = false;
  std::vector<std::string> roar;
  int64_t roar_epochs = 5;
};

// A model, its measurement and what is said about it beside the maps.
struct Examined {
  RunFolder folder;
  Tensor images;  // standardised
  Measurement measurement;
  std::vector<double> probability;  // of the class of each image
  std::vector<bool> is_right;       // the largest logit is the label's
  Metrics quality;
  GradientFigures gradients;
};

// The class of each image: its label, or what the first model says.
MeasuredImages subject_of(
    const MetricsOptions& o, const RunFolder& folder, const datasets::Dataset& chosen) {
  MeasuredImages subject{
      .pictures = chosen.images.tensor(),
      .masks = chosen.masks,
      .labels = chosen.labels,
      .classes = {}};
  const Tensor logits = logits_of(folder, standardised(subject.pictures, folder.card));
  subject.classes = to_integers(o.target == "label" ? subject.labels : arg_max(logits, 1));
  return subject;
}

Examined examine(
    RunFolder folder, const MetricsOptions& o, const MeasuredImages& subject, uint64_t seed,
    Console& console) {
  Examined e;
  e.folder = std::move(folder);
  e.images = standardised(subject.pictures, e.folder.card);
  const Tensor logits = logits_of(e.folder, e.images);
  e.quality = classification_metrics(logits, subject.labels);
  const int64_t* labels = subject.labels.data<int64_t>();
  const std::vector<int64_t> best = to_integers(arg_max(logits, 1));
  for (size_t n = 0; n < best.size(); ++n) e.is_right.push_back(best[n] == labels[n]);
  e.probability = select(softmax(logits), subject.classes).to_vector();
  e.measurement = measure(e.folder, subject, o.measuring, console);
  if (o.gradients) e.gradients = gradient_figures(e.folder, e.images, subject.labels, seed);
  return e;
}

RunFolder open_classifier(const ModelOptions& model, const MetricsOptions& o, Console& console) {
  RunFolder folder = open_model(model, console);
  check_classifier(folder, "metrics");
  check_measuring(folder, o.measuring);
  return folder;
}

std::string speed_line(const Examined& e) {
  double seconds = 0, map_seconds = 0;
  int64_t rows = 0;
  for (const MeasuredMethod& row : e.measurement.rows) {
    seconds += row.score_seconds;
    map_seconds += row.map_seconds;
    rows += row.same_as.empty() ? 1 : 0;
  }
  const double images = static_cast<double>(e.probability.size()) * static_cast<double>(rows);
  return join_text(
      "maps in ", fixed(map_seconds, 1), " s, ", rows, " rows scored in ", fixed(seconds, 1),
      " s: ", fixed(images / seconds, 0), " images/s per row");
}

void print_model(const Examined& e, const MetricsOptions& o, const Console& console) {
  console.result(join_text(
      name_of(e.folder), ": ", e.probability.size(), " images, class: ", o.target, ", mean p ",
      fixed(interpret::mean_of(e.probability), 4), ", accuracy ", percent(e.quality.accuracy),
      ", ece ", fixed(e.quality.ece, 4),
      e.measurement.layer.empty() ? "" : ", layer " + e.measurement.layer));
}

Json roar_json(
    const Examined& e, const MetricsOptions& o, const datasets::Split& data,
    const std::vector<double>& shares, uint64_t seed, Console& console) {
  const RemovingOptions options{
      .methods = o.measuring.methods,
      .layer = e.measurement.layer,
      .shares = shares,
      .epochs = o.roar_epochs,
      .seed = seed};
  Json rows = Json::array();
  for (const Removal& removal : remove_and_retrain_all(e.folder, data, options, console)) {
    std::string line =
        "roar " + padded(removal.is_control ? "(" + removal.name + ")" : removal.name, 19);
    Json accuracy = Json::array();
    for (size_t k = 0; k < shares.size(); ++k) {
      line += padded(fixed(100 * shares[k], 0) + " %: " + percent(removal.accuracy[k]), 15);
      accuracy.push(removal.accuracy[k]);
    }
    console.result(line);
    rows.push(Json::object(
        {{"method", removal.name}, {"control", removal.is_control}, {"accuracy", accuracy}}));
  }
  console.result(join_text(
      "roar: test accuracy after ", o.roar_epochs,
      " epochs from scratch without that share of the pixels, largest map values first, replaced "
      "by the channel mean; lower is better"));
  Json percentages = Json::array();
  for (const double share : shares) percentages.push(100 * share);
  return Json::object({{"shares", percentages}, {"epochs", o.roar_epochs}, {"rows", rows}});
}

Json model_json(const Examined& e) {
  return Json::object(
      {{"model", name_of(e.folder)},
       {"accuracy", e.quality.accuracy},
       {"ece", e.quality.ece},
       {"mean_probability", interpret::mean_of(e.probability)},
       {"layer", e.measurement.layer.empty() ? Json() : Json(e.measurement.layer)}});
}

// Differences over all images, and over those where confidence cannot be the reason: drop and gain
// divide by p and 1 - p, so a less confident model changes both with maps that are no better.
Json compare(const Examined& a, const Examined& b, uint64_t seed, const Console& console) {
  constexpr double kAlike = 0.05;  // of p
  const std::vector<bool> all(a.probability.size(), true);
  std::vector<bool> matched;
  for (size_t n = 0; n < all.size(); ++n) {
    matched.push_back(
        a.is_right[n] && b.is_right[n] && std::abs(a.probability[n] - b.probability[n]) <= kAlike);
  }
  print_differences(a.measurement, b.measurement, all, seed, console);
  print_differences(a.measurement, b.measurement, matched, seed, console);
  const auto p = paired(a.probability, b.probability, all, seed);
  console.result(join_text(
      "difference: the other model minus this one on the same images and classes, 95 % bootstrap "
      "interval, p of a sign-flip test; a gain counts only beyond that of the controls. First all "
      "images, then those that both get right with probabilities at most ",
      kAlike, " apart. Mean probability: ", fixed(p.mean, 4), " p ", fixed(p.p_value, 4)));
  return model_json(b)
      .set("rows", rows_json(b.measurement, seed))
      .set("differences", differences_json(a.measurement, b.measurement, all, seed))
      .set(
          "matched",
          Json::object(
              {{"count", std::ranges::count(matched, true)},
               {"differences", differences_json(a.measurement, b.measurement, matched, seed)}}));
}

Json run(const Invocation& in, MetricsOptions o) {
  const auto seed = static_cast<uint64_t>(in.common.seed);
  o.measuring.seed = seed;
  o.measuring.has_curves = !o.confidence_only;
  const std::vector<double> shares = shares_from(o.roar);
  RunFolder folder = open_classifier(o.model, o, in.console);
  const datasets::Split data = parts_of(o.data, in.common, folder);
  if (!shares.empty()) {
    if (data.train.size() == 0) {
      throw UsageError("--roar trains again, and the data have no training part");
    }
    fresh_network(folder, seed);  // refused now rather than after the table
  }
  const datasets::Dataset chosen = datasets::first(data.test, o.count);
  const MeasuredImages subject = subject_of(o, folder, chosen);
  const int64_t cells = subject.pictures.size(2) * subject.pictures.size(3);
  if (o.measuring.steps.step > cells) {
    throw UsageError(
        join_text("--step ", o.measuring.steps.step, " exceeds the ", cells, " pixels"));
  }
  std::optional<RunFolder> other;
  if (!o.against.empty()) {
    ModelOptions second = o.model;
    second.model = o.against;
    other = open_classifier(second, o, in.console);
    if (other->card.input != folder.card.input || other->card.classes() != folder.card.classes()) {
      throw UsageError("--against: the models do not take the same images and classes");
    }
  }

  const Examined e = examine(std::move(folder), o, subject, seed, in.console);
  const Measurement& m = e.measurement;
  print_model(e, o, in.console);
  print_rows(m, seed, in.console);
  in.console.note(speed_line(e));
  Json result = model_json(e);
  result.set("data", data.test.name)
      .set("count", std::ssize(subject.classes))
      .set("target", o.target)
      .set("tolerance", o.measuring.tolerance)
      .set("step", m.steps > 0 ? Json(m.step) : Json())
      .set("steps", m.steps > 0 ? Json(m.steps) : Json())
      .set("pixels", cells)
      .set("rows", rows_json(m, seed))
      .set("definitions", definitions_json(m));

  std::optional<Examined> second;
  if (other) {
    second = examine(std::move(*other), o, subject, seed, in.console);
    print_model(*second, o, in.console);
    print_rows(second->measurement, seed, in.console);
    result.set("against", compare(e, *second, seed, in.console));
  }
  if (o.gradients) {
    result.set(
        "gradients",
        report_gradients(e.gradients, second ? &second->gradients : nullptr, seed, in.console));
  }
  if (!shares.empty()) result.set("roar", roar_json(e, o, data, shares, seed, in.console));
  return result;
}

void declare(Arguments& a, MetricsOptions& o) {
  MeasuringOptions& m = o.measuring;
  declare_model(a, o.model);
  a.text("data", o.data, "data set, its test part; the run's own unless given");
  a.integer("count", o.count, "so many examples, from the first on", 1, INT64_MAX);
  a.list("method", m.methods, method_list());
  a.text("layer", m.layer, "layer of the class activation maps; the last spatial one unless given");
  a.text("target", o.target, "class to explain", {"label", "predicted"});
  a.text("against", o.against, "another MODEL: paired differences on the same images and classes");
  a.list("controls", m.controls, "rows that know nothing: ones, centre, random, shuffled");
  a.integer("step", m.steps.step, "pixels per step; 0: a 32nd of the image", 0, INT64_MAX);
  a.integer("blur", m.steps.blur, "side of the blur where insertion starts, odd; 0: zeros", 0, 99);
  a.number("blur-sigma", m.steps.blur_sigma, "its deviation in pixels", 0.1, 100);
  a.number("tolerance", m.tolerance, "pixels by which the pointing game may miss", 0, 1000);
  a.flag("confidence-only", o.confidence_only, "without insertion and deletion");
  a.flag("sensitivity", m.has_sensitivity, "also sensitivity-n; takes long");
  a.flag("roughness", m.has_roughness, "also how rough the maps are, and how near to guided");
  a.flag("gradients", o.gradients, "also the gradient of the loss: how clean, FGSM, guided rule");
  a.list("roar", o.roar, "also remove these percentages of the pixels and train again");
  a.integer("roar-epochs", o.roar_epochs, "epochs of each such training", 1, 1000);
}

}  // namespace

Command metrics_command() {
  auto options = std::make_shared<MetricsOptions>();
  return {
      .name = "metrics",
      .summary = "how far saliency maps can be trusted: drop, gain, insertion, deletion, controls",
      .example = "limpid metrics runs/fashion --data fashion-2k --count 20 --method grad-cam",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "metrics.json"};
}

}  // namespace limpid::tools
