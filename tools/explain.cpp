// tools/explain.cpp: limpid explain.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/io/npy.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/localisation.h"
#include "interpret/report/heatmap.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/inputs.h"
#include "tools/model.h"
#include "tools/objective.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

struct ExplainOptions {
  ModelOptions model;
  std::string data;
  std::vector<std::string> indices;
  int64_t count = 0;
  std::vector<std::string> input;
  std::vector<std::string> method = {"gradient", "guided", "grad-cam"};
  std::string layer;
  std::string target;  // label, predicted or a class number
};

// The images to explain, with everything the output says about them.
struct Subject {
  std::vector<int64_t> indices;    // in the test part, or positions in --input
  std::vector<std::string> names;  // of the files they came from, one each, if known
  Tensor pictures;                 // [N, ...] raw values
  Tensor labels;                   // [N], undefined for --input
  Tensor masks;                    // [N, 1, H, W], undefined for most data
};

int64_t whole_number(const std::string& text, int64_t below, const std::string& what) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || value < 0 || value >= below) {
    throw UsageError(join_text(what, " ", excerpt(text), " is not in 0 to ", below - 1));
  }
  return value;
}

Subject read_subject(const ExplainOptions& o, const Common& common, const RunFolder& folder) {
  Subject s;
  if (!o.input.empty()) {
    Examples examples = read_inputs(o.input, folder.card);
    s.pictures = examples.values;
    s.names = std::move(examples.names);
    s.indices = index_range(0, s.pictures.size(0));
    return s;
  }
  const datasets::Dataset test = test_part(o.data, common, folder);
  for (const std::string& text : o.indices) {
    s.indices.push_back(whole_number(text, test.size(), "index"));
  }
  if (o.indices.empty()) {
    constexpr int64_t kDefault = 8;
    const int64_t count = std::min(test.size(), o.count > 0 ? o.count : kDefault);
    s.indices = index_range(0, count);
  }
  const datasets::Dataset chosen = datasets::take(test, s.indices);
  s.pictures = chosen.images.tensor();
  s.labels = chosen.labels;
  s.masks = chosen.masks;
  s.names = chosen.files;
  return s;
}

// The class explained for each image.
std::vector<int64_t> target_classes(
    const ExplainOptions& o, const Subject& s, const std::vector<int64_t>& predicted,
    const ModelCard& card) {
  const std::string target = !o.target.empty()    ? o.target
                             : s.labels.defined() ? "label"
                                                  : "predicted";
  if (target == "label") {
    if (!s.labels.defined()) throw UsageError("--target label: --input files have no labels");
    return to_integers(s.labels);
  }
  if (target == "predicted") return predicted;
  return std::vector<int64_t>(s.indices.size(), class_from(target, card, "--target"));
}

// A method's name in file names, where colons do not belong: "smooth-gradient".
std::string file_part(std::string method) {
  std::replace(method.begin(), method.end(), ':', '-');
  return method;
}

