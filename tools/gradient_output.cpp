// tools/gradient_output.cpp: one line per figure of the gradient of the loss.
#include "tools/gradient_output.h"

#include "framework/core/error.h"
#include "tools/console.h"
#include "tools/metrics_output.h"

#include <string>

namespace limpid::tools {
namespace {

constexpr size_t kKeyWidth = 18;
constexpr int kDigits = 4;
constexpr int64_t kSteps[] = {1, 2};  // of FGSM, 255ths of the range of a pixel

// One number per image.
struct ImageFigure {
  std::string key;
  std::string definition;
  const std::vector<double>& values;
};

// The same figures in the same order for every model.
std::vector<ImageFigure> image_figures(const GradientFigures& f) {
  std::vector<ImageFigure> all;
  for (const QualityFigure& figure : quality_figures()) {
    all.push_back({figure.key, figure.definition, f.quality.*figure.values});
  }
  all.push_back(
      {"shift_cosine",
       "cosine of u, along which the cosine penalty moves the image (the slope of 1 - cosine by "
       "the gradient), and of sign(gradient), along which FGSM does; 0 for unrelated directions",
       f.shift.cosine});
  all.push_back({"accuracy", "share of the images that are classified as labelled", f.shift.clean});
  for (size_t k = 0; k < std::size(kSteps); ++k) {
    const std::string step = join_text(kSteps[k]);
    all.push_back(
        {"accuracy_fgsm_" + step,
         "accuracy when each pixel has moved by " + step +
             "/255 along sign(gradient), within [0, "
             "1]",
         f.shift.fgsm[k]});
    all.push_back(
        {"accuracy_random_" + step,
         "control: the same steps of " + step + "/255, each up or down at random",
         f.shift.random[k]});
  }
  return all;
}

Json image_figure_json(
    const ImageFigure& figure, const std::vector<double>* other, uint64_t seed,
    const Console& console) {
  const Summary s = summary(figure.values, seed);
  std::string line = "gradient " + padded(figure.key, kKeyWidth) + cell(s, kDigits);
  Json item = Json::object({{"mean", s.mean}, {"interval", pair_of(s.interval)}});
  if (other != nullptr) {
    const std::vector<bool> all(figure.values.size(), true);
    const auto test = paired(figure.values, *other, all, seed);
    line += "; difference " + difference_text(test, kDigits);
    item.set("difference", test.mean)
        .set("difference_interval", pair_of(test.interval))
        .set("p_value", test.p_value);
  }
  console.result(line + "  " + figure.definition);
  return item.set("definition", figure.definition);
}

double mean_removed(const std::vector<interpret::RectifierFlow>& rows) {
  double total = 0;
  for (const interpret::RectifierFlow& row : rows) total += row.removed;
  return total / static_cast<double>(rows.size());
}

std::string removal_text(const std::vector<interpret::RectifierFlow>& rows) {
  if (rows.empty()) return "no rectifiers";
  return join_text(
      "first ", fixed(rows.front().removed, kDigits), ", mean ", fixed(mean_removed(rows), kDigits),
      ", last ", fixed(rows.back().removed, kDigits), " of ", rows.size(), " rectifiers");
}

Json removal_json(const std::vector<interpret::RectifierFlow>& rows) {
  Json rectifiers = Json::array();
  for (const interpret::RectifierFlow& row : rows) {
    rectifiers.push(
        Json::object({{"op", row.op}, {"removed", row.removed}, {"arriving", row.arriving}}));
  }
  return Json::object(
      {{"mean", rows.empty() ? Json() : Json(mean_removed(rows))}, {"rectifiers", rectifiers}});
}

}  // namespace

const std::vector<QualityFigure>& quality_figures() {
  using Quality = interpret::GradientQuality;
  static const std::vector<QualityFigure> all = {
      {"cosine", "cosine of the loss gradient and its guided version", &Quality::cosine},
      {"variation", "total variation of |gradient| / sum |gradient|, 0 to 4", &Quality::variation},
      {"sparsity", "Gini index of |gradient|", &Quality::sparsity},
      {"stability", "cosine of the gradients of the image and of the image with 5 % noise",
       &Quality::stability}};
  return all;
}

GradientFigures gradient_figures(
    const RunFolder& folder, const Tensor& images, const Tensor& labels, uint64_t seed) {
  const auto per_channel = [](const std::vector<double>& values) {
    return Tensor::of({std::ssize(values)}, values);
  };
  interpret::ShiftOptions options{
      .epsilons = {},
      .scale = {per_channel(folder.card.mean), per_channel(folder.card.std)},
      .seed = seed};
  for (const int64_t step : kSteps) options.epsilons.push_back(static_cast<double>(step) / 255);
  return {
      interpret::gradient_quality(*folder.model, images, labels.values<int64_t>(), {.seed = seed}),
      interpret::shift_figures(*folder.model, images, labels, options)};
}

Json report_gradients(
    const GradientFigures& figures, const GradientFigures* other, uint64_t seed,
    const Console& console) {
  const std::string definition =
      "share of the gradient of the loss that the guided rule removes: of what arrives where a "
      "rectifier is open, past the rule at all later ones, sum |min(g, 0)| / sum |g| over all "
      "images; rectifiers in forward order";
  Json json = Json::object();
  const std::vector<ImageFigure> rows = image_figures(figures);
  std::vector<ImageFigure> others;
  if (other != nullptr) others = image_figures(*other);
  for (size_t k = 0; k < rows.size(); ++k) {
    const std::vector<double>* beside = other != nullptr ? &others[k].values : nullptr;
    json.set(rows[k].key, image_figure_json(rows[k], beside, seed, console));
  }
  std::string line =
      "gradient " + padded("removal", kKeyWidth) + removal_text(figures.shift.removal);
  Json removal = removal_json(figures.shift.removal);
  if (other != nullptr) {
    line += "; the other model: " + removal_text(other->shift.removal);
    removal.set("against", removal_json(other->shift.removal));
  }
  console.result(line + "  " + definition);
  return json.set("removal", removal.set("definition", definition));
}

}  // namespace limpid::tools
