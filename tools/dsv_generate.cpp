// tools/dsv_generate.cpp: limpid dsv generate.
#include "framework/core/error.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/report/heatmap.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/synthesising.h"

#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct GenerateOptions {
  ModelOptions model;
  SynthesisArguments synthesis;
  std::vector<std::string> label;
  std::vector<std::string> mix = {"0.5"};
  int64_t count = 1;
  std::vector<std::string> judge;
};

// The mixes, `count` images of each; image k of every mix starts from the same noise, so that a
// row of mixes is a path.
struct Request {
  int64_t a = 0, b = 0;
  std::vector<double> mixes;  // of each image
  Tensor labels;              // classes for one class, distributions for two
};

Request request_of(const GenerateOptions& o, const ModelCard& card) {
  if (o.label.empty() || o.label.size() > 2) {
    throw UsageError("--label: name one class, or two to mix");
  }
  Request r;
  r.a = class_from(o.label[0], card, "--label");
  r.b = o.label.size() == 2 ? class_from(o.label[1], card, "--label") : r.a;
  const std::vector<std::string> mixes =
      o.label.size() == 2 ? o.mix : std::vector<std::string>{"0"};
  for (const std::string& text : mixes) {
    const double mix = number_from(text, "mix");
    if (mix < 0 || mix > 1) throw UsageError("--mix: " + excerpt(text) + " is not from 0 to 1");
    r.mixes.insert(r.mixes.end(), static_cast<size_t>(o.count), mix);
  }
  r.labels =
      o.label.size() == 2
          ? interpret::mixed_labels(r.a, r.b, r.mixes, card.classes())
          : Tensor::of_integers({o.count}, std::vector<int64_t>(static_cast<size_t>(o.count), r.a));
  return r;
}

Tensor starts(const Request& r, const GenerateOptions& o, const ModelCard& card, uint64_t seed) {
  const Tensor noise = interpret::noise_images(card.input, o.count, DType::f32, seed);
  const std::vector<Tensor> copies(r.mixes.size() / static_cast<size_t>(o.count), noise);
  return concat(copies, 0);
}

Json run(const Invocation& in, const GenerateOptions& o) {
  RunFolder folder = open_model(o.model, in.console);
  check_classifier(folder, "dsv generate");
  if (folder.card.input.rank() != 3) throw UsageError("dsv generate: needs a model of images");
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const Request r = request_of(o, folder.card);
  const interpret::SynthesisOptions options = synthesis_options(o.synthesis, folder, seed);
  const std::string out = in.common.out.empty() ? "generated" : in.common.out;
  interpret::SynthesisOptions all_stay = options;
  all_stay.infeasible = interpret::Infeasible::project;  // what was asked for is delivered
  const Tensor start = starts(r, o, folder.card, seed);
  auto synthesis =
      as_usage([&] { return interpret::Synthesis(*folder.model, start, r.labels, all_stay); });
  while (!synthesis.is_done()) {
    if (interrupted()) return Json::object();
    synthesis.advance();
    in.console.progress("generate", synthesis.steps_done(), options.steps);
  }

  const Tensor images = as_data(synthesis.images(), folder.card);
  const Tensor p = softmax(synthesis.logits());
  make_folder(out);
  save_npy(out + "/images.npy", images);
  Json rows = Json::array();
  std::vector<std::vector<Image>> pictures;
  double total = 0;
  for (size_t i = 0; i < r.mixes.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const std::vector<double> row = slice(p, 0, at, at + 1).to_vector();
    const double p_a = row[static_cast<size_t>(r.a)], p_b = row[static_cast<size_t>(r.b)];
    // What the label asks for: one class, or the shares of both
    const double probability = r.a == r.b ? p_a : p_a + p_b;
    total += probability;
    const std::string png = join_text(out, "/", i, ".png");
    const Image picture = interpret::enlarge(
        interpret::image_of(interpret::one_of(images, at)), folder.card.input[1] < 64 ? 4 : 1);
    save_png(png, picture);
    if (at % o.count == 0) pictures.emplace_back();
    pictures.back().push_back(picture);
    rows.push(Json::object(
        {{"mix", r.mixes[i]}, {"probability", p_a}, {"probability_mixed", p_b}, {"png", png}}));
    in.console.result(join_text(
        png, "  ", folder.card.class_names[static_cast<size_t>(r.a)], " ", percent(p_a),
        r.a == r.b ? std::string()
                   : join_text(
                         ", ", folder.card.class_names[static_cast<size_t>(r.b)], " ", percent(p_b),
                         " at mix ", fixed(r.mixes[i], 2))));
  }
  save_png(out + "/grid.png", interpret::grid(pictures));
  Json judges = Json::array();
  std::vector<int64_t> classes;
  for (const double mix : r.mixes) classes.push_back(mix > 0.5 ? r.b : r.a);
  for (const Judgement& j : judged(o.judge, images, classes, folder.card, in.console)) {
    judges.push(Json::object(
        {{"model", j.model}, {"accuracy", j.accuracy}, {"probability", j.probability}}));
    in.console.result(join_text("judge ", j.model, ": ", percent(j.accuracy)));
  }
  const double distance = mean(norm(flatten(images - as_data(start, folder.card)), {1})).item();
  return Json::object(
      {{"model", name_of(folder)},
       {"target_probability", total / static_cast<double>(r.mixes.size())},
       {"distance", distance},  // from the noise at the start
       {"images", rows},
       {"judges", judges},
       {"weights", to_json(synthesis.weights())},
       {"grid", out + "/grid.png"}});
}

}  // namespace

Command dsv_generate_command() {
  auto options = std::make_shared<GenerateOptions>();
  options->synthesis.weights = {"1", "3", "0.3", "0.03"};  // what is wanted is the label
  return {
      .name = "dsv generate",
      .summary = "images of a class, or between two, from a classifier",
      .example = "limpid dsv generate runs/digits --label 3,8 --mix 0,0.5,1 --steps 200 --out path",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.list("label", options->label, "a class, or two to mix");
            a.list("mix", options->mix, "shares of the second class, one image each");
            a.integer("count", options->count, "images of each", 1, 100'000);
            a.list("judge", options->judge, "other networks that classify the result");
            declare_synthesis(a, options->synthesis);
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "generate.json"};
}

}  // namespace limpid::tools