Json run(const Invocation& in, const ExplainOptions& o) {
  const RunFolder folder = open_model(o.model, in.console);
  check_classifier(folder, "explain");
  const Subject s = read_subject(o, in.common, folder);
  const Tensor images = standardised(s.pictures, folder.card);
  const Tensor logits = logits_of(folder, images);
  const std::vector<int64_t> predicted = to_integers(arg_max(logits, 1));
  const std::vector<int64_t> classes = target_classes(o, s, predicted, folder.card);
  const std::vector<double> scores = select(softmax(logits), classes).to_vector();

  // Everything that can be refused is refused before the first file is written
  std::string layer;
  for (const std::string& name : o.method) {
    if (method_named(name).needs_layer && layer.empty()) layer = layer_for(folder, o.layer);
  }
  const auto seed = static_cast<uint64_t>(in.common.seed);
  const std::vector<interpret::Maps> computed =
      explain_images(folder, o.method, layer, images, classes, seed);
  const std::string out = in.common.out.empty() ? "explanations" : in.common.out;
  make_folder(out);
  const auto class_name = [&](int64_t k) {
    return folder.card.class_names[static_cast<size_t>(k)];
  };
  std::vector<std::string> pictures;  // the images alone, to be seen beside their maps
  for (size_t k = 0; k < s.indices.size(); ++k) {
    pictures.push_back(join_text(out, "/", s.indices[k], ".png"));
    save_png(pictures[k], picture_alone(interpret::one_of(s.pictures, static_cast<int64_t>(k))));
  }

  Json rows = Json::array();
  Json games = Json::array();
  const int64_t count = images.size(0);
  for (size_t m = 0; m < o.method.size(); ++m) {
    const std::string& method = o.method[m];
    const interpret::Maps& maps = computed[m];
    for (int64_t n = 0; n < count; ++n) {
      const auto k = static_cast<size_t>(n);
      const std::string stem = join_text(out, "/", s.indices[k], "-", file_part(method));
      std::string note;
      const Image picture = picture_with_map(
          interpret::one_of(s.pictures, n), interpret::one_of(maps.shown, n), &note);
      if (!maps.notes[k].empty()) note = maps.notes[k];
      save_npy(stem + ".npy", interpret::one_of(maps.raw, n));
      save_png(stem + ".png", picture);
      in.console.progress(method, n + 1, count);
      const std::string target = class_name(classes[k]);
      const bool is_predicted = classes[k] == predicted[k];
      Json row = Json::object(
          {{"index", s.indices[k]},
           {"method", method},
           {"target", classes[k]},
           {"class_name", target},
           {"score", scores[k]},
           {"predicted", predicted[k]},
           {"predicted_name", class_name(predicted[k])},
           {"input", s.names.empty() ? Json() : Json(s.names[k])},
           {"picture", pictures[k]},
           {"npy", stem + ".npy"},
           {"png", stem + ".png"},
           {"note", note}});
      if (!maps.completeness.empty()) {
        const interpret::Completeness& sums = maps.completeness[k];
        row.set("score_difference", sums.difference);
        row.set("completeness_gap", std::abs(sums.total - sums.difference));
      }
      rows.push(row);
      in.console.result(join_text(
          stem, ".png  ", target, " ", percent(scores[k]),
          is_predicted ? "" : ", predicted " + class_name(predicted[k]),
          s.names.empty() ? "" : "  " + s.names[k], note.empty() ? "" : "  (" + note + ")"));
    }
    if (s.masks.defined()) {
      const double rate = interpret::hit_rate(interpret::pointing_game(maps.shown, s.masks));
      games.push(Json::object({{"method", method}, {"hit_rate", rate}}));
      in.console.result("pointing game, " + method + ": " + percent(rate));
    }
  }
  Json result = Json::object(
      {{"model", name_of(folder)},
       {"maps", rows},
       {"layer", layer.empty() ? Json() : Json(layer)}});
  if (s.masks.defined()) {
    // Controls: always the centre, and a random pixel
    Rng rng(seed);
    const double centre = interpret::hit_rate(interpret::pointing_game_centre(s.masks));
    const double random = interpret::hit_rate(interpret::pointing_game_random(s.masks, rng));
    in.console.result(join_text(
        "pointing game, controls over ", count, " images: centre ", percent(centre), ", random ",
        percent(random)));
    result.set(
        "pointing_game",
        Json::object({{"images", count}, {"rows", games}, {"centre", centre}, {"random", random}}));
  }
  return result;
}

}  // namespace

Command explain_command() {
  auto options = std::make_shared<ExplainOptions>();
  return {
      .name = "explain",
      .summary = "saliency maps as .npy and .png",
      .example = "limpid explain runs/fashion --data fashion-2k --indices 0,3 --method grad-cam",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.text("data", options->data, "data set, its test part; the run's own unless given");
            a.list(
                "indices", options->indices,
                "which examples, by position; the first eight unless given");
            a.integer("count", options->count, "so many examples, from the first on", 0, INT64_MAX);
            a.list("input", options->input, kInputHelp);
            a.list("method", options->method, method_list());
            a.text(
                "layer", options->layer,
                "layer of the class activation maps; the last spatial one unless given");
            a.text(
                "target", options->target,
                "class to explain: label, predicted, a number or a name; label unless --input is "
                "given");
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "explain.json"};
}

}  // namespace limpid::tools
