// tools/eval.cpp: limpid eval.
#include "framework/core/error.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"
#include "tools/objective.h"

#include <memory>

namespace limpid::tools {
namespace {

struct EvalOptions {
  ModelOptions model;
  std::string data;
  int64_t limit_test = -1;
  bool each = false;
};

Json run(const Invocation& in, const EvalOptions& o) {
  const RunFolder folder = open_model(o.model, in.console);
  const datasets::Dataset data = test_part(o.data, in.common, folder, o.limit_test);
  const Evaluation e = evaluate(folder, data);
  if (!e.classes) {
    const auto [name, value] = headline(e);
    in.console.result(join_text(name, "  ", value, " over ", e.count, " examples"));
    Json json = Json::object({{"accuracy", nullptr}, {"loss", e.loss}, {"count", e.count}});
    if (e.targets) json.set("mse", e.targets->mse).set("r2", e.targets->r2);
    return json;
  }
  const Metrics& m = *e.classes;
  in.console.result("accuracy  " + percent(m.accuracy) + " of " + std::to_string(m.count));
  in.console.result("loss      " + fixed(m.loss, 4));
  in.console.result("ece       " + fixed(m.ece, 4) + "  (15 bins; 0 is perfectly calibrated)");
  Json per_class = Json::array();
  Json confusion = Json::array();
  for (size_t k = 0; k < m.per_class.size(); ++k) {
    per_class.push(m.per_class[k]);
    Json row = Json::array();
    for (const int64_t count : m.confusion[k]) row.push(count);
    confusion.push(row);
    in.console.result("  " + folder.card.class_names[k] + ": " + percent(m.per_class[k]));
  }
  Json json = Json::object(
      {{"accuracy", m.accuracy},
       {"loss", m.loss},
       {"count", m.count},
       {"ece", m.ece},
       {"per_class", per_class},
       {"confusion", confusion}});
  if (!o.each) return json;
  Json predicted = Json::array();
  Json labels = Json::array();
  for (const int64_t k : m.predicted) predicted.push(k);
  for (const int64_t k : data.labels.values<int64_t>()) labels.push(k);
  return json.set("predicted", predicted).set("labels", labels);
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
            a.integer(
                "limit-test", options->limit_test,
                "use so many test examples, as many of each class; 0: all; -1: as many as the run "
                "did",
                -1, INT64_MAX);
            a.flag("each", options->each, "--json: also the class of every example and its label");
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "eval.json"};
}

}  // namespace limpid::tools
