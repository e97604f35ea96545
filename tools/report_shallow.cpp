// tools/report_shallow.cpp: charts, tables and pictures of regions, values and certificates.
#include "tools/report_shallow.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "interpret/report/markup.h"
#include "interpret/report/plot.h"
#include "tools/report_results.h"
#include "tools/report_values.h"
#include "tools/reporting.h"
#include "tools/shallow.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

namespace limpid::tools {
namespace {

using interpret::number_text;
using interpret::Report;

std::string integer_of(const Json& json, const std::string& key) {
  return has_value(json, key) ? brief(static_cast<double>(json.integer(key)), 9) : "-";
}

std::string box_of(const Json& box) {
  if (box.kind() == Json::Kind::text) return "all of R^n";
  check_value(box.items().size() == 2, "box", "has ", box.items().size(), " ends");
  return join_text(
      "the box [", brief(box.items()[0].number()), ", ", brief(box.items()[1].number()),
      "] of standardised inputs");
}

// ---- Forms ----

std::string widths_of(const Json& form) {
  std::string text;
  for (const Json& width : form.at("widths").items()) {
    text += (text.empty() ? "" : "-") + join_text(width.integer());
  }
  return text;
}

void add_layers(Report& report, const Json& result) {
  Rows cells;
  interpret::Series found{.name = "regions"}, most{.name = "bound"};
  int64_t layer = 0;
  for (const Json& row : result.at("layers").items()) {
    const double regions = row.number("regions"), bound = number_in(row, "bound");
    cells.push_back(
        {join_text(++layer), integer_of(row, "units"), integer_of(row, "regions"), brief(bound),
         std::isfinite(bound) ? share_of(regions / bound) : "-"});
    found.y.push_back(std::log10(regions));
    most.y.push_back(std::log10(bound));
  }
  if (layer == 0) return;
  const std::string caption =
      "Regions of the network up to each hidden layer, and the most that its widths allow in all "
      "of R^n (Serra, Tjandraatmadja and Ramalingam 2018).";
  if (layer > 1) {
    report.figure(
        interpret::line_chart(
            {.title = "Regions by layer",
             .x_title = "hidden layers",
             .y_title = "log10 of regions",
             .series = {found, most}}),
        caption);
  }
  report.table(
      {"layers", "units", "regions", "bound", "of the bound"}, cells, layer > 1 ? "" : caption);
}

void add_forms(Report& report, const Json& result) {
  const Json& forms = result.at("forms");
  Rows cells;
  const auto add = [&](const std::string& name, const Json& form) {
    const Json& check = form.at("check");
    const std::string points = integer_of(check, "points");
    cells.push_back(
        {name, widths_of(form), brief(number_in(check, "max_abs_error"), 3),
         integer_of(check, "wrong") + " of " + points, integer_of(check, "unclaimed"),
         integer_of(check, "multiply_claimed")});
  };
  add("exact: half-open faces", forms.at("exact"));
  add("paper: closed faces", forms.at("paper"));
  add("exact, infinity as " + brief(forms.at("finite").number("large")), forms.at("finite"));
  report.table(
      {"form", "widths", "largest error", "wrong", "in no region", "in several"}, cells,
      "Against the deep network, on points half of which lie on faces of regions (for finite "
      "weights, just beyond them). Wrong: more than 1e-9 off.");
}

void add_tuning(Report& report, const Json& result) {
  if (!has_value(result, "fine_tune")) return;
  const Json& tuned = result.at("fine_tune");
  Rows cells;
  for (const char* part : {"train", "test"}) {
    const Json& row = tuned.at(part);
    cells.push_back(
        {part, integer_of(row, "examples"), share_of(row.number("accuracy_before")),
         share_of(row.number("accuracy")), brief(row.number("loss_before")),
         brief(row.number("loss"))});
  }
  const double jump = number_in(tuned, "jump");
  report.table(
      {"part", "examples", "accuracy", "tuned", "loss", "tuned loss"}, cells,
      "The linear models trained with the regions fixed, pull " + brief(tuned.number("pull")) +
          (std::isfinite(jump)
               ? join_text(
                     ". The tuned function is not continuous: it jumps at ",
                     share_of(tuned.number("share_of_facets")), " of the facets, by up to ",
                     brief(jump), " (before: ", brief(number_in(tuned, "jump_before"), 2), ").")
               : "."));
}

// ---- Values ----

void add_importance(Report& report, const Json& summary, bool has_chart) {
  const std::vector<double> values = numbers_in(summary, "mean_abs_shap");
  const std::vector<double> slopes = numbers_in(summary.at("by_data"), "importance");
  const std::vector<double> rising = numbers_in(summary.at("by_data"), "rising");
  const std::vector<double> falling = numbers_in(summary.at("by_data"), "falling");
  check_value(
      slopes.size() == values.size() && rising.size() == values.size() &&
          falling.size() == values.size(),
      "summary", "has lists of unequal length");
  constexpr size_t kMost = 20;
  interpret::BarChart chart{
      .title = "Importance of inputs",
      .value_title = "mean |" + summary.text("kind") + " value|",
      .bars = {}};
  Rows cells;
  for (size_t i = 0; i < std::min(kMost, values.size()); ++i) {
    const std::string name = join_text("input ", i);
    chart.bars.push_back({.label = name, .value = values[i]});
    cells.push_back(
        {name, brief(values[i]), brief(slopes[i]), share_of(rising[i]), share_of(falling[i])});
  }
  if (has_chart) report.figure(interpret::bar_chart(chart));
  report.table(
      {"input", "mean |value|", "slope x spread", "rising", "falling"}, cells,
      join_text(
          "Over ", summary.integer("examples"), " test examples, for ", summary.text("output_name"),
          ". Rising: the share of examples in whose region the output grows with the input. ",
          values.size() > kMost ? join_text("The first ", kMost, " of ", values.size(), " inputs.")
                                : ""));
}

void add_examples(Report& report, const Json& result) {
  Rows cells;
  for (const Json& row : result.at("values").items()) {
    for (const Json& kind : row.at("kinds").items()) {
      cells.push_back(
          {join_text(row.integer("index")), kind.text("kind"), row.text("output_name"),
           brief(row.number("prediction")), brief(kind.number("base")),
           brief(kind.number("additivity_error"), 2), brief(kind.number("gap"), 2),
           brief(number_in(row.at("local"), "radius"), 3)});
    }
  }
  if (cells.empty()) return;
  report.table(
      {"example", "values", "output", "prediction", "base", "residual", "gap", "affine up to"},
      cells,
      "The values of the inputs add up to prediction - base - residual (the residual is rounding). "
      "Gap: what they miss of the prediction minus the mean over the background. Affine up to: the "
      "distance, in standardised inputs, within which the network is one affine function.");
}

// Examples with their values as maps, for networks of images.
void add_value_maps(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  std::vector<std::string> columns = {"image"};
  std::vector<interpret::ImageRow> rows;
  int64_t bytes = 0;
  const Json::Items& all = result.at("maps").items();
  for (size_t k = 0; k < all.size() && bytes < most_bytes; ++k) {
    const Json& value = result.at("values").items().at(k);
    interpret::ImageRow row{
        .label = join_text(
            "example ", all[k].integer("index"),
            has_value(value, "label") ? ", label " + value.text("label") : "", ": ",
            value.text("output_name"), " scores ", brief(value.number("prediction")),
            "; strongest colour ", brief(all[k].number("largest"), 3)),
        .images = {picture_at(all[k].text("picture"), folder)}};
    for (const Json& map : all[k].at("maps").items()) {
      row.images.push_back(picture_at(map.text(), folder));
    }
    for (const Image& image : row.images) bytes += std::ssize(png_bytes(image)) * 4 / 3;
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return;
  for (const Json& kind : result.at("values").items()[0].at("kinds").items()) {
    columns.push_back(kind.text("kind"));
  }
  report.image_grid(
      columns, rows,
      join_text(
          "What each pixel adds to the output: red raises it, blue lowers it, white adds nothing. "
          "One scale per example.",
          rows.size() < all.size() ? " Further examples are left out to keep the page small."
                                   : ""));
}

// What says most for the output of an example and against it, in words.
std::string reading_of(const Json& example, const Shape& input) {
  constexpr size_t kFor = 3;
  const Json& kind = example.at("kinds").items().front();
  const std::vector<double> values = numbers_in(kind, "shap");
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return values[a] > values[b]; });
  const auto item = [&](size_t k) {
    const double v = values[order[k]];
    return input_name(input, order[k]) + (v > 0 ? " (+" : " (") + brief(v, 3) + ")";
  };
  std::vector<std::string> most;
  for (size_t k = 0; k < std::min(kFor, order.size()) && values[order[k]] > 0; ++k) {
    most.push_back(item(k));
  }
  std::string text = join_text(
      "Example ", example.integer("index"), " scores ", brief(example.number("prediction")),
      " for ", example.text("output_name"), ", the background ", brief(kind.number("base")),
      " in the mean.");
  if (!most.empty()) text += " Most for it: " + joined(most, "; ") + ".";
  if (!order.empty() && values[order.back()] < 0) {
    text += " Most against it: " + item(order.size() - 1) + ".";
  }
  return text;
}

std::string caption_of(const std::string& path) {
  const std::string name = std::filesystem::path(path).stem().string();
  if (name == "beeswarm") {
    return "A dot per example at what the input adds; above the line: its value is at least the "
           "median.";
  }
  if (name == "importance") return "Mean size of the values of each input.";
  return "From the base, input by input, to the prediction; orange raises, blue lowers (" + name +
         ").";
}

}  // namespace

