// tools/report_coreset.cpp: curves, times and pictures of coresets.
#include "tools/report_coreset.h"

#include "framework/core/error.h"
#include "interpret/report/heatmap.h"
#include "interpret/report/markup.h"
#include "interpret/report/plot.h"
#include "tools/report_results.h"
#include "tools/report_values.h"

#include <algorithm>
#include <cmath>

namespace limpid::tools {
namespace {

using interpret::Report;
using interpret::Series;

constexpr size_t kLines = 5;  // methods in one chart, beside the random band

std::string percent_of(double fraction) { return interpret::number_text(100 * fraction, 4) + " %"; }

std::string with_interval(const Json& estimate, int digits = 3, double factor = 1) {
  const interpret::Interval ci = interval_in(estimate, "ci");
  return text_of(factor * number_in(estimate, "mean"), digits) + " [" +
         text_of(factor * ci.low, digits) + ", " + text_of(factor * ci.high, digits) + "]";
}

std::vector<std::string> methods_in(const Json& rows) {
  std::vector<std::string> names;
  for (const Json& row : rows.items()) {
    if (std::ranges::find(names, row.text("method")) == names.end()) {
      names.push_back(row.text("method"));
    }
  }
  return names;
}

// ---- Similarity by fraction ----

void add_point(Series& series, double x, const Json& estimate) {
  const interpret::Interval ci = interval_in(estimate, "ci");
  series.x.push_back(x);
  series.y.push_back(number_in(estimate, "mean"));
  series.low.push_back(ci.low);
  series.high.push_back(ci.high);
}

Series curve_of(const Json& result, const std::string& method) {
  Series series{.name = method};
  for (const Json& row : result.at("rows").items()) {
    if (row.text("method") != method) continue;
    add_point(
        series, 100 * row.number("fraction"), row.at("similarity").at(result.text("headline")));
  }
  return series;
}

Series level(const std::string& name, double value, const Series& like) {
  return {.name = name, .x = {like.x.front(), like.x.back()}, .y = {value, value}};
}

// Some methods with chance, the floor and, wherever it was run, the random selection.
void add_curves_of(Report& report, const Json& result, const std::vector<std::string>& shown) {
  const std::string headline = result.text("headline");
  interpret::LineChart chart{
      .title = "Similarity to the interpretation on all data",
      .x_title = "samples, % of all",
      .y_title = headline};
  for (const std::string& method : shown) chart.series.push_back(curve_of(result, method));
  const Series first = chart.series.front();
  for (const char* name : {"floor", "null"}) {
    const double value = number_in(result.at(name).at(headline), "mean");
    chart.series.push_back(level(name == std::string("null") ? "chance" : name, value, first));
  }
  report.figure(
      line_chart(chart),
      "With 95 % intervals over the classes and runs; the band of random is what a selector has to "
      "beat. Floor: all data in another order or from another start.");
}

// What the smallest part says, in words: random beside chance and the floor, the others beside it.
std::string reading_of(const Json& result) {
  const std::string headline = result.text("headline");
  const Json::Items& rows = result.at("rows").items();
  const Json* random = nullptr;
  for (const Json& row : rows) {
    if (row.text("method") != "random") continue;
    if (random == nullptr || row.number("fraction") < random->number("fraction")) random = &row;
  }
  if (random == nullptr) return "";
  const double fraction = random->number("fraction");
  const Json& chance_choice = random->at("similarity").at(headline);
  const interpret::Interval band = interval_in(chance_choice, "ci");
  std::string text = join_text(
      "With ", percent_of(fraction), " of the samples, chosen at random, the interpretation has a ",
      headline, " of ", text_of(number_in(chance_choice, "mean"), 3),
      " to that on all; chance gives ",
      text_of(number_in(result.at("null").at(headline), "mean"), 3), ", all data again ",
      text_of(number_in(result.at("floor").at(headline), "mean"), 3), ".");
  int64_t others = 0, above = 0, below = 0;
  const Json* best = nullptr;
  const auto similarity = [&](const Json& row) {
    return number_in(row.at("similarity").at(headline), "mean");
  };
  for (const Json& row : rows) {
    if (row.number("fraction") != fraction || row.text("method") == "random") continue;
    const interpret::Interval ci = interval_in(row.at("similarity").at(headline), "ci");
    ++others;
    above += ci.low > band.high ? 1 : 0;
    below += ci.high < band.low ? 1 : 0;
    if (best == nullptr || similarity(row) > similarity(*best)) best = &row;
  }
  if (best == nullptr) return text;
  text += " " + best->text("method") + " has " + text_of(similarity(*best), 3);
  if (others == 1) {
    return text + (above > 0   ? ", above the interval of random."
                   : below > 0 ? ", below the interval of random."
                               : "; the intervals overlap.");
  }
  return text + join_text(
                    ", the most of ", others, " other methods; ", above,
                    " lie wholly above the interval of random, ", below, " wholly below.");
}

void add_curves_of_methods(Report& report, const Json& result) {
  std::vector<std::string> methods = methods_in(result.at("rows"));
  const auto erased = std::erase(methods, "random");
  for (size_t begin = 0; begin < methods.size() || begin == 0; begin += kLines) {
    std::vector<std::string> shown;
    if (erased > 0) shown.emplace_back("random");
    for (size_t k = begin; k < std::min(methods.size(), begin + kLines); ++k) {
      shown.push_back(methods[k]);
    }
    add_curves_of(report, result, shown);
  }
}

void add_similarities(Report& report, const Json& result) {
  const std::string headline = result.text("headline");
  const bool has_ablation = result.find("ablation") != nullptr;
  std::vector<std::string> headers = {"method", "part", "samples", headline, "skill", "active"};
  if (has_ablation) headers.emplace_back("lost, points");
  Rows cells;
  for (const Json& row : result.at("rows").items()) {
    const Json& similarity = row.at("similarity").at(headline);
    cells.push_back(
        {row.text("method"), percent_of(row.number("fraction")), join_text(row.integer("count")),
         with_interval(similarity), text_of(number_in(similarity, "skill"), 3),
         text_of(number_in(row, "active"), 1)});
    if (has_ablation) cells.back().push_back(with_interval(row.at("drop"), 1, 100));
  }
  report.table(
      headers, cells,
      "Skill is 0 by chance and 1 at the floor. Active: units or concepts, mean over the classes." +
          std::string(
              has_ablation ? " Lost: accuracy of a class on test images without its units." : ""));
}

void add_ablation(Report& report, const Json& result) {
  const Json* ablation = result.find("ablation");
  if (ablation == nullptr) return;
  interpret::BarChart chart{
      .title = "Accuracy lost with the units", .value_title = "percentage points"};
  for (const auto& [key, label] :
       {std::pair{"full", "units of all data"}, {"random", "as many others of the same layers"}}) {
    const Json& estimate = ablation->at(key);
    const interpret::Interval ci = interval_in(estimate, "ci");
    chart.bars.push_back({label, 100 * number_in(estimate, "mean"), 100 * ci.low, 100 * ci.high});
  }
  report.figure(
      bar_chart(chart),
      "A similar interpretation need not be a right one: what the classes lose, "
      "mean over them, once their units are silent.");
}

// ---- Time ----

void add_seconds(Report& report, const Json& result) {
  constexpr size_t kMostBars = 5;  // methods with a bar per part
  const std::vector<std::string> parts = {"features", "select", "activations", "fit"};
  const Json& rows = result.at("rows");
  const double least = std::ranges::min(rows.items(), {}, [](const Json& row) {
                         return row.number("fraction");
                       }).number("fraction");
  const bool is_split = methods_in(rows).size() <= kMostBars;
  interpret::BarChart chart{.title = "Where the time goes", .value_title = "seconds"};
  Rows cells;
  for (const Json& row : rows.items()) {
    const Json& seconds = row.at("seconds");
    double total = 0;
    std::vector<std::string> line = {row.text("method"), percent_of(row.number("fraction"))};
    for (const std::string& part : parts) {
      total += seconds.number(part);
      line.push_back(text_of(seconds.number(part), 3));
      if (is_split && row.number("fraction") == least) {
        chart.bars.push_back({row.text("method") + ", " + part, seconds.number(part)});
      }
    }
    if (!is_split && row.number("fraction") == least) {
      chart.bars.push_back({row.text("method"), total});
    }
    line.push_back(text_of(total, 3));
    cells.push_back(line);
  }
  const Json& full = result.at("seconds_full");
  for (const char* part : {"activations", "fit"}) {
    chart.bars.push_back({std::string("all data, ") + part, full.number(part)});
  }
  report.figure(
      bar_chart(chart), "At " + percent_of(least) +
                            ", beside all data. Informed methods look at every sample before they "
                            "choose: features are read of all.");
  report.table(
      {"method", "part", "features, s", "selection, s", "activations, s", "fit, s", "all, s"},
      cells, "Seconds as they were measured.");
}

// ---- Pictures ----

std::string name_of_part(const Json& part) {
  if (part.find("unit") != nullptr) {
    return join_text(
        part.text("layer"), " unit ", part.integer("unit"), " (weight ",
        text_of(part.number("weight"), 3), ")");
  }
  return join_text(
      "concept ", part.integer("concept"), " of ", part.text("layer"), " (importance ",
      text_of(number_in(part, "importance"), 3), ")");
}

// One picture per class, a row per unit or concept.
void add_parts(Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  const Json* parts = result.find("parts");
  if (parts == nullptr || parts->items().empty()) return;
  report.paragraph(
      parts->items().front().find("unit") != nullptr
          ? "The heaviest units of each class, a row each: the mean of the parts of images to "
            "which a unit responds most, then these images, each with the guided gradient of the "
            "response."
          : "The most important concepts of each class, a row each, on the images that show most "
            "of them. Importance: derivative of the logit along the concept.");
  Gallery gallery(report, folder, most_bytes);
  const auto& all = parts->items();
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    const std::string name = all[begin].text("class");
    std::vector<std::vector<Image>> rows;
    std::string caption = "Class " + name;
    for (; end < all.size() && all[end].text("class") == name; ++end) {
      rows.push_back({load_image(found_at(all[end].text("png"), folder), 3)});
      caption += (end == begin ? ": " : ", ") + name_of_part(all[end]);
    }
    gallery.add(interpret::grid(rows), "what class " + name + " is seen by", caption + ".");
  }
  gallery.end();
}

void add_chosen(Report& report, const Json& chosen, const std::string& folder, int64_t most_bytes) {
  Gallery gallery(report, folder, most_bytes);
  for (const Json& row : chosen.items()) {
    const std::string name = row.text("method") + " at " + percent_of(row.number("fraction"));
    gallery.add(
        load_image(found_at(row.text("png"), folder), 3), "images chosen by " + name,
        "The first images that were chosen by " + name + ", a row per class.");
  }
  gallery.end();
}

std::string source_of(const Json& result) {
  return join_text(
      result.text("interpreter"), " of ", short_name(result.text("model")), " on ",
      short_name(result.text("data")), " (", result.text("layers"), ")");
}

}  // namespace

