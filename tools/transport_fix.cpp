// tools/transport_fix.cpp: limpid transport fix.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/optim/adam.h"
#include "framework/optim/schedule.h"
#include "framework/tensor/record.h"
#include "interpret/transport/layer_change.h"
#include "interpret/transport/layer_flags.h"
#include "interpret/transport/layer_health.h"
#include "interpret/transport/layer_transport.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/interpreting.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/transport.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

namespace limpid::tools {
namespace {

using interpret::Change;
using interpret::ChangedNetwork;
using interpret::LayerFlag;

struct FixOptions {
  ModelOptions model;
  std::string data, layer, change = "decay", statistic = "flag", start = "layer";
  int64_t seeds = 3, epochs = 3, samples = 200, batch = 64;
  double lr = 2e-3, strength = 0;  // 0: usual for the change
};

// ---- The statistic of one layer that a change is to improve ----

// Which way is better
struct Statistic {
  std::string name;
  bool is_better_larger = false;
};

const std::vector<Statistic>& statistics() {
  static const std::vector<Statistic> all = {
      {"shuffled", true},   // distance from the layer's own weights in random order
      {"collapsed", true},  // directions of its outputs
      {"dead", false},      // share of its units
      {"scaled", false},    // |log| of its weights against those of the others
      {"separation", false}, {"distance", false}, {"twist", true},
  };
  return all;
}

Statistic statistic_named(const std::string& name) {
  std::string names;
  for (const Statistic& s : statistics()) {
    if (s.name == name) return s;
    names += (names.empty() ? "" : ", ") + s.name;
  }
  throw UsageError("--statistic: " + excerpt(name) + " is none of flag, " + names);
}

struct Looked {
  std::vector<interpret::LayerHealth> health;
  interpret::NetworkTransport transport;
  std::vector<LayerFlag> flags;
  interpret::RecordedLayers recorded;
};

Looked look_at(Module& network, const Examined& seen, int64_t samples, uint64_t seed) {
  Looked looked;
  looked.recorded = interpret::record_layers(network, seen.inputs);
  for (const interpret::WeightedLayer& layer : looked.recorded.weighted) {
    const std::span<const int64_t> labels(seen.labels);
    const auto kept = std::min(labels.size(), static_cast<size_t>(layer.input.size(0)));
    looked.health.push_back(
        interpret::layer_health(layer, labels.first(kept), {.shuffles = 30, .seed = seed}));
  }
  looked.transport = interpret::network_transport(
      looked.recorded.steps, seen.labels, {.samples = samples, .repeats = 2, .seed = seed});
  looked.flags = interpret::layer_flags(looked.transport, looked.health);
  return looked;
}

double median_gain(const Looked& looked) {
  std::vector<double> gains;
  for (const auto& h : looked.health) {
    gains.push_back(h.weight_gain);
  }
  std::ranges::sort(gains);
  return gains.empty() ? double{NAN} : gains[gains.size() / 2];
}

// NaN where the layer has no such figure
double value_of(const Statistic& s, const Looked& looked, const std::string& layer) {
  const auto health = std::ranges::find(looked.health, layer, &interpret::LayerHealth::name);
  const bool has_health = health != looked.health.end();
  if (s.name == "shuffled") return has_health ? health->distance : double{NAN};
  if (s.name == "collapsed") return has_health ? health->own.directions : double{NAN};
  if (s.name == "scaled") {
    if (!has_health) return NAN;
    return std::abs(std::log(health->weight_gain / median_gain(looked)));
  }
  const std::string step = has_health ? health->step : layer;
  for (const interpret::LayerTransport& t : looked.transport.layers) {
    if (t.name != step) continue;
    if (s.name == "dead") return has_health ? std::max(health->constant, t.dead) : t.dead;
    if (s.name == "separation") return t.class_separation.median;
    if (s.name == "distance") return t.kinetic.median;
    if (s.name == "twist") return t.twist.median;
  }
  return NAN;
}

// ---- Training on ----

double accuracy_of(Module& network, const Examined& seen) {
  const Recording off(false);
  double right = 0;
  constexpr int64_t kBatch = 250;
  for (int64_t at = 0; at < seen.inputs.size(0); at += kBatch) {
    const int64_t end = std::min(seen.inputs.size(0), at + kBatch);
    Pass pass;
    const Tensor best = arg_max(network(slice(seen.inputs, 0, at, end), pass), 1);
    for (int64_t i = at; i < end; ++i) {
      right += best.data<int64_t>()[i - at] == seen.labels[static_cast<size_t>(i)] ? 1 : 0;
    }
  }
  return right / static_cast<double>(seen.inputs.size(0));
}

double strength_of(Change change, double asked) {
  if (asked > 0) return asked;
  return change == Change::decay ? 1e-3 : change == Change::penalty ? 0.1 : 0;
}

void train_on(
    Module& network, const ChangedNetwork* changed, double strength, const ModelCard& card,
    const BatchSource& source, const FixOptions& o, uint64_t seed) {
  Adam optimizer(parameters(network));
  const Schedule schedule{.learning_rate = o.lr, .steps = o.epochs * source.batches};
  TrainOptions options;
  options.epochs = o.epochs;
  options.seed = seed;
  options.loss = [&](Module& net, const Batch& batch, Pass& pass, Tensor& logits) {
    logits = net(batch.inputs, pass);
    const Tensor loss = task_loss(card, logits, batch);
    const Tensor added = changed ? changed->added_loss() : Tensor();
    return added.defined() && strength > 0 ? loss + added * strength : loss;
  };
  options.after_step = [](const Progress&) { return !interrupted(); };
  Progress progress;
  fit(network, optimizer, schedule, source, options, progress);
  check_interrupt();
}

struct Outcome {
  double statistic = NAN, accuracy = NAN;
};

struct Spread {
  double mean = 0, deviation = 0;
};
Spread spread_of(const std::vector<Outcome>& all, double Outcome::*what) {
  Spread s;
  const auto count = static_cast<double>(all.size());
  for (const Outcome& o : all) s.mean += o.*what / count;
  for (const Outcome& o : all) {
    s.deviation += (o.*what - s.mean) * (o.*what - s.mean) / std::max(1.0, count - 1);
  }
  s.deviation = std::sqrt(s.deviation);
  return s;
}

Json outcome_json(const std::vector<Outcome>& all) {
  const Spread statistic = spread_of(all, &Outcome::statistic),
               accuracy = spread_of(all, &Outcome::accuracy);
  Json runs = Json::array();
  for (const Outcome& o : all) {
    runs.push(Json::object({{"statistic", o.statistic}, {"accuracy", o.accuracy}}));
  }
  return Json::object(
      {{"statistic", statistic.mean},
       {"accuracy", accuracy.mean},
       {"statistic_std", statistic.deviation},
       {"accuracy_std", accuracy.deviation},
       {"runs", runs}});
}

// The first fault of the layer, else how well it separates the classes
Statistic chosen_statistic(const FixOptions& o, const Looked& before) {
  if (o.statistic != "flag") return statistic_named(o.statistic);
  for (const LayerFlag& flag : before.flags) {
    if (flag.layer == o.layer && flag.is_fault) return statistic_named(flag.rule);
  }
  return statistic_named("separation");
}

Json run(const Invocation& in, const FixOptions& o) {
  const Change change = as_usage([&] { return interpret::change_named(o.change); });
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const RunFolder folder = open_model(o.model, in.console);
  check_finite(folder, o.model.model);
  check_classifier(folder, "transport fix");
  as_usage([&] { find_layer(*folder.model, o.layer); });
  const datasets::Split split = parts_of(o.data, in.common, folder, 0);
  const datasets::Dataset& test = split.test.is_empty() ? split.train : split.test;
  const Examined all = examined(test, folder, test.size(), seed);
  const Examined seen = examined(test, folder, 2 * o.samples, seed);
  const double strength = strength_of(change, o.strength);

  const Looked before = as_usage([&] { return look_at(*folder.model, seen, o.samples, seed); });
  const Statistic statistic = chosen_statistic(o, before);
  const Outcome old{
      .statistic = value_of(statistic, before, o.layer),
      .accuracy = accuracy_of(*folder.model, all)};
  if (!std::isfinite(old.statistic)) {
    throw UsageError("--statistic: " + statistic.name + " is not defined for " + o.layer);
  }

  // Twice for every seed: trained on with the change, and without it
  std::vector<Outcome> with, without;
  for (int64_t s = 0; s < o.seeds; ++s) {
    for (const bool is_changed : {true, false}) {
      in.console.progress("training", 2 * s + (is_changed ? 0 : 1), 2 * o.seeds);
      RunFolder fresh = open_model(o.model, in.console);
      const auto run_seed = seed + static_cast<uint64_t>(s);
      if (o.start == "layer") interpret::start_layer_afresh(*fresh.model, o.layer, run_seed);
      if (o.start == "scratch") {
        for (const auto& [name, layer] : layers(*fresh.model)) {
          if (name.find('.') == std::string::npos) {
            interpret::start_layer_afresh(*fresh.model, name, run_seed);
          }
        }
      }
      std::unique_ptr<ChangedNetwork> changed;
      if (is_changed) {
        changed =
            as_usage([&] { return ChangedNetwork::make(*fresh.model, o.layer, change, run_seed); });
      }
      Module& network = changed ? static_cast<Module&>(*changed) : *fresh.model;
      datasets::BatchOptions batching;
      batching.batch = o.batch;
      batching.seed = run_seed;
      batching.mean = folder.card.mean;
      batching.std = folder.card.std;
      train_on(
          network, changed.get(), strength, folder.card, batches_of(split.train, batching), o,
          run_seed);
      const Looked after = look_at(network, seen, o.samples, seed);
      (is_changed ? with : without)
          .push_back(
              {.statistic = value_of(statistic, after, o.layer),
               .accuracy = accuracy_of(network, all)});
    }
  }
  in.console.stage(join_text(2 * o.seeds, " networks trained on"));

  const Spread after = spread_of(with, &Outcome::statistic),
               control = spread_of(without, &Outcome::statistic),
               accuracy = spread_of(with, &Outcome::accuracy),
               control_accuracy = spread_of(without, &Outcome::accuracy);
  const double gained =
      statistic.is_better_larger ? after.mean - old.statistic : old.statistic - after.mean;
  const double gained_over_control =
      statistic.is_better_larger ? after.mean - control.mean : control.mean - after.mean;
  const bool is_improved = gained > after.deviation;
  const bool keeps_accuracy = accuracy.mean >= old.accuracy - accuracy.deviation;
  const bool is_accepted = is_improved && keeps_accuracy;
  const bool is_due_to_change = gained_over_control > std::max(after.deviation, control.deviation);

  in.console.result(
      o.layer + ", " + statistic.name + " (" + (statistic.is_better_larger ? "larger" : "smaller") +
      " is better)");
  const auto row = [&](const std::string& what, double value, double spread, double a, double as) {
    in.console.result(
        padded(what, 26) + padded(fixed(value, 4), 10) + padded("+- " + fixed(spread, 4), 12) +
        "accuracy " + percent(a) + " +- " + fixed(100 * as, 1));
  };
  row("before", old.statistic, 0, old.accuracy, 0);
  row("trained on with " + o.change, after.mean, after.deviation, accuracy.mean,
      accuracy.deviation);
  row("trained on without it", control.mean, control.deviation, control_accuracy.mean,
      control_accuracy.deviation);
  in.console.result(
      is_accepted
          ? std::string("accepted: better beyond the spread of the seeds, accuracy kept") +
                (is_due_to_change ? "" : "; training on alone does as well")
          : std::string("not accepted: ") +
                (is_improved ? "accuracy falls" : "no better beyond the spread of the seeds"));
  return Json::object(
      {{"model", name_of(folder)},
       {"data", seen.data},
       {"layer", o.layer},
       {"change", o.change},
       {"strength", strength},
       {"start", o.start},
       {"epochs", o.epochs},
       {"seeds", o.seeds},
       {"statistic", statistic.name},
       {"better", statistic.is_better_larger ? "larger" : "smaller"},
       {"before", Json::object({{"statistic", old.statistic}, {"accuracy", old.accuracy}})},
       {"after", outcome_json(with)},
       {"control", outcome_json(without)},
       {"seed_std", after.deviation},
       {"accepted", is_accepted},
       {"due_to_change", is_due_to_change}});
}

void declare(Arguments& a, FixOptions& o) {
  declare_model(a, o.model);
  a.text("data", o.data, "data set; the run's own unless given");
  a.text("layer", o.layer, "the layer to change");
  a.text(
      "change", o.change, "what is done to it",
      {"penalty", "decay", "skip", "norm", "width", "remove"});
  a.text(
      "statistic", o.statistic,
      "what is to improve: flag (the layer's first fault, else separation), shuffled, collapsed, "
      "dead, scaled, separation, distance, twist");
  a.text(
      "start", o.start, "weights at the start: of the model, fresh ones in this layer, all fresh",
      {"model", "layer", "scratch"});
  a.number("strength", o.strength, "lambda of penalty or decay; 0: 0.1 and 0.001", 0, 1e6);
  a.integer("seeds", o.seeds, "trainings with the change, and as many without", 1, 100);
  a.integer("epochs", o.epochs, "passes over the training part", 1, 1000);
  a.integer("batch", o.batch, "examples per step", 1, 65'536);
  a.number("lr", o.lr, "largest learning rate of Adam, falling along a cosine", 1e-9, 10);
  a.integer("samples", o.samples, "examples per cloud", 8, 2000);
}

}  // namespace

Command transport_fix_command() {
  auto options = std::make_shared<FixOptions>();
  return {
      .name = "transport fix",
      .summary = "change one layer, train on, and see whether its fault is gone",
      .example = "limpid transport fix runs/fashion --data fashion-2k --layer fc1 --change decay",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run =
          [options](const Invocation& in) {
            in.arguments.require("layer");
            return run(in, *options);
          },
      .result_file = "fix.json"};
}

}  // namespace limpid::tools
