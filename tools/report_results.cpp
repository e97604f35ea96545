// tools/report_results.cpp: JSON into tables, charts and grids.
#include "tools/report_results.h"

#include "framework/core/error.h"
#include "interpret/report/markup.h"
#include "interpret/report/plot.h"
#include "tools/metrics_output.h"
#include "tools/report_values.h"
#include "tools/reporting.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>

namespace limpid::tools {
namespace {

using interpret::fixed_text;
using interpret::LineChart;
using interpret::Report;
using interpret::Series;

// ---- Metrics ----

std::string row_name(const Json& row) {
  const std::string& name = row.text("method");
  return row.get_or("control", false).boolean() ? "(" + name + ")" : name;
}

// The figures that some row has; not every method has all.
std::vector<Figure> figures_in(const Json& rows) {
  std::vector<Figure> used;
  for (const Figure& figure : figures()) {
    const auto has_figure = [&](const Json& row) { return has_value(row, figure.key); };
    if (std::ranges::any_of(rows.items(), has_figure)) used.push_back(figure);
  }
  return used;
}

// One digit less than on the console, where there is room for seven columns with intervals.
int digits_of(const Figure& figure) { return std::min(3, std::max(1, figure.digits - 1)); }

// What the columns mean, with their titles in place of the keys.
std::string definitions_of_rows(const Json& result) {
  const Json& all = result.at("definitions");
  Json shown = Json::object();
  for (const char* key : {"p", "o"}) shown.set(key, all.text(key));
  for (const Figure& figure : figures_in(result.at("rows"))) {
    shown.set(figure.title, all.text(figure.key));
  }
  return definitions_of(shown);
}

std::string remark_of(const Json& row) {
  const std::string same_as = text_in(row, "same_as");
  const int64_t flat = row.get_or("flat", 0).integer();
  std::string text = same_as.empty() ? "" : "same maps as " + same_as;
  if (flat > 0) text += join_text(text.empty() ? "" : ", ", flat, " maps flat");
  return text;
}

void add_rows(Report& report, const Json& rows, const std::string& caption) {
  const std::vector<Figure> used = figures_in(rows);
  std::vector<std::string> headers = {"method"};
  for (const Figure& figure : used) headers.push_back(figure.title);
  Rows cells;
  std::string remarks;
  for (const Json& row : rows.items()) {
    cells.push_back({row_name(row)});
    for (const Figure& figure : used) {
      cells.back().push_back(
          has_value(row, figure.key)
              ? with_interval(
                    number_in(row, figure.key), interval_in(row.at("intervals"), figure.key),
                    digits_of(figure))
              : "-");
    }
    const std::string remark = remark_of(row);
    if (!remark.empty()) remarks += " " + row_name(row) + ": " + remark + ".";
  }
  report.table(headers, cells, caption + remarks);
}

// The mean curves of all rows that have one, by the share of the pixels that was changed.
void add_curves(
    Report& report, const Json& result, const std::string& key, const std::string& title,
    const std::string& caption) {
  const double step = number_in(result, "step");
  const double pixels = has_value(result, "pixels") ? number_in(result, "pixels") : 0;
  LineChart chart{
      .title = title + ", mean over images",
      .x_title = "pixels changed, %",
      .y_title = "probability of the class"};
  for (const Json& row : result.at("rows").items()) {
    if (!has_value(row, key) || has_value(row, "same_as")) continue;
    Series series{.name = row_name(row), .y = numbers_in(row, key)};
    const double last = static_cast<double>(series.y.size()) - 1;
    const double all = pixels > 0 ? pixels : step * last;
    for (size_t k = 0; k < series.y.size(); ++k) {
      series.x.push_back(100 * std::min(1.0, step * static_cast<double>(k) / all));
    }
    chart.series.push_back(series);
  }
  if (!chart.series.empty()) report.figure(interpret::line_chart(chart), caption);
}

// One row per method, one column per figure.
void add_tests(
    Report& report, const Json& differences, const std::vector<Figure>& used,
    const std::string& caption, std::string (*cell)(const Json& test, const Figure& figure)) {
  std::vector<std::string> headers = {"method"};
  for (const Figure& figure : used) headers.push_back(figure.title);
  Rows cells;
  for (const Json& row : differences.items()) {
    cells.push_back({row_name(row)});
    for (const Figure& figure : used) {
      const Json* test = row.find(figure.key);
      cells.back().push_back(test != nullptr ? cell(*test, figure) : "-");
    }
  }
  report.table(headers, cells, caption);
}

// Differences with their intervals, then the p values.
void add_differences(
    Report& report, const Json& differences, const Json& rows, const std::string& caption) {
  const std::vector<Figure> used = figures_in(rows);
  add_tests(report, differences, used, caption, [](const Json& test, const Figure& figure) {
    return with_interval(
        number_in(test, "difference"), interval_in(test, "interval"), digits_of(figure));
  });
  add_tests(
      report, differences, used, "p of a sign-flip test of these differences.",
      [](const Json& test, const Figure&) { return fixed_text(number_in(test, "p_value"), 4); });
}

void add_against(Report& report, const Json& result) {
  const Json& against = result.at("against");
  const std::string one = short_name(result.text("model"));
  const std::string other = short_name(against.text("model"));
  add_rows(report, against.at("rows"), "The same figures for " + other + ".");
  add_differences(
      report, against.at("differences"), result.at("rows"),
      other + " minus " + one +
          " on the same images and classes. A gain counts only beyond that of the controls.");
  const Json& matched = against.at("matched");
  add_differences(
      report, matched.at("differences"), result.at("rows"),
      join_text(
          "The same over the ", matched.integer("count"),
          " images that both get right with about the same probability, where confidence cannot be "
          "the reason."));
}

// The share that the guided rule removes, from the first rectifier to the last.
Series removal_line(const std::string& name, const Json& removal) {
  Series series{.name = name};
  for (const Json& row : removal.at("rectifiers").items()) {
    series.y.push_back(number_in(row, "removed"));
  }
  return series;
}

void add_removal(Report& report, const Json& result) {
  const Json& removal = result.at("gradients").at("removal");
  LineChart chart{
      .title = "Gradient that the guided rule removes, by rectifier",
      .x_title = "rectifier, in forward order",
      .y_title = "share removed",
      .series = {removal_line(short_name(result.text("model")), removal)}};
  if (has_value(removal, "against")) {
    chart.series.push_back(
        removal_line(short_name(result.at("against").text("model")), removal.at("against")));
  }
  report.figure(interpret::line_chart(chart), removal.text("definition") + ".");
}

void add_gradients(Report& report, const Json& result) {
  const Json& gradients = result.at("gradients");
  const bool is_paired = has_value(result, "against");
  std::vector<std::string> headers = {"gradient", "mean"};
  if (is_paired) headers.insert(headers.end(), {"difference", "p"});
  Rows cells;
  std::string definitions;
  for (const Json::Member& member : gradients.members()) {
    if (member.key == "removal") continue;  // no number per image
    const Json& figure = member.value;
    cells.push_back(
        {member.key, with_interval(number_in(figure, "mean"), interval_in(figure, "interval"), 3)});
    if (is_paired) {
      cells.back().push_back(with_interval(
          number_in(figure, "difference"), interval_in(figure, "difference_interval"), 3));
      cells.back().push_back(fixed_text(number_in(figure, "p_value"), 4));
    }
    definitions += " " + member.key + ": " + figure.text("definition") + ".";
  }
  report.table(headers, cells, "What the gradient of the loss is like." + definitions);
  if (has_value(gradients, "removal")) add_removal(report, result);
}

void add_roar(Report& report, const Json& roar) {
  LineChart chart{
      .title = "Accuracy after removal and retraining",
      .x_title = "pixels removed, %",
      .y_title = "test accuracy, %"};
  for (const Json& row : roar.at("rows").items()) {
    Series series{
        .name = row_name(row), .x = numbers_in(roar, "shares"), .y = numbers_in(row, "accuracy")};
    for (double& value : series.y) value *= 100;
    chart.series.push_back(series);
  }
  report.figure(
      interpret::line_chart(chart),
      join_text(
          "Test accuracy of a network trained for ", roar.integer("epochs"),
          " epochs without the pixels that a map names first; lower means that the map names "
          "pixels that matter."));
}

// ---- Sanity ----

// The rows of each method in the order of the file.
std::vector<std::pair<std::string, std::vector<const Json*>>> by_method(const Json& rows) {
  std::vector<std::pair<std::string, std::vector<const Json*>>> all;
  for (const Json& row : rows.items()) {
    const std::string& method = row.text("method");
    if (all.empty() || all.back().first != method) all.push_back({method, {}});
    all.back().second.push_back(&row);
  }
  return all;
}

// One line per method over the layers, with the intervals as bands.
std::string layer_chart(const Json& result, const std::string& key, const std::string& y_title) {
  const bool is_cascade = result.text("mode") == "cascade";
  LineChart chart{
      .title = y_title + " of maps before and after, by layer",
      .x_title = is_cascade ? "weights replaced from the logits down to" : "weights replaced in",
      .y_title = y_title};
  for (const auto& [method, rows] : by_method(result.at("rows"))) {
    Series series{.name = method};
    std::vector<std::string> layers;
    const auto add = [&](const std::string& layer, double value, const interpret::Interval& ends) {
      layers.push_back(layer);
      series.y.push_back(value);
      series.low.push_back(ends.low);
      series.high.push_back(ends.high);
    };
    if (is_cascade) add("none", 1, {1, 1});
    for (const Json* row : rows) {
      add(row->text("layer"), number_in(*row, key), interval_in(row->at("intervals"), key));
    }
    check_value(
        chart.x_names.empty() || chart.x_names == layers, "rows", "the methods ",
        chart.series.empty() ? "" : chart.series.front().name, " and ", method,
        " do not have the same layers");
    chart.x_names = layers;
    chart.series.push_back(series);
  }
  return interpret::line_chart(chart);
}

// ---- Explanations ----

struct ExplainedImage {
  std::string label;
  std::string picture;                      // its file; empty in results of older versions
  std::map<std::string, const Json*> maps;  // by method
};

std::vector<ExplainedImage> by_image(const Json& maps, std::vector<std::string>& methods) {
  std::vector<ExplainedImage> images;
  std::map<int64_t, size_t> places;
  for (const Json& map : maps.items()) {
    const std::string& method = map.text("method");
    if (std::ranges::count(methods, method) == 0) methods.push_back(method);
    const int64_t index = map.integer("index");
    const auto [place, is_new] = places.emplace(index, images.size());
    if (is_new) {
      const std::string name = has_value(map, "class_name")
                                   ? map.text("class_name")
                                   : join_text("class ", map.integer("target"));
      const std::string input = text_in(map, "input");
      const std::string predicted = text_in(map, "predicted_name");
      images.push_back(
          {join_text(
               input.empty() ? join_text("image ", index) : short_name(input), ": ", name, ", p ",
               fixed_text(number_in(map, "score"), 3),
               predicted.empty() || predicted == name ? "" : "; predicted: " + predicted),
           text_in(map, "picture"),
           {}});
    }
    images[place->second].maps[method] = &map;
  }
  return images;
}

// ---- Predictions ----

// A chart as tools/reproduce/predictions.py writes it.
void add_chart(Report& report, const Json& json) {
  LineChart chart{
      .title = json.text("title"),
      .x_title = json.text("x_title"),
      .y_title = json.text("y_title")};
  for (const Json& line : json.at("series").items()) {
    Series series{
        .name = line.text("name"), .x = numbers_in(line, "x"), .y = numbers_in(line, "y")};
    check_value(
        series.x.size() == series.y.size(), "charts", "the series \"", series.name, "\" has ",
        series.x.size(), " x and ", series.y.size(), " y");
    chart.series.push_back(series);
  }
  report.figure(interpret::line_chart(chart), json.text("caption"));
}

}  // namespace

std::string short_name(const std::string& path) {
  std::string text = path;
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  const std::string last = std::filesystem::path(text).filename().string();
  return last.empty() || last == "." || last == ".." ? path : last;
}

void add_metrics(Report& report, const Json& result) {
  const Json& rows = result.at("rows");
  const std::string layer = text_in(result, "layer");
  report.section(
      "Metrics of " + short_name(result.text("model")),
      "A map is worth something only if it beats maps that know nothing of the network: the rows "
      "in brackets. Brackets behind a figure hold its 95 % bootstrap interval over images; where "
      "the intervals of a method and of a control overlap, the figure says little.");
  report.tiles(
      {{"Images", join_text(result.integer("count")), result.text("data")},
       {"Accuracy", fixed_text(100 * number_in(result, "accuracy"), 1) + " %", "of these images"},
       {"Mean probability", fixed_text(number_in(result, "mean_probability"), 3),
        "of the " + std::string(result.text("target") == "label" ? "label" : "predicted class")},
       {"Map layer", layer.empty() ? "-" : layer, "for methods that weight one"}});
  add_rows(report, rows, definitions_of_rows(result));
  add_curves(
      report, result, "insertion_curve", "Insertion",
      "Insertion: pixels of the image put into a blurred one, largest map values first. A good map "
      "raises the probability early: the area under its line is large.");
  add_curves(
      report, result, "deletion_curve", "Deletion",
      "Deletion: pixels replaced by the mean colour, largest map values first. A good map lowers "
      "the probability early; a map that only makes unnatural images does so too.");
  if (has_value(result, "against")) add_against(report, result);
  if (has_value(result, "gradients")) add_gradients(report, result);
  if (has_value(result, "roar")) add_roar(report, result.at("roar"));
}

void add_evaluation(Report& report, const Json& result) {
  constexpr size_t kMostClasses = 12;  // of a table with one column for each
  report.section("Evaluation of " + short_name(result.text("model")));
  if (!has_value(result, "accuracy")) {
    report.tiles(
        {{"Loss", fixed_text(result.number("loss"), 4),
          join_text("over ", result.integer("count"), " examples")}});
    return;
  }
  report.tiles(
      {{"Accuracy", share_of(result.number("accuracy")),
        join_text("of ", result.integer("count"), " examples")},
       {"Loss", fixed_text(result.number("loss"), 4), "cross-entropy"},
       {"Calibration error", fixed_text(result.number("ece"), 4), "15 bins; 0 is perfect"}});

  // A row for each class: its accuracy and what it is taken for
  const Json::Items& names = result.at("class_names").items();
  const Json::Items& confusion = result.at("confusion").items();
  const Json::Items& accuracy = result.at("per_class").items();
  check_value(
      confusion.size() == names.size() && accuracy.size() == names.size(), "eval",
      "has lists of unequal length");
  const bool is_whole = names.size() <= kMostClasses;
  std::vector<std::string> head = {"class", "examples", "accuracy"};
  for (size_t k = 0; is_whole && k < names.size(); ++k) head.push_back(names[k].text());
  if (!is_whole) head.emplace_back("most often taken for");
  Rows cells;
  for (size_t k = 0; k < names.size(); ++k) {
    std::vector<std::string> row = {names[k].text(), "", ""};
    const Json::Items& counts = confusion[k].items();
    check_value(counts.size() == names.size(), "eval", "has lists of unequal length");
    int64_t all = 0;
    size_t other = names.size();
    for (size_t j = 0; j < counts.size(); ++j) {
      const int64_t count = counts[j].integer();
      all += count;
      if (is_whole) row.push_back(join_text(count));
      const bool is_more = other == names.size() || count > counts[other].integer();
      if (j != k && count > 0 && is_more) other = j;
    }
    row[1] = join_text(all);
    row[2] = all == 0 ? "-" : share_of(accuracy[k].number());
    if (!is_whole) {
      row.push_back(
          other == names.size() ? "-"
                                : join_text(names[other].text(), ", ", counts[other].integer()));
    }
    cells.push_back(row);
  }
  report.table(
      head, cells,
      is_whole
          ? "Columns with the name of a class: how many examples of the row's class were taken "
            "for it."
          : "");
}

void add_sanity(Report& report, const Json& result) {
  const std::string model = text_in(result, "model");
  report.section(
      "Sanity of maps" + (model.empty() ? "" : " of " + short_name(model)),
      join_text(
          "Weights are replaced by fresh ones, and the maps of ", result.integer("count"),
          " images compared with those of the trained network: 1 if they stay as they were, 0 if "
          "they have nothing in common. A line should fall early. A method whose maps stay alike "
          "does not show what the network has learned, but edges of the image or its own shape."));
  report.figure(
      layer_chart(result, "spearman", "Spearman correlation"),
      "Rank correlation of the maps with their sign; bands are 95 % bootstrap intervals.");
  report.figure(
      layer_chart(result, "ssim", "structural similarity"),
      "Structural similarity of the maps as they are shown, without sign.");

  // What is left at the end
  Rows cells;
  for (const auto& [method, rows] : by_method(result.at("rows"))) {
    const Json& last = *rows.back();
    cells.push_back({method, last.text("layer")});
    for (const char* key : {"spearman", "spearman_abs", "ssim"}) {
      cells.back().push_back(
          with_interval(number_in(last, key), interval_in(last.at("intervals"), key), 3));
    }
    cells.back().push_back(join_text(last.integer("flat")));
  }
  report.table(
      {"method", "last layer", "Spearman", "of |map|", "SSIM", "flat maps"}, cells,
      definitions_of(result.at("definitions")));
}

void add_explanations(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  const std::string model = text_in(result, "model");
  const std::string layer = text_in(result, "layer");
  std::vector<std::string> methods;
  const std::vector<ExplainedImage> images = by_image(result.at("maps"), methods);
  report.section(
      "Maps" + (model.empty() ? "" : " of " + short_name(model)),
      "One row per image, with the class that is explained and its probability p. Yellow: strong, "
      "violet: none; each map has a scale of its own, so that "
      "strengths cannot be compared from picture to picture." +
          (layer.empty() ? "" : " Maps of a layer are those of " + layer + "."));

  std::vector<interpret::ImageRow> rows;
  int64_t bytes = 0;
  const bool has_pictures =
      std::ranges::none_of(images, &std::string::empty, &ExplainedImage::picture);
  for (const ExplainedImage& image : images) {
    interpret::ImageRow row{.label = image.label, .images = {}};
    const auto add_image = [&](const std::string& png) {
      row.images.push_back(picture_at(png, folder));
      bytes += std::ssize(png_bytes(row.images.back())) * 4 / 3;  // in base64
    };
    if (has_pictures) {
      add_image(image.picture);
      row.notes.push_back("");
    }
    for (const std::string& method : methods) {
      const auto map = image.maps.find(method);
      const bool is_there = map != image.maps.end();
      if (is_there) {
        add_image(map->second->text("png"));
      } else {
        row.images.push_back({});
      }
      row.notes.push_back(is_there ? text_in(*map->second, "note") : "");
    }
    if (bytes > most_bytes && !rows.empty()) break;
    rows.push_back(row);
  }
  const size_t left_out = images.size() - rows.size();
  std::vector<std::string> columns = methods;
  if (has_pictures) columns.insert(columns.begin(), "image");
  report.image_grid(
      columns, rows,
      left_out == 0 ? ""
                    : join_text(left_out, " more images are left out to keep the page small."));
}

void add_predictions(Report& report, const Json& result) {
  report.section(result.text("title"), result.text("note"));
  if (has_value(result, "charts")) {
    for (const Json& chart : result.at("charts").items()) add_chart(report, chart);
  }
  Rows cells;
  for (const Json& row : result.at("rows").items()) {
    cells.push_back({});
    for (const char* key : {"prediction", "data", "setting", "figure", "verdict"}) {
      cells.back().push_back(row.text(key));
    }
  }
  report.table({"prediction", "data", "setting", "figure", "verdict"}, cells);
}

}  // namespace limpid::tools
