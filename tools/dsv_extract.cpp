// tools/dsv_extract.cpp: limpid dsv extract.
#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/tensor/integers.h"
#include "interpret/numerics/statistics.h"
#include "interpret/support_vectors/extraction.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/extracting.h"
#include "tools/measuring.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/support_file.h"

#include <map>
#include <memory>

namespace limpid::tools {
namespace {

using interpret::SupportOptions;
using interpret::SupportScore;
using interpret::SupportSolver;
using interpret::SupportVectors;

struct ExtractOptions {
  ModelOptions model;
  std::string data;
  int64_t per_class = 10;
  std::string score = "alpha";
  std::string solver = "nnls";
  std::string parameters = "*";
  bool keeps_invariant = false;
  bool projects = false;
  double rho = kUsualRho;
  double tolerance = 1e-3;
  int64_t steps = 200;
  int64_t sketch_size = 2048;
  int64_t limit_train = 0;
  int64_t limit_test = -1;
};

const std::map<std::string, SupportSolver> kSolvers = {
    {"paper", SupportSolver::paper},
    {"nnls", SupportSolver::nnls},
    {"lp", SupportSolver::lp},
    {"sketch", SupportSolver::sketch}};
const std::map<std::string, SupportScore> kScores = {
    {"alpha", SupportScore::alpha},       {"lambda", SupportScore::lambda},
    {"lambda-g", SupportScore::lambda_g}, {"cosine", SupportScore::cosine},
    {"entropy", SupportScore::entropy},   {"random", SupportScore::random}};

template <class T>
std::vector<std::string> names_in(const std::map<std::string, T>& table) {
  std::vector<std::string> names;
  for (const auto& entry : table) names.push_back(entry.first);
  return names;
}

SupportOptions support_options(const ExtractOptions& o, const Common& common) {
  SupportOptions s;
  s.solver = kSolvers.at(o.solver);
  s.rho = o.rho;
  s.tolerance = o.tolerance;
  s.parameters = o.parameters;
  s.keeps_invariant = o.keeps_invariant;
  s.steps = o.steps;
  s.projects = o.projects;
  s.sketch_size = o.sketch_size;
  s.seed = static_cast<uint64_t>(common.seed);
  return s;
}

// Accuracy of each class; NaN for a class without samples.
std::vector<double> class_accuracy(const SupportVectors& v, const Tensor& labels, int64_t classes) {
  std::vector<double> right = interpret::class_sums(v.correct, labels, classes);
  const std::vector<double> all =
      interpret::class_sums(Tensor::ones(labels.shape(), DType::f64), labels, classes);
  for (size_t k = 0; k < right.size(); ++k) right[k] /= all[k];
  return right;
}

// Means over the indices given.
double mean_at(const Tensor& values, std::span<const int64_t> indices) {
  std::vector<double> chosen;
  for (const int64_t i : indices) chosen.push_back(values.data<double>()[i]);
  return interpret::mean_of(chosen);
}

// Multipliers of the samples that are classified as their label (or not), and how many have one.
Json multipliers_where(const SupportVectors& v, bool is_correct) {
  std::vector<double> lambda, alive;
  for (int64_t i = 0; i < v.lambda.numel(); ++i) {
    if ((v.correct.data<double>()[i] > 0) != is_correct) continue;
    lambda.push_back(v.lambda.data<double>()[i]);
    alive.push_back(v.alive.data<double>()[i]);
  }
  return Json::object(
      {{"count", std::ssize(lambda)},
       {"lambda", interpret::mean_of(lambda)},
       {"alive", interpret::mean_of(alive)}});
}

Json trace_json(const SupportVectors& v) {
  Json rows = Json::array();
  for (const interpret::SupportStep& step : v.trace) {
    rows.push(Json::object(
        {{"objective", step.objective},
         {"residual", step.residual},
         {"gap", step.gap},
         {"alive", step.alive}}));
  }
  return rows;
}

Json residual_json(const SupportVectors& v) {
  Json rows = Json::array();
  for (const auto& [name, residual] : v.relative_residual) {
    rows.push(Json::object({{"parameter", name}, {"residual", residual}}));
  }
  return rows;
}

Json forms_json(const SupportVectors& v) {
  Json rows = Json::array();
  for (const auto& form : v.forms) {
    rows.push(Json::object(
        {{"parameters", form.parameters},
         {"form", interpret::name_of(form.form)},
         {"bytes", form.bytes}}));
  }
  return rows;
}

// Support vectors of both parts, and the sums of lambda over a class beside its accuracy on test
// images.
struct Extraction {
  datasets::Split split;
  SupportVectors train = {}, test = {};
  std::vector<int64_t> chosen = {};  // samples of the training part
  std::vector<double> accuracy = {}, train_sums = {}, test_sums = {};
  double with_train = 0, with_test = 0;  // Pearson's correlation of sums and accuracy
};

Extraction extract(const Invocation& in, const ExtractOptions& o, const RunFolder& folder) {
  Extraction e{.split = parts_of(o.data, in.common, folder, o.limit_test)};
  datasets::Dataset& train = e.split.train;
  if (o.limit_train > 0) train = datasets::limit_balanced(train, o.limit_train);

  // An equation is satisfied exactly or not at all: rounding in f32 can make it either
  if (o.solver == "lp") convert(*folder.model, DType::f64);
  const SupportOptions options = support_options(o, in.common);
  e.train = extracted(folder, train, options, "train", in.console);
  if (e.train.status == "infeasible") {
    throw NumericError(
        "infeasible: no lambda >= 0 satisfies stationarity exactly; --solver nnls has the closest",
        e.train.total_residual);
  }
  e.test = extracted(folder, e.split.test, options, "test", in.console);
  const auto seed = static_cast<uint64_t>(in.common.seed);
  e.chosen =
      interpret::select_support(e.train, train.labels, kScores.at(o.score), o.per_class, seed);
  if (e.chosen.empty()) {
    throw NumericError("no sample is both classified correctly and alive", e.train.total_residual);
  }
  const int64_t classes = folder.card.classes();
  e.accuracy = class_accuracy(e.test, e.split.test.labels, classes);
  e.train_sums = interpret::class_sums(e.train.lambda, train.labels, classes);
  e.test_sums = interpret::class_sums(e.test.lambda, e.split.test.labels, classes);
  e.with_train = interpret::pearson(e.train_sums, e.accuracy);
  e.with_test = interpret::pearson(e.test_sums, e.accuracy);
  return e;
}

void print(const Extraction& e, const ExtractOptions& o, Console& console) {
  const SupportVectors& v = e.train;
  console.result(join_text(
      e.chosen.size(), " of ", e.split.train.size(), " images selected by ", o.score, ", ",
      percent(interpret::mean_of(v.alive.to_vector())), " have lambda > 0"));
  console.result(join_text(
      "entropy   selected ", fixed(mean_at(v.entropy, e.chosen), 3), ", all ",
      fixed(interpret::mean_of(v.entropy.to_vector()), 3), " nats"));
  console.result(join_text(
      "margin    selected ", fixed(mean_at(v.margin, e.chosen), 3), ", all ",
      fixed(interpret::mean_of(v.margin.to_vector()), 3)));
  console.result(join_text(
      "residual  ", fixed(v.total_residual, 3),
      " of |theta| (0: stationary, 1: lambda does nothing)"));
  console.result(join_text(
      "sum of lambda per class against its test accuracy: Pearson ", fixed(e.with_test, 3),
      " fitted on test images, ", fixed(e.with_train, 3), " on training images"));
  console.note(
      "on test images wrong ones lose their lambda, so that the sum follows accuracy almost by "
      "construction; on training images either sign occurs");
  if (!v.parameters.invariant.empty()) {
    console.result("left out, their length has no effect: " + joined(v.parameters.invariant, " "));
  }
}

Json to_json(
    const Extraction& e, const ExtractOptions& o, const RunFolder& folder, const std::string& out) {
  const SupportVectors& v = e.train;
  const auto at_chosen = [&](const Tensor& values) {
    return Json::array_of(datasets::gather(values, e.chosen).to_vector());
  };
  return Json::object(
      {{"model", name_of(folder)},
       {"data", o.data.empty() ? folder.card.data : o.data},
       {"support", out},
       {"solver", o.solver},
       {"score", o.score},
       {"status", v.status},
       {"count", e.split.train.size()},
       {"indices", Json::array_of(e.chosen)},
       {"labels", Json::array_of(to_integers(datasets::gather(e.split.train.labels, e.chosen)))},
       {"lambda", at_chosen(v.lambda)},
       {"alpha", at_chosen(v.alpha)},
       {"entropy", at_chosen(v.entropy)},
       {"margin", at_chosen(v.margin)},
       {"entropy_selected", mean_at(v.entropy, e.chosen)},
       {"entropy_all", interpret::mean_of(v.entropy.to_vector())},
       {"margin_selected", mean_at(v.margin, e.chosen)},
       {"margin_all", interpret::mean_of(v.margin.to_vector())},
       {"alive", interpret::mean_of(v.alive.to_vector())},
       {"lambda_accuracy_pearson", Json::object({{"test", e.with_test}, {"train", e.with_train}})},
       {"lambda_per_class",
        Json::object(
            {{"test", Json::array_of(e.test_sums)}, {"train", Json::array_of(e.train_sums)}})},
       {"accuracy_per_class", Json::array_of(e.accuracy)},
       {"test_right", multipliers_where(e.test, true)},
       {"test_wrong", multipliers_where(e.test, false)},
       {"stationarity_residual", residual_json(v)},
       {"total_residual", v.total_residual},
       {"parameters", Json::array_of(v.parameters.chosen)},
       {"excluded", Json::array_of(v.parameters.invariant)},
       {"rho", v.rho},
       {"objective", v.objective},
       {"gap", o.solver == "paper" ? Json() : Json(v.relative_gap)},
       {"sketch_error", o.solver == "sketch" ? Json(v.sketch_error) : Json()},
       {"trace", trace_json(v)},
       {"forms", forms_json(v)},
       {"stages", Json::array(
                      {Json::object({{"name", "gradients"}, {"seconds", v.gradient_seconds}}),
                       Json::object({{"name", "multipliers"}, {"seconds", v.solver_seconds}})})}});
}

Json run(const Invocation& in, const ExtractOptions& o) {
  in.arguments.require("out");
  const RunFolder folder = open_model(o.model, in.console);
  check_classifier(folder, "dsv extract");
  const Extraction e = extract(in, o, folder);
  write_support(
      in.common.out, support_set(
                         e.split.train, e.train, e.chosen,
                         {{"command", "dsv extract"}, {"score", o.score}, {"solver", o.solver}}));
  print(e, o, in.console);
  in.console.result(in.common.out);
  return to_json(e, o, folder, in.common.out);
}

}  // namespace

Command dsv_extract_command() {
  auto options = std::make_shared<ExtractOptions>();
  return {
      .name = "dsv extract",
      .summary = "which training images support the decisions of a network",
      .example = "limpid dsv extract runs/fashion --data fashion-2k --out support.safetensors",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.text("data", options->data, "data set; the run's own unless given");
            a.integer(
                "per-class", options->per_class, "support vectors of each class", 1, INT64_MAX);
            a.text(
                "score", options->score,
                "rank by lambda, alpha = lambda |p - y|, lambda |g|, the cosine of the weights and "
                "-g, or as controls entropy or at random",
                names_in(kScores));
            a.text(
                "solver", options->solver,
                "gradient steps as in the paper, non-negative least squares, least sum of lambda, "
                "or least squares on sketches of the gradients",
                names_in(kSolvers));
            a.number(
                "rho", options->rho,
                "price of lambda, in units of the steepest slope at lambda = 0; not for lp", 0, 1);
            a.number("tolerance", options->tolerance, "relative duality gap", 0, 1);
            a.text(
                "parameters", options->parameters,
                "which parameters: a name, * and ? stand for others (\"fc3.*\")");
            a.flag(
                "keep-invariant", options->keeps_invariant,
                "also parameters whose length has no effect");
            a.integer("steps", options->steps, "paper: gradient steps", 1, INT64_MAX);
            a.flag("project", options->projects, "paper: images that were dropped may return");
            a.integer(
                "sketch-size", options->sketch_size, "sketch: numbers per gradient", 1, INT64_MAX);
            declare_limit_train(a, options->limit_train);
            declare_limit_test(a, options->limit_test);
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