void add_shallow_forms(Report& report, const Json& result) {
  report.section(
      "Shallow form of " + short_name(result.text("model")),
      join_text(
          "A network with three hidden layers that gives the same outputs: its weights say which "
          "region of ",
          box_of(result.at("box")), " a point is in and what is affine there.",
          result.boolean("truncated") ? " A limit was met: points elsewhere are in no region."
                                      : ""));
  report.tiles(
      {{"Regions", integer_of(result, "regions"),
        result.integer("merged_regions") < result.integer("regions")
            ? integer_of(result, "merged_regions") + " after merging equal ones"
            : ""},
       {"Units", integer_of(result, "units"), "of the deep network"},
       {"Widths", widths_of(result), "of the shallow one"},
       {"Largest error", brief(number_in(result.at("check"), "max_abs_error"), 3),
        "form: " + result.text("form")}});
  add_layers(report, result);
  add_forms(report, result);
  add_tuning(report, result);
}

void add_shallow_regions(Report& report, const Json& result, const std::string& folder) {
  report.section(
      "Regions of " + short_name(result.text("model")),
      join_text(
          integer_of(result, "regions"),
          result.boolean("truncated") ? " regions before a limit was met" : " regions", " in ",
          box_of(result.at("box")),
          ", on each of which the network is affine. The decision "
          "boundary has ",
          integer_of(result, "boundary_pieces"), " pieces."));
  report.figure(
      svg_at(result.text("out"), folder),
      "Thin lines: edges of regions. Colours: the class. Thick lines: where the class changes.");
}

