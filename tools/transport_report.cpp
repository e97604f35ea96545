// tools/transport_report.cpp: limpid transport report.
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/npy.h"
#include "framework/ops/linear_maps.h"
#include "interpret/report/plot.h"
#include "interpret/transport/euler_steps.h"
#include "interpret/transport/layer_flags.h"
#include "interpret/transport/layer_health.h"
#include "interpret/transport/layer_transport.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/interpreting.h"
#include "tools/layer_pictures.h"
#include "tools/measuring.h"
#include "tools/model.h"
#include "tools/transport.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

using interpret::LayerFlag;
using interpret::LayerHealth;
using interpret::LayerTransport;
using interpret::NetworkTransport;
using interpret::RecordedLayers;

struct ReportOptions {
  ModelOptions model;
  std::string data, before;
  interpret::LayerTransportOptions transport;
  interpret::HealthOptions health;
  bool saves_features = false;
};

Json to_json(const interpret::Summary& s) {
  return Json::object({{"median", s.median}, {"low", s.low}, {"high", s.high}});
}

std::string flags_of(
    const std::string& step, const RecordedLayers& recorded, const std::vector<LayerFlag>& flags) {
  const auto belongs = [&](const LayerFlag& flag) {
    if (flag.layer == step) return true;
    return std::ranges::any_of(recorded.weighted, [&](const interpret::WeightedLayer& w) {
      return w.name == flag.layer && w.step == step;
    });
  };
  std::string all;
  for (const LayerFlag& flag : flags) {
    if (belongs(flag)) all += (all.empty() ? "" : ", ") + flag.rule;
  }
  return all;
}

Json layer_json(const LayerTransport& t, const std::string& flag) {
  return Json::object(
      {{"name", t.name},
       {"type", t.type},
       {"dim", t.dim},
       {"pooling", t.pooling},
       {"alignment", t.alignment.empty() ? Json() : Json(t.alignment)},
       {"w2_previous", t.w2_previous.median},
       {"w2_previous_range", to_json(t.w2_previous)},
       {"w2_input", t.w2_input.median},
       {"floor", t.floor.median},
       {"distinguishable", t.w2_previous.median >= 2 * t.floor.median},
       {"share", t.share},
       {"sliced", t.sliced},
       {"bures", t.bures},
       {"kinetic", t.kinetic.median},
       {"twist", t.twist.median},
       {"straightness", t.straightness.median},
       {"gromov", t.gromov},
       {"gromov_pairs", t.gromov_pairs},
       {"cka_previous", t.cka_previous},
       {"rotation_residual", t.residual},
       {"sigma", t.sigma},
       {"entropy", t.entropy},
       {"entropy_bound", t.entropy_bound},
       {"directions", t.directions},
       {"rank", t.rank},
       {"class_separation", t.class_separation.median},
       {"class_separation_range", to_json(t.class_separation)},
       {"variance_between_classes", t.separation},
       {"class_distance", t.class_distance},
       {"dead", t.dead},
       {"duplicates", t.duplicates},
       {"flag", flag.empty() ? Json() : Json(flag)}});
}

Json health_json(const LayerHealth& h) {
  return Json::object(
      {{"name", h.name},
       {"step", h.step},
       {"units", h.units},
       {"fan_in", h.fan_in},
       {"constant", h.constant},
       {"distance", h.distance},
       {"z_spread", Json::array().push(h.z.spread[0]).push(h.z.spread[1]).push(h.z.spread[2])},
       {"z_directions", h.z.directions},
       {"z_separation", h.z.separation},
       {"directions", h.own.directions},
       {"variance_between_classes", h.own.separation},
       {"weight_gain", h.weight_gain}});
}

Json flag_json(const LayerFlag& f) {
  return Json::object(
      {{"layer", f.layer},
       {"rule", f.rule},
       {"kind", f.is_fault ? "fault" : "remark"},
       {"value", f.value},
       {"threshold", f.threshold},
       {"text", f.text},
       {"advice", f.advice}});
}

void print_layers(Console& console, const NetworkTransport& all) {
  console.result(console.bold(
      padded("layer", 18) + padded("numbers", 9) + padded("W2 before", 11) + padded("floor", 8) +
      padded("share", 9) + padded("twist", 8) + padded("classes D", 11) + padded("entropy", 9) +
      padded("dead", 8) + "axes"));
  for (const LayerTransport& t : all.layers) {
    const bool is_input = t.alignment.empty();
    const auto number = [](double v, int digits) {
      return std::isfinite(v) ? fixed(v, digits) : std::string("-");
    };
    console.result(
        padded(t.name, 18) + padded(join_text(t.dim), 9) +
        padded(is_input ? "-" : fixed(t.w2_previous.median, 3), 11) +
        padded(number(t.floor.median, 3), 8) + padded(is_input ? "-" : percent(t.share), 9) +
        padded(is_input ? "-" : fixed(t.twist.median, 3), 8) +
        padded(number(t.class_separation.median, 2), 11) + padded(number(t.entropy, 2), 9) +
        padded(percent(t.dead), 8) + (is_input ? "" : t.alignment));
  }
}

