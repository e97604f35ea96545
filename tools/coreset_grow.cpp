// tools/coreset_grow.cpp: limpid coreset grow.
#include "framework/core/error.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/coreset_pictures.h"
#include "tools/interpreting.h"
#include "tools/measuring.h"
#include "tools/stopwatch.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct GrowingOptions {
  InterpretingOptions interpreting;
  std::string method = "random";
  interpret::GrowOptions grow;
  bool is_verified = false;
};

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json stage_json(const interpret::GrowStage& s) {
  return Json::object(
      {{"fraction", s.fraction},
       {"count", s.count},
       {"per_class", Json::array_of(s.per_class)},
       {"similarity", s.successive ? to_json(*s.successive) : Json()},
       {"half", s.half},
       {"reliability", s.reliability},
       {"against_random", optional_json(s.against_random)},
       {"active", Json::array_of(s.active)},
       {"seconds", Json::object(
                       {{"activations", s.seconds_activations},
                        {"fit", s.seconds_fit},
                        {"checks", s.seconds_checks}})},
       {"forecast", Json::object(
                        {{"count", optional_json(s.forecast_count)},
                         {"seconds", optional_json(s.forecast_seconds)},
                         {"gain", optional_json(s.forecast_gain)}})}});
}

std::string line_of(const interpret::GrowStage& s) {
  std::string line = padded(fixed(s.fraction, 3), 10) + padded(std::to_string(s.count), 9);
  line += padded(s.successive ? fixed(s.successive->mean, 4) : "-", 9);
  line += padded(fixed(s.reliability, 4), 12);
  line += padded(fixed(s.seconds_activations + s.seconds_fit, 3), 9);
  if (s.forecast_count && std::isfinite(*s.forecast_count)) line += fixed(*s.forecast_count, 0);
  return line;
}

interpret::Selection everything(
    const std::string& method, const interpret::Samples& samples, uint64_t seed) {
  return interpret::select_coreset(method, samples, {.fraction = 1, .seed = seed});
}

constexpr size_t kSearched = 500;  // images among which units and concepts find their own

// All samples in the order of the method, whose prefixes are the selections for smaller fractions,
// and in random order beside it.
struct Ordering {
  interpret::Samples samples;
  interpret::Selection selection;
  std::vector<int64_t> random;  // empty if the method itself is random
  double seconds_features = 0, seconds_select = 0;
};

Ordering ordering(
    const interpret::SelectorInfo& method, const GrowingOptions& o, Interpreted& all, uint64_t seed,
    Console& console) {
  WatchedTraining training = o.interpreting.training;
  training.seed = seed;
  const Stopwatch reading;
  Ordering found;
  found.samples = method.prefers_rows
                      ? samples_with_rows(all)
                      : samples_for(method, all.folder, all.data, training, console);
  found.seconds_features = reading.seconds();
  const Stopwatch selecting;
  found.selection = everything(o.method, found.samples, seed);
  found.seconds_select = selecting.seconds();
  if (!found.selection.nested) {
    throw UsageError("--method: " + o.method + " has no order whose parts are its selections");
  }
  if (!method.is_random) {
    found.random = everything("random", {.labels = all.data.labels}, seed).indices;
  }
  return found;
}

Json run(const Invocation& in, const GrowingOptions& o) {
  const interpret::SelectorInfo method = selector_named(o.method);
  for (const double f : o.grow.fractions) as_usage([&] { return interpret::kept_of(1, f); });
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const auto all = open_interpreted(o.interpreting, in.common, in.console);
  for (const std::string& note : all->notes) in.console.note("note: " + note);
  const Ordering ordered = ordering(method, o, *all, seed, in.console);

  interpret::GrowOptions options = o.grow;
  options.seed = seed;
  if (method.has_weights) {
    options.weights = [&](double fraction) {
      const interpret::Selection part = interpret::select_coreset(
          o.method, ordered.samples, {.fraction = fraction, .seed = seed});
      return interpret::balanced_weights(part, all->data.labels);
    };
  }
  options.has_audit = o.is_verified;
  options.seconds_before = ordered.seconds_features + ordered.seconds_select;
  const std::string head = in.console.bold(
      padded("fraction", 10) + padded("samples", 9) + padded("before", 9) +
      padded("reliability", 12) + padded("seconds", 9) + "samples for the target");
  Json stages = Json::array();
  interpret::Growth growth;
  as_usage([&] {
    growth = interpret::grow(
        *all->interpreter, ordered.selection.indices, all->labels, all->folder.card.classes(),
        options, ordered.random, [&](const interpret::GrowStage& stage) {
          check_interrupt();
          if (stages.items().empty()) in.console.result(head);
          in.console.result(line_of(stage));
          stages.push(stage_json(stage));
        });
    return 0;
  });
  const std::string sentence = interpret::cost_and_benefit(growth, options);
  in.console.result(std::string(interpret::name_of(growth.reason)) + ": " + sentence);
  Json result = Json::object(
      {{"model", name_of(all->folder)},
       {"data", all->data.name},
       {"method", o.method},
       {"interpreter", o.interpreting.interpreter},
       {"layers", all->layers},
       {"headline", all->interpreter->headline()},
       {"stages", stages},
       {"stop_reason", interpret::name_of(growth.reason)},
       {"fraction", growth.fraction},
       {"smallest", optional_json(growth.smallest)},
       {"similarity_full", optional_json(growth.similarity_full)},
       {"seconds_features", ordered.seconds_features},
       {"seconds_select", ordered.seconds_select},
       {"seconds_grow", growth.seconds},
       {"seconds_full", optional_json(growth.seconds_full)},
       {"target", o.grow.target},
       {"target_reliability", o.grow.target_reliability},
       {"cost_and_benefit", sentence}});
  if (const std::string& folder = in.common.out; !folder.empty() && has_pictures(*all)) {
    make_folder(folder);
    const auto kept = static_cast<size_t>(growth.stages.back().count);
    const interpret::SampleList part = interpret::SampleList(ordered.selection.indices).first(kept);
    result.set("chosen", save_chosen(folder, o.method, *all, part))
        .set(
            "parts", save_parts(folder, *all, growth.found, part.first(std::min(kept, kSearched))));
  }
  return result;
}

void declare(Arguments& a, GrowingOptions& o) {
  declare_interpreting(a, o.interpreting);
  a.text("method", o.method, "of selection: " + selector_list());
  a.numbers("fractions", o.grow.fractions, "of the stages, growing", 0, 1);
  a.number("target", o.grow.target, "similarity of two stages in a row", 1e-9, 1);
  a.number("target-reliability", o.grow.target_reliability, "of a stage", 1e-9, 1);
  a.number("max-seconds", o.grow.max_seconds, "of all stages; 0: no limit", 0, 1e9);
  a.number("min-gain", o.grow.min_gain, "of similarity per second; 0: no limit", 0, 1e9);
  a.integer("halves", o.grow.halves, "random pairs of halves per stage", 1, 1000);
  a.flag("verify-full", o.is_verified, "in the end, compare with all data");
}

}  // namespace

Command coreset_grow_command() {
  auto options = std::make_shared<GrowingOptions>();
  return {
      .name = "coreset grow",
      .summary = "enlarge the part of the data until the interpretation stops changing",
      .example =
          "limpid coreset grow runs/fashion --data fashion-2k --method random --interpreter vebi "
          "--target 0.9 --max-seconds 60 --verify-full",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "grow.json"};
}

}  // namespace limpid::tools