void add_protocol(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  report.section(
      "Interpreting with little data: " + result.text("interpreter"),
      join_text(
          source_of(result), ", ", result.integer("count"),
          " samples. How alike is the interpretation on a part of the data to that on all?"));
  if (const std::string text = reading_of(result); !text.empty()) report.paragraph(text);
  add_curves_of_methods(report, result);
  add_similarities(report, result);
  add_ablation(report, result);
  add_seconds(report, result);
  if (const Json* chosen = result.find("chosen")) {
    add_chosen(report, *chosen, folder, most_bytes / 2);
  }
  add_parts(report, result, folder, most_bytes / 2);
}

void add_growth(Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  report.section(
      "Growing until the interpretation stays: " + result.text("method"),
      source_of(result) + ". " + result.text("cost_and_benefit") + ".");
  std::vector<interpret::Tile> tiles = {
      {"Ended", result.text("stop_reason"), "at " + percent_of(result.number("fraction"))}};
  if (has_value(result, "smallest")) {
    tiles.push_back({"Enough", percent_of(result.number("smallest")), "first met the target"});
  }
  if (has_value(result, "similarity_full")) {
    tiles.push_back(
        {"Audit", text_of(result.number("similarity_full"), 3),
         result.text("headline") + " to all data"});
  }
  report.tiles(tiles);

  Series successive{.name = "to the stage before"}, reliability{.name = "reliability"};
  Series random{.name = "to a random part"};
  Rows cells;
  for (const Json& stage : result.at("stages").items()) {
    const double x = 100 * stage.number("fraction");
    const Json& similarity = stage.at("similarity");
    if (!similarity.is_null()) add_point(successive, x, similarity);
    reliability.x.push_back(x);
    reliability.y.push_back(number_in(stage, "reliability"));
    if (has_value(stage, "against_random")) {
      random.x.push_back(x);
      random.y.push_back(stage.number("against_random"));
    }
    const Json &seconds = stage.at("seconds"), &forecast = stage.at("forecast");
    cells.push_back(
        {percent_of(stage.number("fraction")), join_text(stage.integer("count")),
         similarity.is_null() ? "-" : with_interval(similarity),
         text_of(number_in(stage, "reliability"), 3),
         text_of(number_in(stage, "against_random"), 3),
         text_of(seconds.number("activations") + seconds.number("fit"), 3),
         text_of(seconds.number("checks"), 3), text_of(number_in(forecast, "count"), 0),
         text_of(number_in(forecast, "gain"), 4)});
  }
  interpret::LineChart chart{
      .title = "Agreement by stage",
      .x_title = "samples, % of all",
      .y_title = result.text("headline")};
  chart.series.push_back(reliability);
  if (!successive.x.empty()) chart.series.push_back(successive);
  if (!random.x.empty()) chart.series.push_back(random);
  if (reliability.x.size() > 1) {
    chart.series.push_back(level("target", result.number("target"), reliability));
  }
  report.figure(
      line_chart(chart),
      "None of the three needs the interpretation on all data. Reliability: what "
      "two such parts would agree in, from random halves.");
  report.table(
      {"part", "samples", "to the stage before", "reliability", "to random", "seconds", "checks, s",
       "samples for the target", "next gain"},
      cells, "The last two columns are forecasts.");
  if (has_value(result, "chosen")) {
    report.picture(
        picture_at(result.text("chosen"), folder), "chosen images, a row per class",
        "The first images of each class that were chosen.");
  }
  add_parts(report, result, folder, most_bytes);
}

}  // namespace limpid::tools