void add_shallow_values(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  report.section(
      "What inputs add in " + short_name(result.text("model")),
      join_text(
          "Shapley values of standardised inputs against ", integer_of(result, "background"),
          " training examples."));
  int64_t bytes = 0, left_out = 0;
  std::vector<std::pair<std::string, std::string>> pictures;  // with captions
  bool has_importance = false;
  for (const Json& file : result.at("files").items()) {
    std::string svg = svg_at(file.text(), folder);
    bytes += std::ssize(svg);
    if (bytes > most_bytes) {
      ++left_out;
      continue;
    }
    const std::string caption = caption_of(file.text());
    has_importance = has_importance || file.text().ends_with("importance.svg");
    pictures.emplace_back(std::move(svg), caption);
  }
  if (has_value(result, "summary")) {
    add_importance(report, result.at("summary"), !has_importance);
  }
  add_examples(report, result);
  constexpr size_t kRead = 3;
  std::vector<int64_t> sizes;
  for (const Json& size : result.at("input_shape").items()) sizes.push_back(size.integer());
  const Shape input(sizes);
  const Json::Items& examples = result.at("values").items();
  for (size_t k = 0; k < std::min(kRead, examples.size()); ++k) {
    report.paragraph(reading_of(examples[k], input));
  }
  if (has_value(result, "maps")) add_value_maps(report, result, folder, most_bytes / 2);
  // The summary was drawn last and is shown first
  std::ranges::stable_partition(
      pictures, [](const auto& p) { return !p.second.starts_with("From the base"); });
  for (const auto& [svg, caption] : pictures) report.figure(svg, caption);
  if (left_out > 0) {
    report.paragraph(join_text(left_out, " pictures are left out to keep the page small."));
  }
}

