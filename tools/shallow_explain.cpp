// tools/shallow_explain.cpp: limpid shallow explain.
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "framework/io/image.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/attribution_plot.h"
#include "interpret/report/heatmap.h"
#include "interpret/report/plot.h"
#include "interpret/shallow/importance.h"
#include "interpret/shallow/local_model.h"
#include "interpret/shallow/shapley.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/shallow.h"
#include "tools/stopwatch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>

namespace limpid::tools {
namespace {

using interpret::LocalModel;
using interpret::ShapleyValues;

constexpr size_t kMostShown = 12;  // inputs in a table or a plot

struct ExplainOptions {
  ShallowOptions shallow;
  std::string data;
  std::vector<std::string> indices = {"0", "1", "2"};
  std::vector<std::string> shap = {"interventional"};
  std::string target = "predicted";
  int64_t background = 100;
  int64_t permutations = 0;
  double max_operations = 1e11;
  int64_t nearest = 5;
  int64_t summary = 0;
  int64_t samples = 10'000;
};

// A model with what its values are measured against; one Shapley for each output asked for.
struct Subject {
  const ExplainOptions& o;
  const ShallowModel& model;
  std::vector<double> background;  // [m, n] standardised
  uint64_t seed = 0;
  std::map<int64_t, std::unique_ptr<interpret::Shapley>> by_output = {};

  const interpret::Shapley& shapley(int64_t output) {
    auto& place = by_output[output];
    if (!place) place = std::make_unique<interpret::Shapley>(model.net, output, background);
    return *place;
  }

  ShapleyValues values(const std::string& kind, int64_t output, std::span<const double> x) {
    const interpret::Shapley& s = shapley(output);
    if (kind == "global") return s.global(x);
    if (kind == "region") return s.region(x);
    if (kind == "path") return s.path(x);
    return as_usage([&] {
      if (o.permutations > 0) return s.sampled(x, {.rounds = o.permutations, .seed = seed});
      return s.interventional(x, o.max_operations);
    });
  }
};

struct Explained {
  int64_t index = 0, output = 0;
  std::string label;  // the class that the data set names; empty for a network of one output
  std::vector<double> x;
  std::vector<double> y;
  LocalModel local;
  std::vector<ShapleyValues> values;  // by --shap
  std::vector<double> seconds;
};

void check_kinds(const std::vector<std::string>& kinds) {
  static const std::vector<std::string> known = {"global", "region", "interventional", "path"};
  if (kinds.empty()) throw UsageError("--shap: names no kind");
  for (const std::string& kind : kinds) {
    if (std::ranges::find(known, kind) != known.end()) continue;
    throw UsageError(
        "--shap: " + excerpt(kind) + " is none of global, region, interventional, path");
  }
}

// The output explained where the network gives y
int64_t output_for(const std::string& target, const std::vector<double>& y) {
  if (target == "predicted") return std::ranges::max_element(y) - y.begin();
  int64_t value = -1;
  const char* stop = target.data() + target.size();
  const auto [end, error] = std::from_chars(target.data(), stop, value);
  if (error != std::errc() || end != stop || value < 0 || value >= std::ssize(y)) {
    throw UsageError(
        "--target: " + excerpt(target) +
        join_text(" is neither predicted nor an output in 0 to ", y.size() - 1));
  }
  return value;
}

std::vector<double> points_of(
    const datasets::Dataset& part, const std::vector<int64_t>& indices, const ModelCard& card) {
  return standardised(datasets::take(part, indices).images.tensor(), card).to_vector();
}

std::vector<int64_t> background_rows(int64_t size, int64_t wanted, uint64_t seed) {
  std::vector<int64_t> rows = Rng(seed).permutation(size);
  rows.resize(static_cast<size_t>(std::min(size, wanted)));
  std::ranges::sort(rows);
  return rows;
}

Explained explain(Subject& s, int64_t index, std::span<const double> x) {
  Explained e;
  e.index = index;
  e.x = {x.begin(), x.end()};
  e.y = s.model.net(x);
  e.output = output_for(s.o.target, e.y);
  e.local = interpret::local_model(s.model.net, x, s.o.nearest);
  for (const std::string& kind : s.o.shap) {
    const Stopwatch watch;
    e.values.push_back(s.values(kind, e.output, x));
    e.seconds.push_back(watch.seconds());
    check_interrupt();
  }
  return e;
}

// ---- As text ----

// Inputs by what they add, largest first
std::vector<size_t> by_size(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return std::abs(values[i]); });
  return order;
}

