// tools/interpreting.cpp: options to interpreters.
#include "tools/interpreting.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/ice.h"
#include "interpret/coreset/probe.h"
#include "interpret/coreset/vebi.h"
#include "tools/console.h"
#include "tools/measuring.h"
#include "tools/objective.h"

#include <algorithm>
#include <cmath>

namespace limpid::tools {
namespace {

using Data = interpret::WeightInterpreter::Data;

std::unique_ptr<interpret::Interpreter> vebi_for(
    const InterpretingOptions& o, Module& model, const Data& data, std::string& layers) {
  using interpret::VebiForm;
  const VebiForm form = o.mu > 0 ? VebiForm::mu : o.alpha > 0 ? VebiForm::alpha : VebiForm::share;
  auto vebi = std::make_unique<interpret::Vebi>(
      model, data,
      interpret::VebiOptions{
          .form = form,
          .strength = o.mu > 0      ? o.mu
                      : o.alpha > 0 ? o.alpha
                                    : o.mu_share,
          .has_true_labels = o.classes == "true",
          .layers = o.layers});
  layers = joined(vebi->layers(), ", ");
  return vebi;
}

std::unique_ptr<interpret::Interpreter> interpreter_for(
    const InterpretingOptions& o, Module& model, const Data& data, std::string& layers) {
  if (o.interpreter == "vebi") return vebi_for(o, model, data, layers);
  if (o.layers.size() > 1) {
    throw UsageError("--layers: " + o.interpreter + " looks at one layer");
  }
  layers = o.layers.empty() ? "" : o.layers.front();
  if (o.interpreter == "probe") {
    auto probe = std::make_unique<interpret::Probe>(
        model, data,
        interpret::ProbeOptions{
            .layer = layers, .ridge = o.ridge, .has_true_labels = o.classes != "predicted"});
    if (layers.empty()) layers = "the input of the last layer";
    return probe;
  }
  auto ice = std::make_unique<interpret::Ice>(
      model, data.images, data.labels, data.classes,
      interpret::IceOptions{
          .layer = layers,
          .concepts = o.concepts,
          .is_per_class = !o.is_joint,
          .has_true_labels = o.classes == "true"});
  layers = ice->layer();
  return ice;
}

// The training images and behind them those of the test part on which functions are compared.
struct TwoParts {
  datasets::Dataset train, test;
  const ModelCard& card;

  Tensor operator()(interpret::SampleList samples) const {
    std::vector<Tensor> parts;
    const auto middle = std::ranges::find_if(samples, [&](int64_t i) { return i >= train.size(); });
    const std::vector<int64_t> first(samples.begin(), middle);
    std::vector<int64_t> second;
    for (auto i = middle; i != samples.end(); ++i) second.push_back(*i - train.size());
    if (!first.empty()) parts.push_back(train.images.rows(first));
    if (!second.empty()) parts.push_back(test.images.rows(second));
    return standardised(parts.size() == 1 ? parts[0] : concat(parts, 0), card);
  }
};

void note_small_classes(Interpreted& all) {
  std::vector<int64_t> counts(static_cast<size_t>(all.folder.card.classes()));
  for (const int64_t label : all.labels) ++counts.at(static_cast<size_t>(label));
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] >= 5) continue;
    all.notes.push_back(join_text(
        "class ", all.folder.card.class_names[c], " has ", counts[c],
        counts[c] == 1 ? " sample" : " samples", ": its similarities say little"));
  }
}

}  // namespace

void declare_interpreting(Arguments& a, InterpretingOptions& o) {
  declare_model(a, o.model);
  a.text("data", o.data, "data set, its training part; the run's own unless given");
  a.text(
      "interpreter", o.interpreter,
      "vebi: units that tell classes apart; ice: concepts of a layer; probe: linear classifier",
      {"vebi", "ice", "probe"});
  a.list(
      "layers", o.layers, "vebi: layers with units; ice, probe: one; rectified ones unless given");
  a.text(
      "classes", o.classes, "of the samples; usual: as predicted for vebi and ice, true for probe",
      {"usual", "predicted", "true"});
  a.number("mu-share", o.mu_share, "vebi: sum of the weights, of that without a bound", 0, 1);
  a.number("mu", o.mu, "vebi: largest sum of the weights; 0: by share", 0, 1e9);
  a.number("alpha", o.alpha, "vebi: price of the weights per sample; 0: by share", 0, 1e9);
  a.integer("concepts", o.concepts, "ice: 0: a quarter of the channels, at most 8", 0, 4096);
  a.flag("joint", o.is_joint, "ice: one set of concepts for all classes");
  a.number("ridge", o.ridge, "probe: in units of the mean variance of a feature", 1e-12, 1e6);
  a.integer("probe", o.probe, "test images on which functions are compared", 0, 1'000'000);
  declare_watched_training(a, o.training);
}

std::unique_ptr<Interpreted> open_interpreted(
    const InterpretingOptions& o, const Common& common, Console& console) {
  if (o.mu > 0 && o.alpha > 0) throw UsageError("--mu and --alpha exclude each other");
  auto all = std::make_unique<Interpreted>();
  all->folder = open_model(o.model, console);
  check_classifier(all->folder, "coreset");
  const datasets::Split parts = parts_of(o.data, common, all->folder);
  all->data = parts.train;
  all->test = parts.test;
  if (all->data.is_empty()) throw UsageError("the data have no training part to select from");
  all->labels = to_integers(all->data.labels);
  const int64_t probes = parts.test.is_empty() ? 0 : std::min(o.probe, parts.test.size());
  const int64_t n = all->data.size();

  Data data{
      .images = TwoParts{parts.train, parts.test, all->folder.card},
      .labels = all->labels,
      .classes = all->folder.card.classes(),
      .probe = index_range(n, n + probes)};
  const std::vector<int64_t> more = to_integers(
      probes > 0 ? slice(parts.test.labels, 0, 0, probes) : Tensor::of_integers({0}, {}));
  data.labels.insert(data.labels.end(), more.begin(), more.end());
  as_usage([&] {
    all->interpreter = interpreter_for(o, *all->folder.model, data, all->layers);
    return 0;
  });
  note_small_classes(*all);
  return all;
}

interpret::Samples samples_with_rows(Interpreted& all) {
  const std::vector<int64_t> every = index_range(0, std::ssize(all.labels));
  all.interpreter->see(every);
  return {.rows = to(all.interpreter->rows(every), DType::f32), .labels = all.data.labels};
}

Json to_json(const interpret::Estimate& e) {
  return Json::object({{"mean", e.mean}, {"ci", Json::array({e.interval.low, e.interval.high})}});
}

}  // namespace limpid::tools
