// tools/synthesising.cpp: from options to a synthesis, from a synthesis to files.
#include "tools/synthesising.h"

#include "framework/core/error.h"
#include "framework/io/image.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/report/heatmap.h"
#include "tools/console.h"
#include "tools/model.h"
#include "tools/objective.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>

namespace limpid::tools {
namespace {

using interpret::Average;
using interpret::Distance;
using interpret::MixedRoute;

// [1, C, 1, 1]: (value - mean) / std
Tensor standardised_bound(double value, const ModelCard& card) {
  std::vector<double> bounds;
  for (size_t c = 0; c < card.mean.size(); ++c) {
    bounds.push_back((value - card.mean[c]) / card.std[c]);
  }
  return Tensor::of({1, std::ssize(bounds), 1, 1}, bounds);
}

}  // namespace

void declare_synthesis(Arguments& a, SynthesisArguments& o) {
  constexpr double kMost = 1e9;
  a.integer("steps", o.steps, "steps of the descent", 1, 10'000'000);
  a.number(
      "lr", o.lr, "rate of Adam on the pixels, in standard deviations; cosine decay", 0, kMost);
  a.text(
      "distance", o.distance, "of the weights from what the vectors give",
      {"l1", "squared", "huber", "cosine"});
  a.text("average", o.average, "of the distance: in each tensor, or over all", {"tensor", "all"});
  a.text("route", o.route, "of the mixed derivative", {"double", "two-passes"});
  a.number("eta", o.eta, "weight of the augmented branch; 0: none", 0, kMost);
  a.flag("views-only", o.views_only, "no clean branch (eq. 9 of the paper)");
  a.number("view-shift", o.view.shift, "largest shift, share of the side", 0, 1);
  a.number("view-crop", o.view.crop, "largest share of the side cut away", 0, 0.99);
  a.number("view-cutout", o.view.cutout, "side of the hole, share of the side", 0, 1);
  a.number("view-flip", o.view.flip, "probability of left to right; 0.5 for photographs", 0, 1);
  a.number("view-noise", o.view.noise, "standard deviation added", 0, kMost);
  a.flag("per-image", o.view.per_image, "every image draws its own view");
  a.list(
      "weights", o.weights,
      "of stationarity, primal condition, total variation, norm: ratios of slopes at the start");
  a.flag("literal-weights", o.literal_weights, "take --weights as they are");
  a.flag("no-mask", o.no_mask, "count candidates that satisfy the primal condition too");
  a.number("margin", o.margin, "logits by which a candidate must be right to satisfy", 0, kMost);
  a.flag("average-variation", o.averages_variation, "total variation per pixel");
  a.text("norm", o.size, "norm prior", {"squared", "norm"});
  a.number("lambda-move", o.lambda_move, "largest move in a step, share of lambda0", 0, 1);
  a.integer(
      "length-every", o.length_every, "lambda to its best length every so many steps; 0: never", 0,
      10'000'000);
  a.text("infeasible", o.infeasible, "what becomes of lambda < 0", {"drop", "project"});
  a.number("warmup", o.warmup, "share of the steps in which nothing is dropped", 0, 1);
  a.integer(
      "exact-every", o.exact_every, "exact multipliers every so many steps; 0: gradient steps", 0,
      10'000'000);
  a.integer("start-scale", o.start_scale, "begin so many times coarser: 1, 2, 4, ...", 1, 64);
  a.integer("basis", o.basis, "stay so many times coarser: 1, 2, 4, ...", 1, 64);
  a.flag("no-clamp", o.no_clamp, "let pixels leave the range of pictures");
  a.list("freeze", o.freeze, "parameters without stationarity, as patterns: conv*");
}

double number_from(const std::string& text, const std::string& option) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw UsageError(join_text("--", option, ": ", excerpt(text), " is not a number"));
  }
  return value;
}