void print_flags(Console& console, const std::vector<LayerFlag>& flags, bool were_looked_for) {
  const auto faults = std::ranges::count_if(flags, &LayerFlag::is_fault);
  if (faults == 0) {
    console.result(were_looked_for ? "no layer is out of order" : "faults were not looked for");
  }
  for (const LayerFlag& f : flags) {
    console.result((f.is_fault ? console.bold("fault: ") : "remark: ") + f.text + "; " + f.advice);
  }
}

interpret::BarChart bars(
    const NetworkTransport& all, const std::string& title, const std::string& what,
    interpret::Summary LayerTransport::*value, bool has_input) {
  interpret::BarChart chart{.title = title, .value_title = what};
  for (const LayerTransport& t : all.layers) {
    if (t.alignment.empty() && !has_input) continue;
    const interpret::Summary& s = t.*value;
    chart.bars.push_back({.label = t.name, .value = s.median, .low = s.low, .high = s.high});
  }
  return chart;
}

Json save_pictures(
    const std::string& folder, const Examined& seen, const RecordedLayers& recorded,
    const NetworkTransport& all, const ReportOptions& o) {
  Json pictures = Json::array();
  const auto save = [&](const std::string& name, const std::string& caption,
                        const std::string& svg) {
    const std::string path = folder + "/" + name;
    write_file_atomic(path, std::as_bytes(std::span(svg)));
    pictures.push(Json::object({{"file", path}, {"caption", caption}}));
  };
  save(
      "distance.svg", "Distance that each layer moves the data, W2 of normalised features",
      interpret::bar_chart(bars(
          all, "Distance by layer", "W2 from the layer before", &LayerTransport::w2_previous,
          false)));
  if (!seen.labels.empty()) {
    save(
        "separation.svg", "D = tr(S_w S_b^+): small where classes are narrow and far apart",
        interpret::bar_chart(
            bars(all, "Class separation by layer", "D", &LayerTransport::class_separation, true)));
  }
  save(
      "trajectories.svg", "Where the layers carry some examples, in the plane that shows most",
      trajectory_picture(recorded.steps, seen.labels, seen.part.class_names));
  if (!o.saves_features) return pictures;
  make_folder(folder + "/features");
  for (const interpret::LayerFeatures& f : recorded.steps) {
    const std::string base = folder + "/features/" + f.name;
    save_npy(base + ".npy", f.values);
    const std::string svg = cloud_picture(f, seen.labels, seen.part.class_names);
    write_file_atomic(base + ".svg", std::as_bytes(std::span(svg)));
    Json entry = Json::object({{"file", base + ".svg"}, {"caption", "Examples after " + f.name}});
    if (save_map_picture(base + ".png", f)) entry.set("maps", base + ".png");
    pictures.push(entry.set("npy", base + ".npy"));
  }
  return pictures;
}

Json euler_json(const std::vector<interpret::EulerStep>& steps) {
  Json array = Json::array();
  for (const interpret::EulerStep& s : steps) {
    array.push(Json::object(
        {{"name", s.name}, {"size", s.size}, {"doubling", s.doubling}, {"turn", s.turn}}));
  }
  return array;
}

// How far each layer has moved since an earlier run of the network
Json movement_json(
    const std::string& run, const RunFolder& folder, const Examined& seen,
    const RecordedLayers& recorded) {
  const RunFolder before = open_run(run);
  if (!(before.card.input == folder.card.input)) {
    throw UsageError(join_text(
        "--before: ", run, " takes ", to_string(before.card.input), ", the model ",
        to_string(folder.card.input)));
  }
  const std::vector<double> moved = as_usage([&] {
    const RecordedLayers other =
        interpret::record_layers(*before.model, seen.inputs, {.examples_for_weights = 0});
    return interpret::movement_between(other.steps, recorded.steps);
  });
  Json array = Json::array();
  for (size_t l = 0; l < moved.size(); ++l) {
    array.push(Json::object({{"name", recorded.steps[l].name}, {"moved", moved[l]}}));
  }
  return array;
}

