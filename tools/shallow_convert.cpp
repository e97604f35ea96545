// tools/shallow_convert.cpp: limpid shallow convert.
#include "interpret/shallow/shallow_network.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/shallow.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

using interpret::Boundary;

struct ConvertOptions {
  ShallowOptions shallow;
  std::string form = "exact";
  bool merge = false;
  int64_t check = 2000;
  double large = 1e6;
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

double bound_of(const interpret::PiecewiseLinear& net) {
  std::vector<int64_t> widths;
  for (const interpret::AffineStage& stage : net.hidden()) {
    const bool is_plain =
        stage.blocks.size() == 1 && stage.blocks[0].source == static_cast<int64_t>(widths.size());
    if (!is_plain) return NAN;  // the bound is for plain multilayer networks
    widths.push_back(stage.rows);
  }
  return interpret::region_bound(net.inputs(), widths);
}

Json run(const Invocation& in, const ConvertOptions& o) {
  in.arguments.require("out");
  const ShallowModel model = open_piecewise_linear(o.shallow, in.console);
  const interpret::Domain domain = domain_from(o.shallow.box, model.net.inputs());
  const auto start = std::chrono::steady_clock::now();
  interpret::RegionTree tree = as_usage(
      [&] { return interpret::enumerate_regions(model.net, domain, region_options(o.shallow)); });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
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
  interpret::save_shallow(in.common.out, chosen);

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

  const double bound = bound_of(model.net);
  return Json::object(
      {{"model", name_of(model.folder)},
       {"form", o.form},
       {"box", to_json(domain)},
       {"inputs", model.net.inputs()},
       {"units", model.net.units()},
       {"outputs", model.net.outputs()},
       {"regions", regions},
       {"merged_regions", tree.size()},
       {"region_bound", std::isfinite(bound) ? Json(bound) : Json()},
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
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