interpret::SynthesisOptions synthesis_options(
    const SynthesisArguments& o, const RunFolder& folder, uint64_t seed) {
  if (o.weights.size() != 4) {
    throw UsageError("--weights: needs four numbers: stationarity, primal, variation, norm");
  }
  const bool is_image = folder.card.input.rank() == 3;
  const auto weight = [&](size_t k) { return number_from(o.weights[k], "weights"); };
  static const std::map<std::string, Distance> distances = {
      {"l1", Distance::l1},
      {"squared", Distance::squared},
      {"huber", Distance::huber},
      {"cosine", Distance::cosine}};
  interpret::SynthesisOptions options{
      .steps = o.steps,
      .seed = seed,
      .clean_branch = !o.views_only,
      .eta = o.eta,
      .view = o.view,
      .stationarity =
          {.distance = distances.at(o.distance),
           .average = o.average == "tensor" ? Average::tensor : Average::all,
           .route = o.route == "double" ? MixedRoute::double_backward : MixedRoute::two_passes},
      .weights =
          {.stationarity = weight(0),
           .primal = weight(1),
           .variation = weight(2),
           .size = weight(3)},
      .weights_are_ratios = !o.literal_weights,
      .masks_satisfied = !o.no_mask,
      .margin = o.margin,
      .averages_variation = o.averages_variation,
      .size = o.size == "squared" ? interpret::SizePrior::squared : interpret::SizePrior::norm,
      .learning_rate = o.lr,
      .start_scale = o.start_scale,
      .basis = o.basis,
      .lambda_move = o.lambda_move,
      .infeasible =
          o.infeasible == "drop" ? interpret::Infeasible::drop : interpret::Infeasible::project,
      .warmup = o.warmup,
      .exact_every = o.exact_every,
      .length_every = o.length_every};
  if (!is_image) {  // a table has no pixels to move and no neighbours
    options.view = {.shift = 0, .crop = 0, .cutout = 0, .flip = 0, .noise = o.view.noise};
    options.weights.variation = 0;
  } else if (!o.no_clamp) {
    options.low = standardised_bound(0, folder.card);
    options.high = standardised_bound(1, folder.card);
  }
  for (const std::string& pattern : o.freeze) {
    as_usage([&] { freeze(*folder.model, pattern); });
  }
  return options;
}

Tensor as_data(const Tensor& images, const ModelCard& card) {
  Shape shape{1, std::ssize(card.mean)};
  if (images.rank() == 4) shape = {1, std::ssize(card.mean), 1, 1};
  return images * Tensor::of(shape, card.std) + Tensor::of(shape, card.mean);
}

Json to_json(const interpret::Terms& t) {
  return Json::object(
      {{"stationarity", t.stationarity},
       {"primal", t.primal},
       {"variation", t.variation},
       {"norm", t.size}});
}

Json to_json(const interpret::TracePoint& t) {
  const auto list = [](const std::vector<double>& values) {
    return Json::array(Json::Items(values.begin(), values.end()));
  };
  return Json::object(
      {{"step", t.step},
       {"stationarity", t.stationarity},
       {"relative_residual", t.relative_residual},
       {"primal", t.primal},
       {"primal_accuracy", t.primal_accuracy},
       {"primal_accuracy_views", t.primal_accuracy_views},
       {"entropy", t.entropy},
       {"margin", t.margin},
       {"alive", t.alive},
       {"slopes", to_json(t.slopes)},
       {"class_entropy", list(t.class_entropy)},
       {"class_margin", list(t.class_margin)},
       {"class_accuracy", list(t.class_accuracy)}});
}

void save_class_grid(
    const std::string& path, const Tensor& images, const std::vector<int64_t>& classes) {
  std::map<int64_t, std::vector<Image>> rows;
  for (int64_t i = 0; i < images.size(0); ++i) {
    const Tensor image = interpret::one_of(images, i);
    rows[classes[static_cast<size_t>(i)]].push_back(
        interpret::enlarge(interpret::image_of(image), image.size(1) < 64 ? 2 : 1));
  }
  std::vector<std::vector<Image>> all;
  for (const auto& row : rows) all.push_back(row.second);
  save_png(path, interpret::grid(all));
}

std::vector<Judgement> judged(
    const std::vector<std::string>& judges, const Tensor& images,
    const std::vector<int64_t>& classes, const ModelCard& card, Console& console) {
  std::vector<Judgement> all;
  for (const std::string& name : judges) {
    ModelOptions options;
    options.model = name;
    const RunFolder judge = open_model(options, console);
    check_classifier(judge, "--judge");
    if (judge.card.input != card.input || judge.card.classes() != card.classes()) {
      throw UsageError(join_text(
          "--judge: ", name, " takes ", judge.card.input, " and knows ", judge.card.classes(),
          " classes, the model ", card.input, " and ", card.classes()));
    }
    const Tensor logits = logits_of(judge, standardised(images, judge.card));
    const Tensor best = arg_max(logits, 1);
    int64_t right = 0;
    for (size_t i = 0; i < classes.size(); ++i) right += best.data<int64_t>()[i] == classes[i];
    all.push_back(
        {name, static_cast<double>(right) / static_cast<double>(classes.size()),
         mean(select(softmax(logits), classes)).item()});
  }
  return all;
}

std::string with_ending(const std::string& path, const std::string& ending) {
  return std::filesystem::path(path).replace_extension(ending).string();
}

}  // namespace limpid::tools