void add_shallow_visited(Report& report, const Json& result) {
  const bool is_all = result.text("build") == "all";
  report.section(
      "Regions that data visit in " + short_name(result.text("model")),
      "On each region the network is one affine function. A region is known once an example lies "
      "in it; the visited regions describe the network there and nowhere else.");
  report.tiles(
      {{"Regions visited", integer_of(result, "regions"),
        join_text("by ", result.integer("points"), is_all ? " examples" : " training examples")},
       {"With one example", integer_of(result, "single_point_regions"),
        join_text("at most ", result.integer("largest_region"), " in one region")},
       {is_all ? "Covered" : "Test examples covered", share_of(result.number("coverage")),
        join_text(result.integer("covered"), " of ", result.integer("test_points"))},
       {"Largest error", brief(number_in(result, "max_abs_error"), 3),
        "of the regions' models beside the network"}});
}

void add_shallow_certificates(Report& report, const Json& result) {
  constexpr size_t kMost = 30;
  const Json::Items& rows = result.at("certificates").items();
  report.section(
      "Certificates of " + short_name(result.text("model")),
      "The exact Euclidean distance, in standardised inputs, from an example to the nearest point "
      "of " +
          box_of(result.at("box")) + " where another class ties.");
  interpret::BarChart chart{
      .title = "Distance to the decision boundary", .value_title = "distance", .bars = {}};
  Rows cells;
  std::vector<double> distances;
  int64_t tried = 0, changed = 0, with_tie = 0, tight = 0;
  for (const Json& row : rows) {
    const double distance = number_in(row, "distance");
    if (std::isfinite(distance)) distances.push_back(distance);
    const bool has_attack = has_value(row, "attack");
    double radius = NAN;
    if (has_attack) {
      const Json& attack = row.at("attack");
      tried += attack.integer("tried");
      changed += attack.integer("changed");
      radius = number_in(attack, "radius");
      if (has_value(attack, "tight")) {
        ++with_tie;
        tight += attack.boolean("tight") ? 1 : 0;
      }
    }
    if (cells.size() == kMost) continue;
    const std::string name = join_text("example ", row.integer("index"));
    if (std::isfinite(distance)) chart.bars.push_back({.label = name, .value = distance});
    cells.push_back(
        {name, integer_of(row, "class"), integer_of(row, "other"),
         (row.boolean("exact") ? "" : "over ") + brief(distance, 6),
         has_attack ? brief(radius, 6) : "-", brief(number_in(row, "linear_radius"), 4),
         integer_of(row, "regions_opened")});
  }
  std::ranges::sort(distances);
  report.tiles(
      {{"Median distance", distances.empty() ? "-" : brief(distances[distances.size() / 2], 3),
        join_text("of ", distances.size(), " examples with a boundary in the box")},
       {"Solved", join_text(result.integer("solved"), " of ", rows.size()), "to optimality"},
       {"Attacks within", tried > 0 ? join_text(changed, " of ", tried) : "-",
        "change the class; a proof allows none"},
       {"Tight", tried > 0 ? join_text(tight, " of ", with_tie) : "-",
        "the class changes within 1.000001 times the distance"}});
  if (!chart.bars.empty()) report.figure(interpret::bar_chart(chart));
  report.table(
      {"example", "class", "nearest", "distance", "gradient attack", "affine up to",
       "regions opened"},
      cells,
      join_text(
          "Gradient attack: the smallest ball in which projected gradient steps found another "
          "class, which can only be larger than the distance.",
          rows.size() > kMost ? join_text(" The first ", kMost, " of ", rows.size(), ".") : ""));
}

}  // namespace limpid::tools