Json run(const Invocation& in, const ReportOptions& o) {
  if (o.saves_features && in.common.out.empty()) {
    throw UsageError("--save-features: needs --out DIR");
  }
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const RunFolder folder = open_model(o.model, in.console);
  check_finite(folder, o.model.model);
  const Examined seen = examined(o.data, in.common, folder, 2 * o.transport.samples, in.console);
  const RecordedLayers recorded =
      as_usage([&] { return interpret::record_layers(*folder.model, seen.inputs); });

  const Json movement = o.before.empty() ? Json() : movement_json(o.before, folder, seen, recorded);

  std::vector<LayerHealth> health;
  interpret::HealthOptions health_options = o.health;
  health_options.seed = seed;
  for (const interpret::WeightedLayer& layer : recorded.weighted) {
    if (health_options.shuffles < 2) break;
    in.console.progress("layers", std::ssize(health), std::ssize(recorded.weighted));
    check_interrupt();
    const auto kept = static_cast<size_t>(layer.input.size(0));
    const std::span<const int64_t> labels(seen.labels);
    health.push_back(interpret::layer_health(
        layer, labels.first(std::min(kept, labels.size())), health_options));
  }
  interpret::LayerTransportOptions transport = o.transport;
  transport.seed = seed;
  const NetworkTransport all = as_usage(
      [&] { return interpret::network_transport(recorded.steps, seen.labels, transport); });
  const std::vector<LayerFlag> flags = interpret::layer_flags(all, health);
  const std::vector<interpret::EulerStep> euler = interpret::euler_steps(recorded.steps);
  const std::vector<std::string> advice = interpret::euler_advice(euler);
  in.console.stage(join_text(std::ssize(recorded.steps) - 1, " steps compared"));

  print_layers(in.console, all);
  in.console.result(
      "of normalised features: W2 before: distance from the layer before; floor: that of two "
      "samples "
      "of one layer;");
  in.console.result(
      "share: of the way; twist: 1 where no example is moved past another; classes D: small where "
      "classes are narrow and far apart;");
  in.console.result(
      "entropy: nats; dead: units that never change; axes: same axes, or rotated onto the layer "
      "before as well as possible");
  print_flags(in.console, flags, !health.empty());
  for (const std::string& line : advice) in.console.result("depth: " + line);
  for (const std::string& note : all.notes) in.console.note("note: " + note);
  if (all.samples < o.transport.samples) {
    in.console.note(join_text(
        "note: ", seen.inputs.size(0), " examples are there: clouds of ", all.samples, ", not of ",
        o.transport.samples));
  }

  Json layers = Json::array(), healths = Json::array(), flag_list = Json::array(),
       advice_list = Json::array(), notes = Json::array();
  for (const LayerTransport& t : all.layers) {
    layers.push(layer_json(t, flags_of(t.name, recorded, flags)));
  }
  for (const LayerHealth& h : health) healths.push(health_json(h));
  for (const LayerFlag& f : flags) flag_list.push(flag_json(f));
  for (const std::string& line : advice) advice_list.push(line);
  for (const std::string& note : all.notes) notes.push(note);
  const interpret::TransportPath& path = all.path;
  Json result = Json::object(
      {{"model", name_of(folder)},
       {"data", seen.data},
       {"samples", all.samples},
       {"repeats", all.repeats},
       {"reduction",
        "none: all values of a layer, in their own principal axes; maps above 16,384 "
        "numbers are averaged over squares of pixels (pooling)"},
       {"layers", layers},
       {"weights", healths},
       {"flags", flag_list},
       {"path", Json::object(
                    {{"length", path.length},
                     {"w2", path.w2},
                     {"geodesicity", path.geodesicity},
                     {"straightness", path.straightness},
                     {"action", path.action},
                     {"efficiency", path.efficiency},
                     {"alignment", "each cloud rotated onto the one before it"}})},
       {"euler", euler_json(euler)},
       {"depth_advice", advice_list},
       {"notes", notes}});
  if (!o.before.empty()) result.set("movement", movement);
  if (const std::string& out = in.common.out; !out.empty()) {
    make_folder(out);
    result.set("pictures", save_pictures(out, seen, recorded, all, o));
  }
  return result;
}

void declare(Arguments& a, ReportOptions& o) {
  declare_model(a, o.model);
  a.text("data", o.data, "data set; the run's own unless given");
  a.integer("samples", o.transport.samples, "examples per cloud", 4, 2000);
  a.integer("repeats", o.transport.repeats, "random subsamples", 1, 100);
  a.integer("slices", o.transport.slices, "directions of the sliced distance", 1, 10'000);
  a.integer(
      "shuffles", o.health.shuffles,
      "of each layer's weights, for its null band; below 2: faults are not looked for", 0, 1000);
  a.text(
      "before", o.before, "run of the same network, earlier: how far has each layer moved since?");
  a.flag("save-features", o.saves_features, "write features/LAYER.npy and pictures of each layer");
}

}  // namespace

Command transport_report_command() {
  auto options = std::make_shared<ReportOptions>();
  return {
      .name = "transport report",
      .summary = "how far each layer moves the data, and which layer is out of order",
      .example = "limpid transport report runs/fashion --data fashion-2k --out transport",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "transport.json",
      .if_rank_dies = kNoResult};
}

}  // namespace limpid::tools
