// tools/coreset_interpret.cpp: limpid coreset interpret.
#include "framework/core/error.h"
#include "framework/tensor/integers.h"
#include "tools/ablating.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/coreset_pictures.h"
#include "tools/interpreting.h"
#include "tools/measuring.h"
#include "tools/stopwatch.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

namespace limpid::tools {
namespace {

using interpret::Interpretation;
using interpret::SampleList;
using interpret::Similarity;

struct ProtocolOptions {
  InterpretingOptions interpreting;
  std::vector<std::string> methods = {"random", "moderate", "dgpruning"};
  std::vector<double> fractions = {0.05, 0.1, 0.2, 0.3, 0.4, 0.5};
  int64_t seeds = 5;
  bool has_ablation = false;
};

// What a method needs to know, and the seconds it took.
struct Prepared {
  interpret::SelectorInfo info;
  interpret::Samples samples = {};
  double seconds = 0;
};

struct Row {
  std::string method;
  double fraction = 0;
  int64_t count = 0;     // samples
  double effective = 0;  // of equal weight, mean over runs
  int64_t runs = 0;
  Similarity values = {};          // of all runs together
  std::vector<double> drops = {};  // likewise, if asked for
  double active = 0;               // units or concepts, mean over classes and runs
  double seconds_features = 0, seconds_select = 0, seconds_activations = 0, seconds_fit = 0;
};

void append(Similarity& all, const Similarity& more) {
  for (const auto& [name, values] : more) {
    all[name].insert(all[name].end(), values.begin(), values.end());
  }
}

double mean_count(const std::vector<int64_t>& counts) {
  const double sum = std::accumulate(counts.begin(), counts.end(), 0.0);
  return sum / static_cast<double>(std::max<size_t>(1, counts.size()));
}

// The network on all data, and how alike two interpretations are at best and by chance.
struct Reference {
  std::vector<int64_t> all;
  Interpretation full;
  std::vector<std::pair<int64_t, double>> seconds_of;  // activations of so many samples
  double seconds_fit = 0;
  Similarity floor, null;

