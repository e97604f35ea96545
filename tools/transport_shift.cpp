// tools/transport_shift.cpp: limpid transport shift.
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/report/plot.h"
#include "interpret/transport/layer_shift.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/interpreting.h"
#include "tools/model.h"
#include "tools/transport.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

namespace limpid::tools {
namespace {

using interpret::ClassShift;
using interpret::LayerShift;
using interpret::RecordedLayers;

struct ShiftCommand {
  ModelOptions model;
  std::string data, against;
  std::string layer = "input";
  interpret::LayerShiftOptions shift;
};

// Known and new data: two sets, or two halves of one
struct Both {
  Examined known, fresh;
  bool are_halves = false;
};

datasets::Dataset part_examined(
    const std::string& data, const Common& common, const RunFolder& folder) {
  datasets::Split split = parts_of(data, common, folder, 0);
  return split.test.is_empty() ? split.train : split.test;
}

Both opened(const Invocation& in, const ShiftCommand& o, const RunFolder& folder) {
  constexpr int64_t kKnownPerNew = 2;  // the null band compares two clouds of known examples
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const int64_t most = std::max<int64_t>(
      o.shift.samples * kKnownPerNew, o.shift.most_per_class * folder.card.classes() * 2);
  Both both;
  const datasets::Dataset known = part_examined(o.data, in.common, folder);
  if (!o.against.empty() && o.against != o.data) {
    both.known = examined(known, folder, most, seed);
    both.fresh = examined(part_examined(o.against, in.common, folder), folder, most, seed + 1);
    return both;
  }
  both.are_halves = true;
  const Examined all = examined(known, folder, known.size(), seed);
  const int64_t half = std::min(most, known.size() / 2);
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < half; ++i) {
    first.push_back(i);
    second.push_back(half + i);
  }
  both.known = examined(datasets::take(all.part, first), folder, half, seed);
  both.fresh = examined(datasets::take(all.part, second), folder, half, seed);
  return both;
}

std::vector<int64_t> predicted(const RunFolder& folder, const Tensor& inputs) {
  const auto classes = arg_max(logits_of(folder, inputs), 1);
  const auto values = classes.values<int64_t>();
  return {values.begin(), values.end()};
}

size_t step_named(const RecordedLayers& recorded, const std::string& name) {
  const auto at = std::ranges::find(recorded.steps, name, &interpret::LayerFeatures::name);
  if (at == recorded.steps.end()) {
    std::string names;
    for (const auto& step : recorded.steps) names += (names.empty() ? "" : ", ") + step.name;
    throw UsageError("--layer: " + excerpt(name) + " is none of " + names);
  }
  return static_cast<size_t>(at - recorded.steps.begin());
}

std::optional<ClassShift> kind_of(
    const Both& both, const RecordedLayers& known, const RecordedLayers& fresh,
    const RunFolder& folder, const ShiftCommand& o, const interpret::LayerShiftOptions& options,
    Json& result, Console& console) {
  if (folder.card.task != Task::classify) return std::nullopt;
  std::vector<int64_t> a = both.known.labels, b = both.fresh.labels;
  const bool has_labels = !a.empty() && !b.empty();
  if (!has_labels) {
    console.note("note: the new data have no labels; predicted classes stand in on both sides");
    a = predicted(folder, both.known.inputs);
    b = predicted(folder, both.fresh.inputs);
  }
  result.set("classes_from", has_labels ? "labels" : "predictions");
  const size_t l = step_named(known, o.layer);
  try {
    return interpret::class_shift(known.steps[l], a, fresh.steps[l], b, options);
  } catch (const ValueError& error) {
    console.note(std::string("note: kind of shift not tested: ") + error.what());
    return std::nullopt;
  }
}

Json kind_json(const ClassShift& s, const RunFolder& folder) {
  Json classes = Json::array();
  for (size_t k = 0; k < s.compared.size(); ++k) {
    const auto label = static_cast<size_t>(s.compared[k]);
    classes.push(Json::object(
        {{"class", label < folder.card.class_names.size() ? folder.card.class_names[label]
                                                          : std::to_string(label)},
         {"w2", s.w2[k]},
         {"null_mean", s.null_mean[k]}}));
  }
  return Json::object(
      {{"verdict", interpret::name_of(s.kind)},
       {"p_classes", s.p_classes},
       {"p_conditional", s.p_conditional},
       {"classes", classes}});
}

std::string shift_chart(const std::vector<LayerShift>& shifts) {
  interpret::LineChart chart{
      .title = "Shift by layer",
      .description = "W2 between known and new data, and the band between samples of known data.",
      .x_title = "layer",
      .y_title = "W2 / sigma"};
  interpret::Series fresh{.name = "new data"}, null{.name = "known data"};
  for (const LayerShift& s : shifts) {
    fresh.y.push_back(s.shift);
    null.y.push_back(s.null_mean);
    null.low.push_back(s.null_mean - 3 * s.null_deviation);
    null.high.push_back(s.null_mean + 3 * s.null_deviation);
    chart.x_names.push_back(s.name);
  }
  chart.series = {fresh, null};
  return interpret::line_chart(chart);
}

Json run(const Invocation& in, const ShiftCommand& o) {
  const RunFolder folder = open_model(o.model, in.console);
  check_finite(folder, o.model.model);
  const Both both = opened(in, o, folder);
  const auto record = [&](const Examined& seen) {
    return as_usage([&] {
      return interpret::record_layers(*folder.model, seen.inputs, {.examples_for_weights = 0});
    });
  };
  const RecordedLayers known = record(both.known), fresh = record(both.fresh);
  step_named(known, o.layer);  // may refuse it, before anything is printed
  interpret::LayerShiftOptions options = o.shift;
  options.seed = static_cast<uint64_t>(in.common.seed);
  const std::vector<LayerShift> shifts =
      as_usage([&] { return interpret::layer_shifts(known.steps, fresh.steps, options); });

  in.console.result(in.console.bold(
      padded("layer", 18) + padded("shift", 9) + padded("null band", 18) + padded("z", 9) +
      "amplification"));
  Json layers = Json::array();
  std::string first;  // layer outside its band
  for (const LayerShift& s : shifts) {
    if (s.is_outside && first.empty()) first = s.name;
    in.console.result(
        padded(s.name, 18) + padded(fixed(s.shift, 4), 9) +
        padded(fixed(s.null_mean, 4) + " +- " + fixed(s.null_deviation, 4), 18) +
        padded(fixed(s.z, 1), 9) +
        (std::isfinite(s.amplification) ? fixed(s.amplification, 2) : "-"));
    layers.push(Json::object(
        {{"name", s.name},
         {"shift", s.shift},
         {"null_mean", s.null_mean},
         {"null_std", s.null_deviation},
         {"z", s.z},
         {"outside", s.is_outside},
         {"amplification", s.amplification}}));
  }
  Json result = Json::object(
      {{"model", name_of(folder)},
       {"data", both.known.data},
       {"against", both.are_halves ? "the other half of the same data" : both.fresh.data},
       {"samples",
        std::min({both.known.inputs.size(0) / 2, both.fresh.inputs.size(0), options.samples})},
       {"repeats", options.repeats},
       {"layers", layers},
       {"first_outside", first.empty() ? Json() : Json(first)}});
  in.console.result(
      first.empty() ? "inside the null band of every layer"
                    : "outside the null band from " + first + " on");
  if (const auto kind = kind_of(both, known, fresh, folder, o, options, result, in.console)) {
    result.set("kind", kind_json(*kind, folder));
    in.console.result(
        std::string(interpret::name_of(kind->kind)) + " by the features of " + o.layer +
        ": proportions of the classes p = " + fixed(kind->p_classes, 3) +
        ", distances within classes p = " + fixed(kind->p_conditional, 3));
  } else {
    result.set("kind", Json());
  }
  if (const std::string& out = in.common.out; !out.empty()) {
    make_folder(out);
    const std::string path = out + "/shift.svg", svg = shift_chart(shifts);
    write_file_atomic(path, std::as_bytes(std::span(svg)));
    result.set(
        "pictures",
        Json::array().push(Json::object(
            {{"file", path},
             {"caption", "W2 of the features to those of known data, and the band of chance"}})));
  }
  return result;
}

void declare(Arguments& a, ShiftCommand& o) {
  declare_model(a, o.model);
  a.text("data", o.data, "data set that is known; the run's own unless given");
  a.text("against", o.against, "new data; left out: the other half of the known data");
  a.text("layer", o.layer, "whose features tell label shift from covariate shift");
  a.integer("samples", o.shift.samples, "examples per cloud", 2, 2000);
  a.integer("repeats", o.shift.repeats, "of the null band", 2, 1000);
  a.integer("divisions", o.shift.divisions, "at random, of the tests by class", 19, 10'000);
  a.number("level", o.shift.level, "of the tests by class", 1e-4, 0.5);
}

}  // namespace

Command transport_shift_command() {
  auto options = std::make_shared<ShiftCommand>();
  return {
      .name = "transport shift",
      .summary =
          "is new data different, in which layer, and is it the classes or their proportions",
      .example = "limpid transport shift runs/fashion --data fashion-2k --out shift",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "shift.json",
      .if_rank_dies = kNoResult};
}

}  // namespace limpid::tools