std::string number(double value) { return join_text(value); }

std::string name_of_output(const ShallowModel& model, int64_t output) {
  const ModelCard& card = model.folder.card;
  const bool has_names = model.net.outputs() > 1 && card.classes() == model.net.outputs();
  return has_names ? card.class_names[static_cast<size_t>(output)] : join_text("output ", output);
}

void print_half_spaces(const Explained& e, const Console& console) {
  if (e.local.nearest.empty()) return;
  console.result(console.bold(
      padded("nearest half-space", 24) + padded("side", 6) + padded("distance", 16) +
      "facet distance"));
  for (const interpret::HalfSpace& h : e.local.nearest) {
    console.result(
        padded(join_text("unit ", h.unit), 24) + padded(h.is_on ? "on" : "off", 6) +
        padded(number(h.distance), 16) +
        (std::isfinite(h.facet_distance) ? number(h.facet_distance) : "redundant"));
  }
}

void print_values(const Subject& s, const Explained& e, const Console& console) {
  const size_t first = s.model.folder.card.input.rank() == 3 ? 28 : 12;  // columns
  const auto line = [&](const std::string& name, const std::string& slope, const auto& cell) {
    std::string text = padded(name, first) + padded(slope, 14);
    for (const ShapleyValues& v : e.values) text += padded(cell(v), 16);
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::string head = padded("", first) + padded("slope", 14);
  for (const std::string& kind : s.o.shap) head += padded(kind, 16);
  head.erase(head.find_last_not_of(' ') + 1);
  console.result(console.bold(head));
  const std::vector<size_t> order = by_size(e.values[0].values);
  for (size_t k = 0; k < std::min(order.size(), kMostShown); ++k) {
    const size_t i = order[k];
    const size_t slope = static_cast<size_t>(e.output) * e.x.size() + i;
    console.result(line(
        input_name(s.model.folder.card.input, i), number(e.local.map.weight[slope]),
        [&](const auto& v) { return number(v.values[i]); }));
  }
  if (order.size() > kMostShown) {
    console.result(line("others", "", [&](const ShapleyValues& v) {
      double sum = 0;
      for (size_t k = kMostShown; k < order.size(); ++k) sum += v.values[order[k]];
      return number(sum);
    }));
  }
  console.result(line("base", "", [](const auto& v) { return number(v.base); }));
  console.result(line("residual", "", [](const auto& v) { return number(v.residual); }));
  console.result(line("gap", "", [](const auto& v) { return number(v.gap); }));
}

void print(const Subject& s, const Explained& e, const Console& console) {
  const auto on = std::ranges::count(e.local.pattern, uint8_t{1});
  console.result(console.bold(join_text("example ", e.index)));
  console.result(join_text(
      "prediction of ", name_of_output(s.model, e.output), ": ", e.y[static_cast<size_t>(e.output)],
      e.label.empty() ? "" : "; label: " + e.label, "; ", on, " of ", e.local.pattern.size(),
      " units on; affine up to distance ", e.local.radius, " with constant ",
      e.local.map.bias[static_cast<size_t>(e.output)]));
  print_half_spaces(e, console);
  print_values(s, e, console);
}

// ---- As JSON ----

Json to_json(const LocalModel& local, int64_t output, size_t n) {
  Json nearest = Json::array();
  for (const interpret::HalfSpace& h : local.nearest) {
    nearest.push(Json::object(
        {{"unit", h.unit},
         {"on", h.is_on},
         {"normal", Json::array_of(h.normal)},
         {"offset", h.offset},
         {"distance", h.distance},
         {"facet_distance", h.facet_distance}}));
  }
  const auto row = static_cast<size_t>(output);
  return Json::object(
      {{"slope", Json::array_of(std::span(local.map.weight).subspan(row * n, n))},
       {"constant", local.map.bias[row]},
       {"radius", local.radius},
       {"half_spaces", nearest}});
}

Json to_json(const Subject& s, const Explained& e) {
  Json kinds = Json::array();
  for (size_t k = 0; k < e.values.size(); ++k) {
    const ShapleyValues& v = e.values[k];
    Json one = Json::object(
        {{"kind", s.o.shap[k]},
         {"sampled", !v.low.empty()},
         {"base", v.base},
         {"shap", Json::array_of(v.values)},
         {"additivity_error", v.residual},
         {"gap", v.gap},
         {"points", v.points},
         {"evaluations", v.evaluations},
         {"seconds", e.seconds[k]}});
    if (!v.low.empty()) one.set("low", Json::array_of(v.low)).set("high", Json::array_of(v.high));
    kinds.push(one);
  }
  std::string region;
  for (const uint8_t unit : e.local.pattern) region += unit != 0 ? '1' : '0';
  return Json::object(
      {{"index", e.index},
       {"output", e.output},
       {"output_name", name_of_output(s.model, e.output)},
       {"label", e.label.empty() ? Json() : Json(e.label)},
       {"prediction", e.y[static_cast<size_t>(e.output)]},
       {"region", region},
       {"local", to_json(e.local, e.output, e.x.size())},
       {"kinds", kinds}});
}

// ---- Pictures ----

void write_svg(const std::string& path, const std::string& svg, Json& files) {
  write_file_atomic(path, as_bytes(svg + "\n"));
  files.push(path);
}

std::string waterfall(const Subject& s, const Explained& e, size_t kind) {
  const ShapleyValues& v = e.values[kind];
  interpret::Waterfall chart{
      .title = join_text("Example ", e.index, ", ", s.o.shap[kind], " values"),
      .value_title = name_of_output(s.model, e.output),
      .base = v.base,
      .names = {},
      .values = {}};
  const std::vector<size_t> order = by_size(v.values);
  for (size_t k = 0; k < order.size(); ++k) {
    if (k <= kMostShown) {
      chart.names.push_back(input_name(s.model.folder.card.input, order[k]));
      chart.values.push_back(v.values[order[k]]);
    } else {
      chart.names.back() = "others";
      chart.values.back() += v.values[order[k]];
    }
  }
  return interpret::waterfall_chart(chart);
}

// The values [C, H, W] as one map [H, W], summed over the channels
Tensor map_of(const std::vector<double>& values, const Shape& image) {
  const Tensor all = Tensor::of(image, values);
  return sum(all, {0});
}

// An example and its values as pictures on one scale for all kinds; their names for the page
Json draw_maps(
    const Subject& s, const Explained& e, const Tensor& picture, const std::string& out) {
  std::vector<Tensor> maps;
  for (const ShapleyValues& v : e.values) maps.push_back(map_of(v.values, picture.shape()));
  const interpret::ColourLimits limits =
      interpret::common_limits(maps, interpret::MapScale::symmetric);
  const std::string image = join_text(out, "/example-", e.index, ".png");
  save_png(image, picture_alone(picture));
  Json files = Json::array();
  for (size_t k = 0; k < maps.size(); ++k) {
    const std::string path = join_text(out, "/values-", e.index, "-", s.o.shap[k], ".png");
    save_png(path, signed_map(maps[k], limits));
    files.push(path);
  }
  return Json::object(
      {{"index", e.index}, {"picture", image}, {"maps", files}, {"largest", limits.high}});
}

// ---- All together ----

// Over the first test examples: one output, the first kind of values
struct Summary {
  int64_t output = 0;
  std::vector<double> points;                // [count, n]
  std::vector<std::vector<double>> values;   // [n][count]
  std::vector<double> mean_size;             // [n]: mean |value|
  interpret::Importance by_data, by_volume;  // by_volume is empty for all of R^n
};

Summary summarise(Subject& s, std::vector<double> points) {
  Summary m;
  const int64_t n = s.model.net.inputs(), count = std::ssize(points) / n;
  m.output =
      s.o.target == "predicted"
          ? 0
          : output_for(s.o.target, s.model.net(std::span(points).first(static_cast<size_t>(n))));
  m.values.resize(static_cast<size_t>(n));
  for (int64_t k = 0; k < count; ++k) {
    const auto x = std::span(points).subspan(static_cast<size_t>(k * n), static_cast<size_t>(n));
    const ShapleyValues v = s.values(s.o.shap[0], m.output, x);
    for (size_t i = 0; i < m.values.size(); ++i) m.values[i].push_back(v.values[i]);
    check_interrupt();
  }
  for (const std::vector<double>& row : m.values) {
    double sum = 0;
    for (const double v : row) sum += std::abs(v);
    m.mean_size.push_back(sum / static_cast<double>(count));
  }
  const std::vector<double> spread = interpret::spread_of(points, n);
  m.by_data = interpret::importance_by_data(s.model.net, m.output, points, spread);
  const interpret::Domain box = domain_from(s.o.shallow.box, n);
  if (!box.is_all && n == 2) {
    m.by_volume = as_usage([&] {
      return interpret::importance_by_area(
          interpret::clip_regions(s.model.net, box, region_options(s.o.shallow)), m.output, spread);
    });
  } else if (!box.is_all) {
    m.by_volume =
        interpret::importance_by_volume(s.model.net, m.output, box, spread, s.o.samples, s.seed);
  }
  m.points = std::move(points);
  return m;
}

void print(const Subject& s, const Summary& m, const Console& console) {
  const bool has_volume = !m.by_volume.value.empty();
  const auto count = std::ssize(m.values[0]);
  const size_t first = s.model.folder.card.input.rank() == 3 ? 28 : 12;  // columns
  console.result(console.bold(join_text(
      "over ", count, " test examples in ", m.by_data.regions, " regions, ",
      m.by_data.single_point_regions, " of them with one: ", name_of_output(s.model, m.output))));
  console.result(console.bold(
      padded("", first) + padded("mean |" + s.o.shap[0] + "|", 24) + padded("slope x spread", 18) +
      padded("rising", 10) + padded("falling", 10) +
      (has_volume ? "slope x spread in the box" : "")));
  const std::vector<size_t> order = by_size(m.mean_size);
  for (size_t k = 0; k < std::min(order.size(), kMostShown); ++k) {
    const size_t i = order[k];
    std::string line = padded(input_name(s.model.folder.card.input, i), first) +
                       padded(number(m.mean_size[i]), 24) + padded(number(m.by_data.value[i]), 18) +
                       padded(percent(m.by_data.rising[i]), 10) +
                       padded(percent(m.by_data.falling[i]), 10);
    if (has_volume) line += number(m.by_volume.value[i]);
    if (has_volume && !m.by_volume.low.empty()) {
      line += join_text(" [", m.by_volume.low[i], ", ", m.by_volume.high[i], "]");
    }
    console.result(line);
  }
}

Json to_json(const interpret::Importance& importance) {
  if (importance.value.empty()) return {};
  Json json = Json::object(
      {{"importance", Json::array_of(importance.value)},
       {"rising", Json::array_of(importance.rising)},
       {"falling", Json::array_of(importance.falling)},
       {"regions", importance.regions},
       {"single_point_regions", importance.single_point_regions}});
  if (!importance.low.empty()) {
    json.set("low", Json::array_of(importance.low)).set("high", Json::array_of(importance.high));
  }
  return json;
}

Json to_json(const Subject& s, const Summary& m) {
  return Json::object(
      {{"examples", std::ssize(m.values[0])},
       {"output", m.output},
       {"output_name", name_of_output(s.model, m.output)},
       {"kind", s.o.shap[0]},
       {"mean_abs_shap", Json::array_of(m.mean_size)},
       {"by_data", to_json(m.by_data)},
       {"by_volume", to_json(m.by_volume)}});
}

void write_pictures(const Subject& s, const Summary& m, const std::string& folder, Json& files) {
  const size_t n = m.values.size();
  interpret::Beeswarm swarm{
      .title = join_text(s.o.shap[0], " values of ", name_of_output(s.model, m.output)),
      .value_title = s.o.shap[0] + " value",
      .names = {},
      .values = {},
      .inputs = {}};
  interpret::BarChart bars{
      .title = "Importance of inputs", .value_title = "mean |" + s.o.shap[0] + " value|"};
  const std::vector<size_t> order = by_size(m.mean_size);
  for (size_t k = 0; k < std::min(n, kMostShown); ++k) {
    const size_t i = order[k];
    std::vector<double> inputs;
    for (size_t at = i; at < m.points.size(); at += n) inputs.push_back(m.points[at]);
    swarm.names.push_back(input_name(s.model.folder.card.input, i));
    swarm.values.push_back(m.values[i]);
    swarm.inputs.push_back(std::move(inputs));
    bars.bars.push_back(
        {.label = input_name(s.model.folder.card.input, i), .value = m.mean_size[i]});
  }
  write_svg(folder + "/beeswarm.svg", interpret::beeswarm_chart(swarm), files);
  write_svg(folder + "/importance.svg", interpret::bar_chart(bars), files);
}

Json run(const Invocation& in, const ExplainOptions& o) {
  check_kinds(o.shap);
  const ShallowModel model = open_piecewise_linear(o.shallow, in.console);
  const ModelCard& card = model.folder.card;
  const auto n = static_cast<size_t>(model.net.inputs());
  const datasets::Split data = parts_of(o.data, in.common, model.folder);
  if (data.train.size() == 0) throw UsageError("the data have no training part as background");
  const auto seed = static_cast<uint64_t>(in.common.seed);
  Subject s{
      .o = o,
      .model = model,
      .background =
          points_of(data.train, background_rows(data.train.size(), o.background, seed), card),
      .seed = seed};

  // Everything before anything is printed or written
  const std::vector<int64_t> indices = indices_from(o.indices, data.test.size());
  const std::vector<double> points = points_of(data.test, indices, card);
  const datasets::Dataset chosen = datasets::take(data.test, indices);
  const bool has_labels = card.task == Task::classify && model.net.outputs() == card.classes();
  std::vector<Explained> explained;
  for (size_t k = 0; k < indices.size(); ++k) {
    explained.push_back(explain(s, indices[k], std::span(points).subspan(k * n, n)));
    if (has_labels) {
      explained[k].label = name_of_output(model, chosen.labels.values<int64_t>()[k]);
    }
    in.console.progress("explain", static_cast<int64_t>(k + 1), std::ssize(indices));
  }
  std::unique_ptr<Summary> summary;
  if (o.summary > 0) {
    const std::vector<int64_t> first = index_range(0, std::min(o.summary, data.test.size()));
    summary = std::make_unique<Summary>(summarise(s, points_of(data.test, first, card)));
  }

  Json rows = Json::array(), files = Json::array(), maps = Json::array();
  for (const Explained& e : explained) {
    print(s, e, in.console);
    rows.push(to_json(s, e));
  }
  if (summary) print(s, *summary, in.console);
  const std::string& out = in.common.out;
  if (!out.empty()) {
    make_folder(out);
    for (const Explained& e : explained) {
      for (size_t k = 0; k < o.shap.size(); ++k) {
        const std::string path = join_text(out, "/waterfall-", e.index, "-", o.shap[k], ".svg");
        write_svg(path, waterfall(s, e, k), files);
      }
    }
    if (summary) write_pictures(s, *summary, out, files);
    const Tensor pictures = chosen.images.tensor();
    for (size_t k = 0; card.input.rank() == 3 && k < explained.size(); ++k) {
      const auto at = static_cast<int64_t>(k);
      const Tensor picture = interpret::one_of(pictures, at);
      maps.push(draw_maps(s, explained[k], picture, out));
    }
  }
  in.console.result(
      "slope and values are of standardised inputs; sum of values = prediction - base - residual; "
      "gap: what they miss of prediction - mean over the background");
  return Json::object(
      {{"model", name_of(model.folder)},
       {"input_shape", Json::array_of(model.folder.card.input.sizes())},
       {"background", std::ssize(s.background) / model.net.inputs()},
       {"values", rows},
       {"summary", summary ? to_json(s, *summary) : Json()},
       {"maps", maps},
       {"files", files}});
}

}  // namespace