  // As measured when so many samples had been seen, or in proportion to the next larger count.
  double seconds_activations(int64_t count) const {
    const auto at = std::ranges::lower_bound(
        seconds_of, count, std::less{}, &std::pair<int64_t, double>::first);
    return at->second * static_cast<double>(count) / static_cast<double>(at->first);
  }
  double seconds_activations() const { return seconds_of.back().second; }
};

// Lets the network see all samples, class by class alike, and notes the time on the way.
void see_all(
    interpret::Interpreter& interpreter, const Tensor& labels, std::vector<double> fractions,
    Reference& r) {
  fractions.push_back(0.95);
  fractions.push_back(1);
  std::ranges::sort(fractions);
  const interpret::Samples samples{.labels = labels};
  interpreter.see({});  // what comparisons need is no part of the cost
  const Stopwatch seeing;
  for (const double fraction : fractions) {
    const auto some = interpret::select_coreset("random", samples, {.fraction = fraction}).indices;
    interpreter.see(some);
    r.seconds_of.emplace_back(std::ssize(some), seeing.seconds());
  }
}

Reference reference_of(
    interpret::Interpreter& interpreter, const Tensor& labels, const ProtocolOptions& o,
    uint64_t seed, Console& console) {
  Reference r;
  r.all = index_range(0, labels.numel());
  see_all(interpreter, labels, o.fractions, r);
  const Stopwatch fitting;
  r.full = interpreter.fit(r.all);
  r.seconds_fit = fitting.seconds();
  console.stage(join_text(
      "all ", labels.numel(), " samples: activations ", fixed(r.seconds_activations(), 3),
      " s, fit ", fixed(r.seconds_fit, 3), " s"));
  for (int64_t s = 0; s < o.seeds; ++s) {
    check_interrupt();
    const uint64_t other = seed + static_cast<uint64_t>(s);
    append(r.floor, interpreter.compare(r.full, interpreter.again(r.all, other)));
    append(r.null, interpreter.compare(r.full, interpreter.chance(r.all, other)));
  }
  return r;
}

double mean_of_known(std::vector<double> values) {
  std::erase_if(values, [](double v) { return std::isnan(v); });
  return interpret::mean_of(values);
}

// {name: {mean, ci, skill}}: skill is 0 by chance and 1 where two of all data are.
Json similarity_json(const Similarity& values, const Reference* r, uint64_t seed) {
  Json result = Json::object();
  for (const auto& [name, of_classes] : values) {
    const interpret::Estimate estimate = interpret::estimate_of(of_classes, seed);
    Json entry = to_json(estimate);
    if (r != nullptr) {
      const double null = mean_of_known(r->null.at(name));
      const double floor = mean_of_known(r->floor.at(name));
      entry.set("skill", (estimate.mean - null) / (floor - null));
    }
    result.set(name, entry);
  }
  return result;
}

// The value of each class, or group of concepts, mean over the runs.
Json class_means(const std::vector<double>& values, int64_t runs) {
  Json means = Json::array();
  const size_t classes = values.size() / static_cast<size_t>(runs);
  for (size_t c = 0; c < classes; ++c) {
    std::vector<double> of_class;
    for (size_t at = c; at < values.size(); at += classes) of_class.push_back(values[at]);
    means.push(mean_of_known(of_class));
  }
  return means;
}

Json row_json(const Row& row, const std::string& headline, const Reference& r, uint64_t seed) {
  const auto runs = static_cast<double>(row.runs);
  Json json = Json::object(
      {{"method", row.method},
       {"fraction", row.fraction},
       {"count", row.count},
       {"effective", row.effective},
       {"runs", row.runs},
       {"active", row.active},
       {"similarity", similarity_json(row.values, &r, seed)},
       {"classes", class_means(row.values.at(headline), row.runs)},
       {"seconds", Json::object(
                       {{"features", row.seconds_features},
                        {"select", row.seconds_select / runs},
                        {"activations", row.seconds_activations},
                        {"fit", row.seconds_fit / runs}})}});
  if (!row.drops.empty()) json.set("drop", to_json(interpret::estimate_of(row.drops, seed)));
  return json;
}

struct Measuring {
  interpret::Interpreter& interpreter;
  const Reference& reference;
  const Ablation* ablation = nullptr;  // or none
  int64_t seeds = 5;
  uint64_t seed = 0;
};

// The samples of one run, each once.
Row measured(
    const Measuring& m, const Prepared& prepared, const std::string& method, double fraction) {
  Row row{.method = method, .fraction = fraction};
  row.seconds_features = prepared.seconds;
  row.runs = prepared.info.is_random ? m.seeds : 1;
  for (int64_t s = 0; s < row.runs; ++s) {
    check_interrupt();
    const Stopwatch selecting;
    const interpret::Selection found = interpret::select_coreset(
        method, prepared.samples,
        {.fraction = fraction, .seed = m.seed + static_cast<uint64_t>(s)});
    row.seconds_select += selecting.seconds();
    row.count = std::ssize(found.indices);
    const std::vector<double> weights = interpret::balanced_weights(found, prepared.samples.labels);
    row.effective +=
        (weights.empty() ? static_cast<double>(row.count) : interpret::effective_count(weights)) /
        static_cast<double>(row.runs);
    const Stopwatch fitting;
    const Interpretation part = m.interpreter.fit(found.indices, weights);
    row.seconds_fit += fitting.seconds();
    row.active += mean_count(part.active) / static_cast<double>(row.runs);
    append(row.values, m.interpreter.compare(m.reference.full, part));
    if (m.ablation == nullptr) continue;
    const std::vector<double> drops = m.ablation->drops(part);
    row.drops.insert(row.drops.end(), drops.begin(), drops.end());
  }
  // What chooses by the activations of all has those of its own already
  if (!prepared.info.prefers_rows) {
    row.seconds_activations = m.reference.seconds_activations(row.count);
  }
  return row;
}

// Methods that choose by the interpreter's rows wait until it has seen everything.
void add_rows(std::vector<Prepared>& prepared, Interpreted& all, const Reference& r) {
  for (Prepared& p : prepared) {
    if (!p.info.prefers_rows) continue;
    const Stopwatch watch;
    p.samples = samples_with_rows(all);
    p.seconds = r.seconds_activations() + watch.seconds();
  }
}

std::string line_of(const Row& row, const std::string& headline, uint64_t seed) {
  const interpret::Estimate e = interpret::estimate_of(row.values.at(headline), seed);
  return padded(row.method, 22) + padded(fixed(row.fraction, 3), 10) +
         padded(std::to_string(row.count), 9) + padded(fixed(e.mean, 4), 9) + "[" +
         fixed(e.interval.low, 4) + ", " + fixed(e.interval.high, 4) + "]  " +
         fixed(row.active, 1) + " active";
}

// What the classes lose with the units of all data, and with any others.
Json ablation_json(const Measuring& m) {
  const interpret::Interpretation& full = m.reference.full;
  std::vector<double> random;
  for (int64_t s = 0; s < m.seeds; ++s) {
    const auto more = m.ablation->random_drops(full, m.seed + static_cast<uint64_t>(s));
    random.insert(random.end(), more.begin(), more.end());
  }
  return Json::object(
      {{"images", m.ablation->images()},
       {"accuracy", mean_of_known(m.ablation->accuracy())},
       {"full", to_json(interpret::estimate_of(m.ablation->drops(full), m.seed))},
       {"random", to_json(interpret::estimate_of(random, m.seed))}});
}

std::string line_of(const Json& ablation) {
  const auto points = [&](const char* name) {
    return fixed(100 * ablation.at(name).number("mean"), 1);
  };
  return join_text(
      "without the units of all data a class loses ", points("full"),
      " points of accuracy; without as many others of the same layers ", points("random"));
}

// Images of each method's smallest part, and what the interpretation on all data sees.
void draw(
    const std::string& folder, const ProtocolOptions& o, const std::vector<Prepared>& prepared,
    const Interpreted& all, const Reference& r, uint64_t seed, Json& result) {
  constexpr double kSearched = 500;  // images among which units and concepts find their own
  make_folder(folder);
  const double fraction = std::ranges::min(o.fractions);
  Json chosen = Json::array();
  for (size_t k = 0; k < o.methods.size(); ++k) {
    const interpret::Selection found = interpret::select_coreset(
        o.methods[k], prepared[k].samples, {.fraction = fraction, .seed = seed});
    chosen.push(Json::object(
        {{"method", o.methods[k]},
         {"fraction", fraction},
         {"png", save_chosen(folder, o.methods[k], all, found.indices)}}));
  }
  const interpret::Samples labels{.labels = all.data.labels};
  const double searched = std::min(1.0, kSearched / static_cast<double>(all.data.size()));
  const interpret::Selection some =
      interpret::select_coreset("random", labels, {.fraction = searched, .seed = seed});
  result.set("chosen", chosen).set("parts", save_parts(folder, all, r.full, some.indices));
}

std::vector<Prepared> prepare(
    const ProtocolOptions& o, const Interpreted& all, uint64_t seed, Console& console) {
  WatchedTraining training = o.interpreting.training;
  training.seed = seed;
  std::vector<Prepared> prepared;
  interpret::HeadOutputs head;  // the same for all methods, and each would have had to wait for it
  double seconds_head = 0;
  for (const std::string& method : o.methods) {
    const Stopwatch watch;
    const interpret::SelectorInfo info = selector_named(method);
    if (info.prefers_rows) {
      prepared.push_back({.info = info});
      continue;
    }
    const bool needs_head = info.needs_features || info.needs_logits;
    const bool has_head = head.hidden.defined();
    prepared.push_back(
        {info, samples_for(info, all.folder, all.data, training, console, &head), 0});
    prepared.back().seconds = watch.seconds() + (needs_head && has_head ? seconds_head : 0);
    if (needs_head && !has_head) seconds_head = prepared.back().seconds;
  }
  return prepared;
}

Json run(const Invocation& in, const ProtocolOptions& o) {
  if (o.methods.empty()) throw UsageError("--methods: needs at least one");
  if (o.fractions.empty()) throw UsageError("--fractions: needs at least one");
  for (const std::string& method : o.methods) selector_named(method);
  for (const double f : o.fractions) as_usage([&] { return interpret::kept_of(1, f); });
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const auto all = open_interpreted(o.interpreting, in.common, in.console);
  interpret::Interpreter& interpreter = *all->interpreter;
  for (const std::string& note : all->notes) in.console.note("note: " + note);

  std::optional<Ablation> ablation;
  if (o.has_ablation) ablation.emplace(*all);
  std::vector<Prepared> prepared = prepare(o, *all, seed, in.console);
  Reference r;
  as_usage([&] {
    r = reference_of(interpreter, all->data.labels, o, seed, in.console);
    return 0;
  });
  add_rows(prepared, *all, r);
  const Measuring m{interpreter, r, ablation ? &*ablation : nullptr, o.seeds, seed};
  const std::string headline = interpreter.headline();
  in.console.result(in.console.bold(
      padded("method", 22) + padded("fraction", 10) + padded("samples", 9) + headline));
  Json rows = Json::array();
  for (size_t k = 0; k < o.methods.size(); ++k) {
    for (const double fraction : o.fractions) {
      const Row row = measured(m, prepared[k], o.methods[k], fraction);
      in.console.result(line_of(row, headline, seed));
      rows.push(row_json(row, headline, r, seed));
    }
  }
  const Prepared plain{interpret::selector_named("random"), {.labels = all->data.labels}, 0};
  const Row control = measured(m, plain, "random", 0.95);
  for (const auto& [name, values] :
       {std::pair{"95 % control", &control.values}, {"floor", &r.floor}, {"by chance", &r.null}}) {
    in.console.result(
        padded(name, 41) + fixed(interpret::estimate_of(values->at(headline), seed).mean, 4));
  }
  Json result = Json::object(
      {{"model", name_of(all->folder)},
       {"data", all->data.name},
       {"interpreter", o.interpreting.interpreter},
       {"layers", all->layers},
       {"count", all->data.size()},
       {"headline", headline},
       {"active", mean_count(r.full.active)},
       {"rows", rows},
       {"control", similarity_json(control.values, nullptr, seed)},
       {"floor", similarity_json(r.floor, nullptr, seed)},
       {"null", similarity_json(r.null, nullptr, seed)},
       {"seconds_full",
        Json::object({{"activations", r.seconds_activations()}, {"fit", r.seconds_fit}})}});
  if (ablation) {
    const Json found = ablation_json(m);
    in.console.result(line_of(found));
    result.set("ablation", found);
  }
  const std::string& folder = in.common.out;
  if (!folder.empty() && has_pictures(*all)) draw(folder, o, prepared, *all, r, seed, result);
  return result;
}

void declare(Arguments& a, ProtocolOptions& o) {
  declare_interpreting(a, o.interpreting);
  a.list("methods", o.methods, "of selection: " + selector_list());
  a.numbers("fractions", o.fractions, "of the samples, above 0", 0, 1);
  a.integer("seeds", o.seeds, "runs of a random method, and of the floor and chance", 1, 1000);
  a.flag("ablation", o.has_ablation, "vebi: accuracy of test images without the relevant units");
}

}  // namespace

Command coreset_interpret_command() {
  auto options = std::make_shared<ProtocolOptions>();
  return {
      .name = "coreset interpret",
      .summary = "how much an interpretation on a part of the data agrees with that on all",
      .example =
          "limpid coreset interpret runs/fashion --data fashion-2k --methods random,moderate "
          "--interpreter vebi --fractions 0.05,0.3 --seeds 3",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "interpret.json"};
}

}  // namespace limpid::tools
