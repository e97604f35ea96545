// tools/shallow_convert.cpp: limpid shallow convert.
#include "framework/io/files.h"
#include "framework/ops/linear_maps.h"
#include "interpret/shallow/facets.h"
#include "interpret/shallow/fine_tune.h"
#include "interpret/shallow/shallow_network.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/shallow.h"
#include "tools/stopwatch.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

namespace limpid::tools {
namespace {

using interpret::Boundary;

struct ConvertOptions {
  ShallowOptions shallow;
  std::string form = "exact";
  bool merge = false;
  int64_t check = 2000;
  double large = 1e6;
  bool fine_tune = false;
  std::string data;
  interpret::FineTuneOptions tuning;
  std::string adjacency;
};

// The points to check and what the deep network gives there
struct Checked {
  interpret::CheckPoints points;
  std::vector<double> expected;
};

// As many points as about two seconds allow: each asks every region
Checked points_to_check(
    const ShallowModel& model, const interpret::RegionTree& tree,
    const interpret::ShallowNetwork& network, int64_t wanted, uint64_t seed, double distance = 0) {
  constexpr double kProducts = 1e9;
  double weights = 0;
  for (const interpret::ExtendedLayer& layer : network.layers) {
    weights += static_cast<double>(layer.value.size());
  }
  const auto most = static_cast<int64_t>(kProducts / weights / 2);
  const int64_t count = std::clamp<int64_t>(most, std::min<int64_t>(wanted, 50), wanted);
  Checked c;
  c.points = interpret::check_points(tree, count, count, seed, distance);
  c.expected = deep_values(model, c.points.x);
  return c;
}

Json widths_json(const interpret::ShallowNetwork& network) {
  Json widths = Json::array();
  for (const int64_t width : network.widths()) widths.push(width);
  return widths;
}

std::string widths_text(const interpret::ShallowNetwork& network) {
  const auto w = network.widths();
  return join_text(w[0], "-", w[1], "-", w[2]);
}

// What a form gives on the same points. Without infinite weights no gate is ever shut for good.
Json report_form(
    const std::string& name, const interpret::ShallowNetwork& network, const Checked& checked,
    bool has_gates, const Console& console) {
  const auto check = interpret::check(network, checked.points.x, checked.expected);
  console.result(join_text(
      padded(name, 24), padded(widths_text(network), 24),
      padded(join_text(check.max_abs_error), 16),
      padded(join_text(check.wrong, " of ", check.points), 18),
      padded(has_gates ? std::to_string(check.unclaimed) : "-", 12),
      has_gates ? std::to_string(check.multiply_claimed) : "-"));
  Json counted = Json::object(
      {{"points", check.points},
       {"boundary_points", checked.points.boundary_points},
       {"max_abs_error", check.max_abs_error},
       {"wrong", check.wrong}});
  if (has_gates) {
    counted.set("unclaimed", check.unclaimed).set("multiply_claimed", check.multiply_claimed);
  }
  return Json::object(
      {{"widths", widths_json(network)}, {"conditions", network.conditions}, {"check", counted}});
}

Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json list_of(std::span<const double> values) {
  Json list = Json::array();
  for (const double v : values) list.push(v);
  return list;
}

// Up to each stage: its units, the regions that the stages so far have, and the most that they
// could have, known for plain multilayer networks. A truncated tree has only some of the regions.
Json layers_json(const interpret::PiecewiseLinear& net, const interpret::RegionTree& tree) {
  Json layers = Json::array();
  std::vector<int64_t> widths;
  int64_t units = 0;
  bool is_plain = true;
  for (const interpret::AffineStage& stage : net.hidden()) {
    is_plain = is_plain && stage.blocks.size() == 1 &&
               stage.blocks[0].source == static_cast<int64_t>(widths.size());
    widths.push_back(stage.rows);
    units += stage.rows;
    std::set<interpret::Pattern> prefixes;
    for (int64_t j = 0; j < tree.size(); ++j) {
      prefixes.emplace(tree.pattern(j), tree.pattern(j) + units);
    }
    layers.push(Json::object(
        {{"units", stage.rows},
         {"regions", std::ssize(prefixes)},
         {"bound", is_plain ? or_null(interpret::region_bound(net.inputs(), widths)) : Json()}}));
  }
  return layers;
}

// ---- Regions that touch ----

Json adjacency_json(const interpret::RegionTree& tree, uint64_t seed) {
  constexpr int64_t kSamples = 100'000;
  const auto n = static_cast<size_t>(tree.inputs), q = static_cast<size_t>(tree.outputs);
  const interpret::Volumes volumes = interpret::region_volumes(tree, kSamples, seed);
  Json regions = Json::array(), found = Json::array();
  for (int64_t j = 0; j < tree.size(); ++j) {
    const auto k = static_cast<size_t>(j);
    std::string pattern;
    for (int64_t i = 0; i < tree.units; ++i) pattern += tree.pattern(j)[i] != 0 ? '1' : '0';
    Json region = Json::object(
        {{"pattern", pattern}, {"point", list_of(tree.centre(j))}, {"volume", volumes.value[k]}});
    if (!volumes.low.empty()) region.set("low", volumes.low[k]).set("high", volumes.high[k]);
    Json slopes = Json::array();
    for (size_t o = 0; o < q; ++o) {
      slopes.push(list_of(std::span(tree.weights).subspan((k * q + o) * n, n)));
    }
    region.set("slopes", slopes)
        .set("constants", list_of(std::span(tree.biases).subspan(k * q, q)));
    regions.push(region);
  }
  for (const interpret::Facet& f : interpret::facets(tree)) {
    found.push(Json::object(
        {{"off", f.off},
         {"on", f.on},
         {"unit", tree.cuts[static_cast<size_t>(f.cut)].unit},
         {"jump", f.jump},
         {"slope_change", f.slope}}));
  }
  return Json::object(
      {{"inputs", tree.inputs},
       {"box", to_json(tree.domain)},
       {"truncated", tree.truncated},
       {"exact_volumes", volumes.low.empty()},
       {"regions", regions},
       {"facets", found}});
}

// ---- Fine-tuning ----

struct Labelled {
  std::vector<double> points;
  std::vector<int64_t> labels;
};
Labelled labelled(const datasets::Dataset& part, const ModelCard& card) {
  std::vector<int64_t> all(static_cast<size_t>(part.size()));
  std::iota(all.begin(), all.end(), int64_t{0});
  const int64_t* labels = part.labels.data<int64_t>();
  return {
      .points = standardised(datasets::take(part, all).images.tensor(), card).to_vector(),
      .labels = {labels, labels + part.size()}};
}

// Largest jump, and the share of facets with one over 1e-9; none for R^n
struct Jumps {
  double largest = NAN, share = NAN;
};
Jumps jumps_of(const interpret::RegionTree& tree) {
  if (tree.domain.is_all) return {};
  Jumps jumps{.largest = 0, .share = 0};
  const std::vector<interpret::Facet> found = interpret::facets(tree);
  for (const interpret::Facet& f : found) {
    jumps.largest = std::max(jumps.largest, f.jump);
    jumps.share += (f.jump > 1e-9 ? 1.0 : 0.0) / static_cast<double>(found.size());
  }
  return jumps;
}

Json fine_tune(
    const datasets::Split& data, const ModelCard& card, const ConvertOptions& o,
    interpret::RegionTree& tree, const Console& console) {
  const Labelled train = labelled(data.train, card), test = labelled(data.test, card);
  const interpret::RegionTree before = tree;
  tree =
      as_usage([&] { return interpret::fine_tune(before, train.points, train.labels, o.tuning); });
  Json result = Json::object({{"pull", o.tuning.pull}, {"steps", o.tuning.steps}});
  for (const auto& [name, part] : {std::pair("train", &train), std::pair("test", &test)}) {
    const interpret::TreeScore old = interpret::score(before, part->points, part->labels);
    const interpret::TreeScore now = interpret::score(tree, part->points, part->labels);
    console.result(join_text(
        "fine-tuned, ", name, ": accuracy ", percent(old.accuracy), " to ", percent(now.accuracy),
        ", loss ", fixed(old.loss, 4), " to ", fixed(now.loss, 4)));
    result.set(
        name, Json::object(
                  {{"examples", std::ssize(part->labels)},
                   {"uncovered", now.uncovered},
                   {"accuracy_before", old.accuracy},
                   {"accuracy", now.accuracy},
                   {"loss_before", old.loss},
                   {"loss", now.loss}}));
  }
  const Jumps old = jumps_of(before), now = jumps_of(tree);
  if (std::isfinite(now.largest)) {
    console.result(join_text(
        "fine-tuned, largest jump at a facet: ", old.largest, " to ", now.largest, "; ",
        percent(now.share), " of the facets jump"));
  }
  return result.set("jump_before", or_null(old.largest))
      .set("jump", or_null(now.largest))
      .set("share_of_facets", or_null(now.share));
}

datasets::Split tuning_data(
    const Invocation& in, const ConvertOptions& o, const ShallowModel& model) {
  if (!o.fine_tune) return {};
  if (model.folder.card.task != Task::classify || model.net.outputs() < 2) {
    throw UsageError("--fine-tune needs a network that decides between classes");
  }
  datasets::Split data = parts_of(o.data, in.common, model.folder);
  if (data.train.size() == 0) throw UsageError("the data have no training part to tune on");
  return data;
}

Json run(const Invocation& in, const ConvertOptions& o) {
  in.arguments.require("out");
  const ShallowModel model = open_piecewise_linear(o.shallow, in.console);
  const interpret::Domain domain = domain_from(o.shallow.box, model.net.inputs());
  if (domain.is_all && !o.adjacency.empty()) throw UsageError("--adjacency needs a --box LO,HI");
  const datasets::Split data = tuning_data(in, o, model);
  const Stopwatch watch;
  interpret::RegionTree tree = as_usage(
      [&] { return interpret::enumerate_regions(model.net, domain, region_options(o.shallow)); });
  const double seconds = watch.seconds();
  if (interrupted()) return Json::object();
  if (tree.size() == 0) throw UsageError("--time-limit: no region was found in that time");
  const int64_t regions = tree.size();
  if (o.merge) tree = interpret::merge_equal(tree);

  const bool is_exact = o.form == "exact";
  const interpret::ShallowNetwork exact =
      as_usage([&] { return interpret::assemble(tree, Boundary::half_open); });
  const interpret::ShallowNetwork paper =
      as_usage([&] { return interpret::assemble(tree, Boundary::closed); });
  const interpret::ShallowNetwork& chosen = is_exact ? exact : paper;
  in.console.result(join_text(
      name_of(model.folder), ": ", regions, tree.truncated ? " regions so far" : " regions", ", ",
      tree.cuts.size(), " cuts, ", tree.counts.walks, " linear programs, ", tree.borderline,
      " borderline at margin ", tree.margin));
  if (o.merge) in.console.result(join_text(tree.size(), " regions after merging equal ones"));
  in.console.note(join_text(
      "regions in ", fixed(seconds, 3), " s, ", fixed(static_cast<double>(regions) / seconds, 0),
      " per second"));
  if (tree.truncated) {
    in.console.note("truncated: points of the rest of the domain are claimed by no region");
  }
  const Checked checked =
      points_to_check(model, tree, chosen, o.check, static_cast<uint64_t>(in.common.seed));
  in.console.result(in.console.bold(
      padded("form", 24) + padded("widths", 24) + padded("largest error", 16) +
      padded("wrong", 18) + padded("unclaimed", 12) + "multiply claimed"));
  const Json exact_json = report_form("exact", exact, checked, true, in.console);
  const Json paper_json = report_form("paper, closed faces", paper, checked, true, in.console);
  const interpret::ShallowNetwork finite = interpret::with_finite_weights(exact, o.large);
  const Checked leaks = points_to_check(
      model, tree, finite, o.check, static_cast<uint64_t>(in.common.seed), 0.5 / o.large);
  const Json finite_json =
      report_form(join_text("exact, inf = ", o.large), finite, leaks, false, in.console);
  in.console.result(join_text(
      "half of the points lie on cuts, as near as double precision gets (finite form: ",
      0.5 / o.large, " beyond them); wrong: more than 1e-9 off"));

  Json tuned;
  if (o.fine_tune) {
    tuned = fine_tune(data, model.folder.card, o, tree, in.console);
    interpret::save_shallow(
        in.common.out,
        interpret::assemble(tree, is_exact ? Boundary::half_open : Boundary::closed));
  } else {
    interpret::save_shallow(in.common.out, chosen);
  }
  if (!o.adjacency.empty()) {
    const Json graph = adjacency_json(tree, static_cast<uint64_t>(in.common.seed));
    write_file_atomic(o.adjacency, as_bytes(to_text(graph) + "\n"));
    in.console.result(
        join_text(graph.at("facets").items().size(), " facets between regions: ", o.adjacency));
  }

  const Json layers = layers_json(model.net, tree);
  const Json::Items& by_layer = layers.items();
  return Json::object(
      {{"model", name_of(model.folder)},
       {"form", o.form},
       {"box", to_json(domain)},
       {"inputs", model.net.inputs()},
       {"units", model.net.units()},
       {"outputs", model.net.outputs()},
       {"regions", regions},
       {"merged_regions", tree.size()},
       {"region_bound", by_layer.empty() ? Json() : by_layer.back().at("bound")},
       {"layers", layers},
       {"halfspaces", interpret::half_spaces(tree)},
       {"conditions", chosen.conditions},
       {"widths", widths_json(chosen)},
       {"truncated", tree.truncated},
       {"lp_solves", tree.counts.walks},
       {"lp_pivots", tree.counts.pivots},
       {"lp_failures", tree.counts.failures},
       {"borderline", tree.borderline},
       {"margin", tree.margin},
       {"regions_per_second", static_cast<double>(regions) / seconds},
       {"check", (is_exact ? exact_json : paper_json).at("check")},
       {"forms", Json::object(
                     {{"exact", exact_json},
                      {"paper", paper_json},
                      {"finite", Json(finite_json).set("large", o.large)}})},
       {"fine_tune", tuned},
       {"adjacency", o.adjacency.empty() ? Json() : Json(o.adjacency)},
       {"out", in.common.out}});
}

}  // namespace

Command shallow_convert_command() {
  auto options = std::make_shared<ConvertOptions>();
  return {
      .name = "shallow convert",
      .summary = "a network with three hidden layers equal to a deep ReLU network",
      .example = "limpid shallow convert runs/moons --box -5,5 --out shallow.safetensors",
      .declare =
          [options](Arguments& a) {
            declare_shallow(a, options->shallow);
            a.text(
                "form", options->form, "what is written: equal everywhere, or the paper's",
                {"exact", "paper"});
            a.flag("merge", options->merge, "take back cuts between regions with equal maps");
            a.integer(
                "check", options->check,
                "points inside and as many on cuts, fewer if regions are many", 1, 10'000'000);
            a.number("large", options->large, "stands for infinity in the finite form", 1, 1e300);
            a.flag(
                "fine-tune", options->fine_tune,
                "train the linear models on the training data, regions fixed, and write that");
            a.text(
                "data", options->data, "data set, its training part; the run's own unless given");
            a.number(
                "pull", options->tuning.pull, "how much tuned models stay with the deep network's",
                1e-12, 1e12);
            a.integer("steps", options->tuning.steps, "steps of tuning", 1, 1'000'000);
            a.text(
                "adjacency", options->adjacency,
                "write the regions with their volumes and the facets between them, as JSON");
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .if_rank_dies = kNoResult};
}

}  // namespace limpid::tools
