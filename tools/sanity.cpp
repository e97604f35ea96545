// tools/sanity.cpp: limpid sanity.
#include "framework/core/error.h"
#include "framework/ops/reduce.h"
#include "interpret/metrics/randomisation.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/measuring.h"
#include "tools/metrics_output.h"
#include "tools/model.h"
#include "tools/objective.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct SanityOptions {
  ModelOptions model;
  std::string data;
  int64_t count = 32;
  std::vector<std::string> method = {"gradient", "guided", "grad-cam"};
  std::string layer;
  std::string target = "label";
  std::string mode = "cascade";
};

struct Measure {
  const char* key;
  const char* definition;
  std::vector<double> interpret::RandomisedLayer::*values;
};
constexpr Measure kMeasures[] = {
    {"spearman", "rank correlation of the maps, with their sign, before and after",
     &interpret::RandomisedLayer::spearman},
    {"spearman_abs", "the same of their absolute values",
     &interpret::RandomisedLayer::spearman_abs},
    {"ssim", "structural similarity of the maps as shown, in [0, 1]",
     &interpret::RandomisedLayer::ssim}};

std::vector<interpret::ComparedMaps> compared(const std::vector<interpret::Maps>& all) {
  std::vector<interpret::ComparedMaps> pairs;
  for (const interpret::Maps& maps : all) pairs.push_back({maps.raw, as_masks(maps)});
  return pairs;
}

Json row_json(
    const std::string& method, const interpret::RandomisedLayer& layer, uint64_t seed,
    std::string& line) {
  Json row = Json::object({{"method", method}, {"layer", layer.layer}});
  Json intervals = Json::object();
  for (const Measure& measure : kMeasures) {
    const std::vector<double>& values = layer.*measure.values;
    const Summary s = summary(values, seed);
    row.set(measure.key, s.mean);
    intervals.set(measure.key, Json::array({s.interval.low, s.interval.high}));
    line += padded(
        join_text(
            fixed(s.mean, 3), " [", fixed(s.interval.low, 3), ", ", fixed(s.interval.high, 3), "]"),
        24);
  }
  const auto flat =
      std::ranges::count_if(layer.spearman, [](double value) { return !std::isfinite(value); });
  if (flat > 0) line += join_text(flat, " of ", layer.spearman.size(), " maps flat");
  return row.set("intervals", intervals).set("flat", flat);
}

Json report(
    const SanityOptions& o, const std::vector<std::vector<interpret::RandomisedLayer>>& results,
    uint64_t seed, const Console& console) {
  console.result(console.bold(
      padded("method", 18) + padded("layer", 26) + padded("spearman", 24) +
      padded("spearman of |map|", 24) + "ssim"));
  Json rows = Json::array();
  for (size_t m = 0; m < results.size(); ++m) {
    for (const interpret::RandomisedLayer& layer : results[m]) {
      std::string line = padded(o.method[m], 18) + padded(layer.layer, 26);
      rows.push(row_json(o.method[m], layer, seed, line));
      console.result(line.substr(0, line.find_last_not_of(' ') + 1));
    }
  }
  Json definitions = Json::object(
      {{"layer", o.mode == "cascade"
                     ? "fresh weights from the logits down to this layer, its norm included"
                     : "fresh weights in this layer alone, its norm included"},
       {"intervals", "95 % percentile bootstrap over images"}});
  for (const Measure& measure : kMeasures) definitions.set(measure.key, measure.definition);
  for (const Json::Member& member : definitions.members()) {
    console.result(member.key + ": " + member.value.text());
  }
  console.result(
      "low is good: a map that stays as it was does not look at what the network learned; flat "
      "maps are left out");
  return Json::object({{"rows", rows}, {"definitions", definitions}});
}

Json run(const Invocation& in, const SanityOptions& o) {
  const RunFolder folder = open_model(o.model, in.console);
  check_classifier(folder, "sanity");
  check_measuring(folder, {.methods = o.method, .layer = o.layer});
  const datasets::Dataset test = test_part(o.data, in.common, folder);
  const datasets::Dataset chosen = datasets::first(test, o.count);
  const Tensor images = standardised(chosen.images.tensor(), folder.card);
  const Tensor classes =
      o.target == "label" ? chosen.labels : arg_max(logits_of(folder, images), 1);
  const auto needs_layer = [](const std::string& name) { return method_named(name).needs_layer; };
  const std::string layer =
      std::ranges::any_of(o.method, needs_layer) ? layer_for(folder, o.layer) : "";

  if (interpret::layer_groups(*folder.model).empty()) {
    throw UsageError("the model has no weights to replace");
  }
  const RunFolder twin = open_model(o.model, in.console);
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const auto maps = [&](Module&) {  // always that of the twin
    check_interrupt();
    return compared(explain_images(twin, o.method, layer, images, classes.values<int64_t>(), seed));
  };
  const interpret::RandomisationOptions options{
      .mode = o.mode == "cascade" ? interpret::RandomisationMode::cascade
                                  : interpret::RandomisationMode::independent,
      .seed = seed,
      .progress = [&](int64_t done, int64_t total) {
        in.console.progress("layers", done, total);
        return true;
      }};
  const auto results =
      interpret::randomisation_test(*folder.model, *twin.model, images, maps, options);
  in.console.result(join_text(
      images.size(0), " images, class: ", o.target, ", mode ", o.mode,
      layer.empty() ? "" : ", maps of layer " + layer));
  Json json = Json::object(
      {{"model", name_of(folder)},
       {"data", test.name},
       {"count", images.size(0)},
       {"mode", o.mode},
       {"target", o.target},
       {"map_layer", layer.empty() ? Json() : Json(layer)}});
  const Json reported = report(o, results, seed, in.console);
  for (const Json::Member& member : reported.members()) {
    json.set(member.key, member.value);
  }
  return json;
}

}  // namespace

Command sanity_command() {
  auto options = std::make_shared<SanityOptions>();
  return {
      .name = "sanity",
      .summary = "do maps change when the network's weights are replaced by fresh ones?",
      .example = "limpid sanity runs/fashion --data fashion-2k --count 8 --method gradient,guided",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.text("data", options->data, "data set, its test part; the run's own unless given");
            a.integer("count", options->count, "so many examples, from the first on", 2, INT64_MAX);
            a.list("method", options->method, method_list());
            a.text(
                "layer", options->layer,
                "layer of the class activation maps; the last spatial one unless given");
            a.text("target", options->target, "class to explain", {"label", "predicted"});
            a.text(
                "mode", options->mode, "from the logits down, or each layer alone",
                {"cascade", "independent"});
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "sanity.json"};
}

}  // namespace limpid::tools
