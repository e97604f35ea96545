// tools/eval.cpp: limpid eval.
#include "framework/core/error.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"
#include "tools/objective.h"

#include <algorithm>
#include <memory>
#include <numeric>

namespace limpid::tools {
namespace {

struct EvalOptions {
  ModelOptions model;
  std::string data;
  int64_t limit_test = -1;
  bool each = false;
};

// "  (3 of 12: balls)" for the class that most of the errors of class k were taken for.
std::string taken_for(const Metrics& m, size_t k, const ModelCard& card) {
  std::vector<int64_t> errors = m.confusion[k];
  errors[k] = 0;
  const auto most = std::ranges::max_element(errors);
  if (*most == 0) return "";
  const auto other = static_cast<size_t>(most - errors.begin());
  const int64_t all = std::accumulate(m.confusion[k].begin(), m.confusion[k].end(), int64_t{0});
  return join_text("  (", *most, " of ", all, ": ", card.class_names[other], ")");
}

// One line for each example of another class than predicted.
void print_errors(
    const std::vector<int64_t>& predicted, const datasets::Dataset& data, const ModelCard& card,
    const Console& console) {
  const auto name = [&](int64_t k) { return card.class_names[static_cast<size_t>(k)]; };
  console.result("wrong: index, label, predicted");
  for (int64_t i = 0; i < data.size(); ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t label = data.labels.values<int64_t>()[at];
    if (label == predicted[at]) continue;
    console.result(join_text(
        "  ", i, "  ", name(label), "  ", name(predicted[at]), data.files.empty() ? "" : "  ",
        data.files.empty() ? "" : data.files[at]));
  }
}

Json run(const Invocation& in, const EvalOptions& o) {
  const RunFolder folder = open_model(o.model, in.console);
  const datasets::Dataset data = test_part(o.data, in.common, folder, o.limit_test);
  const Evaluation e = evaluate(folder, data);
  if (!e.classes) {
    const auto [name, value] = headline(e);
    in.console.result(join_text(name, "  ", value, " over ", e.count, " examples"));
    Json json = Json::object(
        {{"model", name_of(folder)}, {"accuracy", nullptr}, {"loss", e.loss}, {"count", e.count}});
    if (e.targets) json.set("mse", e.targets->mse).set("r2", e.targets->r2);
    return json;
  }
  const Metrics& m = *e.classes;
  in.console.result("accuracy  " + percent(m.accuracy) + " of " + std::to_string(m.count));
  in.console.result("loss      " + fixed(m.loss, 4));
  in.console.result("ece       " + fixed(m.ece, 4) + "  (15 bins; 0 is perfectly calibrated)");
  in.console.result("accuracy of each class, and what most of its errors were taken for:");
  Json confusion = Json::array();
  for (size_t k = 0; k < m.per_class.size(); ++k) {
    confusion.push(Json::array_of(m.confusion[k]));
    in.console.result(
        "  " + folder.card.class_names[k] + ": " + percent(m.per_class[k]) +
        taken_for(m, k, folder.card));
  }
  Json json = Json::object(
      {{"model", name_of(folder)},
       {"accuracy", m.accuracy},
       {"loss", m.loss},
       {"count", m.count},
       {"ece", m.ece},
       {"per_class", Json::array_of(m.per_class)},
       {"confusion", confusion},
       {"class_names", Json::array_of(folder.card.class_names)}});
  if (!o.each) return json;
  print_errors(m.predicted, data, folder.card, in.console);
  json.set("predicted", Json::array_of(m.predicted))
      .set("labels", Json::array_of(data.labels.values<int64_t>()));
  if (!data.files.empty()) json.set("files", Json::array_of(data.files));
  return json;
}

}  // namespace

Command eval_command() {
  auto options = std::make_shared<EvalOptions>();
  return {
      .name = "eval",
      .summary = "accuracy, confusion and calibration on the test part",
      .example = "limpid eval runs/digits --data digits",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.text("data", options->data, "data set, its test part; the run's own unless given");
            declare_limit_test(a, options->limit_test);
            a.flag(
                "each", options->each,
                "also every example that is wrong; with --json the class of every example and its "
                "label");
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "eval.json"};
}

}  // namespace limpid::tools
