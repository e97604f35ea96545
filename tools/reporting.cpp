// tools/reporting.cpp: learning curves, and the maps of several runs side by side.
#include "tools/reporting.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/reduce.h"
#include "interpret/metrics/gradient_quality.h"
#include "interpret/report/heatmap.h"
#include "interpret/report/markup.h"
#include "interpret/report/plot.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/gradient_output.h"
#include "tools/measuring.h"
#include "tools/metrics_output.h"

#include <algorithm>
#include <cmath>

namespace limpid::tools {
namespace {

using interpret::fixed_text;
using interpret::ImageRow;
using interpret::Report;

// ---- Learning curves ----

using Value = double EpochLine::*;

// A line of the chart, unless nothing was measured.
void add_line(
    interpret::LineChart& chart, const std::string& name, const std::vector<EpochLine>& curve,
    Value value, double factor) {
  interpret::Series series{.name = name};
  for (const EpochLine& line : curve) {
    series.x.push_back(static_cast<double>(line.epoch));
    series.y.push_back(factor * (line.*value));
  }
  const bool is_empty = std::ranges::none_of(series.y, [](double y) { return std::isfinite(y); });
  if (!is_empty) chart.series.push_back(series);
}

void add_chart(Report& report, const interpret::LineChart& chart, const std::string& caption) {
  if (!chart.series.empty()) report.figure(interpret::line_chart(chart), caption);
}

// ---- Images ----

// Which of the images every run classifies correctly.
std::vector<bool> right_for_all(
    const std::vector<ShownRun>& runs, const datasets::Dataset& images) {
  std::vector<bool> is_right(static_cast<size_t>(images.size()), true);
  for (const ShownRun& run : runs) {
    const Tensor logits =
        logits_of(*run.folder, standardised(images.images.tensor(), run.folder->card));
    const Tensor best = arg_max(logits, 1);
    for (int64_t n = 0; n < images.size(); ++n) {
      const bool is_same = best.values<int64_t>()[static_cast<size_t>(n)] ==
                           images.labels.values<int64_t>()[static_cast<size_t>(n)];
      if (!is_same) is_right[static_cast<size_t>(n)] = false;
    }
    check_interrupt();
  }
  return is_right;
}

// Images that every run classifies correctly, as many classes as possible: first the first one of
// each class, then the first ones of any.
std::vector<int64_t> choose_images(
    const std::vector<ShownRun>& runs, const datasets::Dataset& images, int64_t count) {
  const std::vector<bool> is_right = right_for_all(runs, images);
  std::vector<int64_t> chosen;
  std::vector<bool> is_shown(static_cast<size_t>(images.classes), false);
  const auto add = [&](bool is_new_class) {
    for (int64_t n = 0; n < images.size() && std::ssize(chosen) < count; ++n) {
      const auto label =
          static_cast<size_t>(images.labels.values<int64_t>()[static_cast<size_t>(n)]);
      const bool is_taken = std::ranges::count(chosen, n) > 0 || (is_new_class && is_shown[label]);
      if (!is_right[static_cast<size_t>(n)] || is_taken) continue;
      is_shown[label] = true;
      chosen.push_back(n);
    }
  };
  add(true);
  add(false);
  return chosen;
}

// ---- Figures ----

constexpr const char* kWhatToLookAt =
    "The test images, the explained classes and the colour scale of each image are the same for "
    "all runs: violet is the least, yellow the greatest value of all maps of a method for an "
    "image. Of two maps the darker one has the smaller values. Below each map stands its own "
    "total variation; lower is smoother.\n\n"
    "What to look at: whether neighbouring pixels of the gradient agree, and whether what is "
    "bright lies on the object; speckle that ignores the object is noise. A network trained with "
    "a gradient penalty should have gradients that resemble its guided maps: a higher cosine and "
    "a lower total variation. SmoothGrad averages noise away, and shows what the penalty does "
    "beyond that; Grad-CAM is coarse and changes little. A clean map is not yet a true one: that "
    "is for metrics and sanity.";

std::vector<interpret::GradientQuality> quality_of(
    const std::vector<ShownRun>& runs, const datasets::Dataset& images, uint64_t seed) {
  std::vector<interpret::GradientQuality> all;
  for (const ShownRun& run : runs) {
    all.push_back(interpret::gradient_quality(
        *run.folder->model, standardised(images.images.tensor(), run.folder->card),
        images.labels.values<int64_t>(), {.seed = seed}));
    check_interrupt();
  }
  return all;
}

// The means of each run, as JSON.
Json described(
    const std::vector<ShownRun>& runs, const std::vector<interpret::GradientQuality>& quality,
    uint64_t seed) {
  Json all = Json::array();
  for (size_t k = 0; k < runs.size(); ++k) {
    Json run = Json::object({{"run", runs[k].name}, {"penalty", penalty_of(*runs[k].folder)}});
    for (const QualityFigure& figure : quality_figures()) {
      run.set(figure.key, summary(quality[k].*figure.values, seed).mean);
    }
    all.push(run);
  }
  return all;
}

// The two figures that matter, in words.
void add_words(Report& report, const Json& described) {
  const Json& first = described.items().front();
  const auto both = [&](const Json& run, const char* key) {
    return fixed_text(run.number(key), 3) + " against " + fixed_text(first.number(key), 3);
  };
  for (const Json& run : described.items()) {
    if (&run == &first) continue;
    report.paragraph(
        run.text("run") + " against " + first.text("run") + ": cosine " + both(run, "cosine") +
        ", total variation " + both(run, "variation") + ".");
  }
}

// One row per figure: every run, then the differences to the first.
void add_quality(
    Report& report, const std::vector<ShownRun>& runs,
    const std::vector<interpret::GradientQuality>& quality, uint64_t seed) {
  std::vector<std::string> headers = {"figure"};
  for (const ShownRun& run : runs) headers.push_back(run.name);
  for (size_t k = 1; k < runs.size(); ++k) {
    headers.push_back(runs[k].name + ", difference");
    headers.emplace_back("p");
  }

  const std::vector<bool> all(quality.front().cosine.size(), true);
  std::vector<std::vector<std::string>> rows;
  std::string definitions;
  for (const QualityFigure& figure : quality_figures()) {
    definitions += " " + figure.key + ": " + figure.definition + ".";
    rows.push_back({figure.key});
    for (const interpret::GradientQuality& one : quality) {
      const Summary s = summary(one.*figure.values, seed);
      rows.back().push_back(with_interval(s.mean, s.interval, 3));
    }
    for (size_t k = 1; k < runs.size(); ++k) {
      const auto test = paired(quality[0].*figure.values, quality[k].*figure.values, all, seed);
      rows.back().push_back(with_interval(test.mean, test.interval, 3));
      rows.back().push_back(fixed_text(test.p_value, 4));
    }
  }
  report.table(
      headers, rows,
      join_text(
          "Mean over the first ", all.size(),
          " test images, 95 % bootstrap interval; differences to ", runs[0].name,
          ", image by image, p of a sign-flip test.", definitions));
}

// ---- Maps ----

// The maps of one method for every run: [run][image] of [1, H, W]; none where the run has no layer
// with a spatial map.
struct MethodMaps {
  std::vector<std::vector<Tensor>> maps;
  std::vector<std::string> layers;
};

MethodMaps maps_of(
    const std::string& method, const std::vector<ShownRun>& runs, const datasets::Dataset& shown,
    uint64_t seed) {
  MethodMaps all;
  for (const ShownRun& run : runs) {
    const RunFolder& folder = *run.folder;
    all.maps.emplace_back();
    all.layers.emplace_back();
    const bool needs_layer = method_named(method).needs_layer;
    if (needs_layer && interpret::spatial_layers(*folder.model, folder.card.input).empty()) {
      continue;
    }
    if (needs_layer) all.layers.back() = layer_for(folder, "");
    const Tensor images = standardised(shown.images.tensor(), folder.card);
    const interpret::Maps maps =
        explain_images(
            folder, {method}, all.layers.back(), images, shown.labels.values<int64_t>(), seed)
            .front();
    for (int64_t n = 0; n < shown.size(); ++n)
      all.maps.back().push_back(interpret::one_of(maps.shown, n));
    check_interrupt();
  }
  return all;
}

// The variation of a map [1, H, W], where it says something.
std::string variation_note(const Tensor& map) {
  const Shape& s = map.shape();
  const double variation = interpret::total_variation(reshape(map, {1, s[0], s[1], s[2]})).front();
  return std::isfinite(variation) ? "variation " + fixed_text(variation, 2) : "flat";
}

// One map in the colours that all runs share for this image.
interpret::ColouredMap coloured(const MethodMaps& all, size_t run, size_t image) {
  std::vector<Tensor> same;
  for (const auto& maps : all.maps) {
    if (!maps.empty()) same.push_back(maps[image]);
  }
  const interpret::ColourLimits limits = interpret::common_limits(same);
  const Tensor& map = all.maps[run][image];
  if (!(limits.low < limits.high)) return interpret::colour(map);
  return interpret::colour(map, interpret::MapScale::range, limits);
}

void add_grid(
    Report& report, const std::string& method, const std::vector<ShownRun>& runs,
    const datasets::Dataset& shown, uint64_t seed) {
  const MethodMaps all = maps_of(method, runs, shown, seed);
  std::vector<std::string> columns;
  std::vector<ImageRow> rows = {{.label = "image", .images = {}}};
  for (int64_t n = 0; n < shown.size(); ++n) {
    const int64_t label = shown.labels.values<int64_t>()[static_cast<size_t>(n)];
    columns.push_back(runs[0].folder->card.class_names[static_cast<size_t>(label)]);
    rows[0].images.push_back(
        for_grid(interpret::image_of(interpret::one_of(shown.images.tensor(), n))));
  }
  for (size_t k = 0; k < runs.size(); ++k) {
    const std::string penalty = penalty_of(*runs[k].folder);
    const bool says_it = runs[k].name == penalty;
    ImageRow row{.label = runs[k].name + (says_it ? "" : ": " + penalty), .images = {}};
    if (!all.layers[k].empty()) row.label += ", at " + all.layers[k];
    for (size_t n = 0; n < columns.size(); ++n) {
      if (all.maps[k].empty()) {
        row.images.emplace_back();
        row.notes.emplace_back("no layer with a spatial map");
        continue;
      }
      const interpret::ColouredMap seen = coloured(all, k, n);
      row.images.push_back(for_grid(seen.image));
      row.notes.push_back(seen.note.empty() ? variation_note(all.maps[k][n]) : seen.note);
    }
    rows.push_back(row);
  }
  report.paragraph(method + ": " + method_named(method).what + ".");
  report.image_grid(columns, rows);
}

}  // namespace

std::string penalty_of(const RunFolder& folder) {
  const Json options = folder.config.get_or("options", Json::object());
  const std::string error = options.get_or("interpretable-gradients", "").text();
  const double lambda = options.get_or("lambda", 0).number();
  if (error.empty() || lambda == 0) return "standard";
  return error + " penalty, lambda " + interpret::number_text(lambda);
}

std::string with_interval(double mean, const interpret::Interval& interval, int digits) {
  if (!std::isfinite(mean)) return "-";
  return fixed_text(mean, digits) + " [" + fixed_text(interval.low, digits) + ", " +
         fixed_text(interval.high, digits) + "]";
}

Image for_grid(const Image& image) {
  constexpr int64_t kLargest = 192, kReduced = 112;  // pixels of the longer side
  const int64_t longer = std::max(image.width, image.height);
  if (longer <= kLargest) return image;
  return datasets::resize(
      image, std::max<int64_t>(1, image.height * kReduced / longer),
      std::max<int64_t>(1, image.width * kReduced / longer));
}

void add_curves(Report& report, const std::string& name, const std::vector<EpochLine>& curve) {
  interpret::LineChart loss{
      .title = "Loss by epoch, " + name, .x_title = "epoch", .y_title = "loss"};
  add_line(loss, "train", curve, &EpochLine::train_loss, 1);
  add_line(loss, "validation", curve, &EpochLine::validation_loss, 1);
  add_line(loss, "test", curve, &EpochLine::test_loss, 1);
  add_chart(report, loss, "Loss on the parts of the data after each epoch.");

  interpret::LineChart accuracy{
      .title = "Accuracy by epoch, " + name, .x_title = "epoch", .y_title = "accuracy, %"};
  add_line(accuracy, "train", curve, &EpochLine::train_accuracy, 100);
  add_line(accuracy, "validation", curve, &EpochLine::validation_accuracy, 100);
  add_line(accuracy, "test", curve, &EpochLine::test_accuracy, 100);
  add_chart(report, accuracy, "Accuracy, likewise; of training images as the weights changed.");

  interpret::LineChart cosine{
      .title = "Gradient cosine by epoch, " + name, .x_title = "epoch", .y_title = "cosine"};
  add_line(cosine, "test", curve, &EpochLine::gradient_cosine, 1);
  add_chart(
      report, cosine,
      "Mean cosine of the gradient and the guided gradient of the test images: 1 if they agree.");
}

Json add_comparison(
    Report& report, const std::vector<ShownRun>& runs, const datasets::Dataset& test,
    const ComparisonOptions& o, Console& console) {
  constexpr int64_t kSearched = 1000;  // images among which those to show are chosen
  report.paragraph(kWhatToLookAt);
  const auto quality = quality_of(runs, datasets::first(test, o.measured), o.seed);
  const Json means = described(runs, quality, o.seed);
  add_words(report, means);
  add_quality(report, runs, quality, o.seed);
  const datasets::Dataset searched = datasets::first(test, kSearched);
  const std::vector<int64_t> chosen = choose_images(runs, searched, o.count);
  if (chosen.empty()) {
    report.paragraph(join_text(
        "No maps are shown: none of the first ", searched.size(),
        " test images is classified correctly by all runs."));
  } else {
    const datasets::Dataset shown = datasets::take(searched, chosen);
    int64_t done = 0;
    for (const std::string& method : o.methods) {
      add_grid(report, method, runs, shown, o.seed);
      console.progress("maps", ++done, std::ssize(o.methods));
    }
  }
  return Json::object(
      {{"data", test.name},
       {"measured", std::min(o.measured, test.size())},
       {"images", std::ssize(chosen)},
       {"runs", means}});
}

}  // namespace limpid::tools