Command shallow_explain_command() {
  auto options = std::make_shared<ExplainOptions>();
  return {
      .name = "shallow explain",
      .summary = "the local linear model of examples, its half-spaces, and Shapley values",
      .example = "limpid shallow explain runs/moons --indices 0,1 --shap interventional,path",
      .declare =
          [options](Arguments& a) {
            ExplainOptions& o = *options;
            declare_shallow(a, o.shallow);
            a.text("data", o.data, "data set, its test part; the run's own unless given");
            a.list("indices", o.indices, "which examples, by position");
            a.list(
                "shap", o.shap,
                "kinds of values: interventional (exact), path (integrated gradients without "
                "steps), global or region (of the local linear model)");
            a.text("target", o.target, "output to explain: predicted or a number");
            a.integer(
                "background", o.background, "training examples that stand for what is not known", 1,
                INT64_MAX);
            a.integer(
                "permutations", o.permutations,
                "sample interventional values: so many orders for each background example, at "
                "least 2; 0: exact",
                0, 1'000'000);
            a.number(
                "max-operations", o.max_operations,
                "refuse exact values that take more multiplications for one example", 1, 1e300);
            a.integer("nearest", o.nearest, "half-spaces to show", 0, 1'000'000);
            a.integer(
                "summary", o.summary,
                "importance over so many test examples, and over the box; 0: none", 0, INT64_MAX);
            a.integer(
                "samples", o.samples, "random points of a box with more than two inputs", 2,
                100'000'000);
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "shallow.json"};
}

}  // namespace limpid::tools
