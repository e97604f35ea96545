// tools/predict.cpp: limpid predict.
#include "framework/core/error.h"
#include "framework/io/npy.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/inputs.h"
#include "tools/model.h"

#include <memory>

namespace limpid::tools {
namespace {

struct PredictOptions {
  ModelOptions model;
  std::vector<std::string> input;
};

Json run(const Invocation& in, const PredictOptions& o) {
  const RunFolder folder = open_model(o.model, in.console);
  const Examples examples = read_inputs(o.input, folder.card);
  const Tensor inputs = standardised(examples.values, folder.card);
  const Recording off(false);
  Tensor logits = logits_of(folder, inputs);  // [N, K]
  const bool has_classes = folder.card.task == Task::classify;
  if (folder.card.task == Task::regress) {
    logits = logits * folder.card.target_std + folder.card.target_mean;  // back to target units
  }
  if (!in.common.out.empty()) save_npy(in.common.out, logits);
  if (!has_classes) {
    in.console.result(to_string(logits));
    return Json::object(
        {{"count", logits.size(0)},
         {"classes", nullptr},
         {"top", Json::array()},
         {"outputs", logits.size(1)},
         {"out", in.common.out}});
  }

  // The most likely class of each example
  const Tensor best = arg_max(logits, 1);
  const std::vector<double> probability = max(softmax(logits), 1).to_vector();
  Json top = Json::array();
  for (int64_t n = 0; n < logits.size(0); ++n) {
    const int64_t label = best.data<int64_t>()[n];
    const std::string& name = folder.card.class_names[static_cast<size_t>(label)];
    const double p = probability[static_cast<size_t>(n)];
    const std::string& input = examples.names[static_cast<size_t>(n)];
    in.console.result(join_text(n, "  ", name, "  ", percent(p), "  ", input));
    top.push(Json::object(
        {{"index", n}, {"class", label}, {"name", name}, {"probability", p}, {"input", input}}));
  }
  return Json::object(
      {{"count", logits.size(0)},
       {"classes", logits.size(1)},
       {"top", top},
       {"out", in.common.out}});
}

}  // namespace

Command predict_command() {
  auto options = std::make_shared<PredictOptions>();
  return {
      .name = "predict",
      .summary = "the class of pictures or arrays, and their logits as .npy with --out",
      .example = "limpid predict runs/digits --input digits.npy --out logits.npy",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.list("input", options->input, kInputHelp);
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
