// tools/metrics_output.cpp: columns, intervals and definitions.
#include "tools/metrics_output.h"

#include "framework/core/error.h"
#include "tools/console.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::tools {
namespace {

constexpr size_t kNameWidth = 24;
constexpr size_t kCellWidth = 24;        // 0.1234 [0.1234, 0.1234]
constexpr size_t kDifferenceWidth = 36;  // -0.1234 [-0.1234, -0.1234] p 0.1234
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A line of a table without the spaces behind it.
std::string trimmed(const std::string& line) {
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

// True if some row has it.
bool is_column(const Measurement& m, const Figure& figure) {
  return std::ranges::any_of(m.rows, [&](const auto& row) { return !figure.values(row).empty(); });
}

std::vector<Figure> columns(const Measurement& m) {
  std::vector<Figure> used;
  for (const Figure& figure : figures()) {
    if (is_column(m, figure)) used.push_back(figure);
  }
  return used;
}

bool is_curve(const Figure& figure) {
  return figure.key == "insertion" || figure.key == "deletion";
}

std::string steps_text(const Measurement& m) {
  return join_text(m.steps, " steps of ", m.step, " pixels");
}

std::string row_name(const MeasuredMethod& row) {
  return row.is_control ? "(" + row.name + ")" : row.name;
}

// What the figures of a row do not say.
std::string remark(const MeasuredMethod& row, int64_t count) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!row.same_as.empty()) add("same maps as " + row.same_as);
  if (row.flat > 0) add(join_text(row.flat, " of ", count, " maps flat"));
  if (row.is_slow) add(join_text("slow: maps took ", fixed(row.map_seconds, 1), " s"));
  return text;
}

double images_per_second(const MeasuredMethod& row) {
  return static_cast<double>(row.confidence.plain.size()) / row.score_seconds;
}

// The areas at eight times the step, as papers of coarser curves print them.
constexpr int64_t kCoarser = 8;
bool has_coarser(const Measurement& m) { return m.steps > 0 && m.steps % kCoarser == 0; }

// The row of the same name, or nullptr.
const MeasuredMethod* row_named(const Measurement& m, const std::string& name) {
  const auto found = std::ranges::find(m.rows, name, &MeasuredMethod::name);
  return found == m.rows.end() ? nullptr : &*found;
}

}  // namespace

const std::vector<Figure>& figures() {
  using Row = MeasuredMethod;
  static const std::vector<Figure> all = {
      {"ad", "AD %", "average drop, 100/N sum max(0, p - o) / p; lower is better", 2,
       [](const Row& r) { return r.confidence.drop; }},
      {"ag", "AG %", "average gain, 100/N sum max(0, o - p) / (1 - p); higher is better", 2,
       [](const Row& r) { return r.confidence.gain; }},
      {"ai", "AI %", "average increase, 100/N sum 1[o > p]; higher is better", 2,
       [](const Row& r) { return r.confidence.increase; }},
      {"insertion", "insertion",
       "area under p from the blurred image to the image, largest map values first; higher is "
       "better",
       4, [](const Row& r) { return r.insertion.area; }},
      {"deletion", "deletion",
       "area under p from the image to the mean colour, largest map values first; lower is better",
       4, [](const Row& r) { return r.deletion.area; }},
      {"pointing", "pointing",
       "pointing game: share of images whose largest map value lies on the object", 3,
       [](const Row& r) { return r.hits; }},
      {"energy", "energy", "share of the map's sum that lies on the object", 3,
       [](const Row& r) { return r.energy; }},
      {"sensitivity", "sensitivity-n",
       "Pearson correlation between map sums over random sets of pixels and the drop of p when "
       "they are zeroed, mean over sizes from 1 to 80 % of the pixels; higher is better",
       3, [](const Row& r) { return r.sensitivity; }},
      {"roughness", "roughness",
       "total variation of |map| / sum |map| as it is shown, at the size of the image: the sum of "
       "|differences of neighbours|, 0 to 4, flat maps left out; lower is smoother",
       4, [](const Row& r) { return r.roughness; }},
      {"guided_cosine", "cos guided",
       "cosine of the raw map and of guided back-propagation of the same class, for maps with a "
       "value per channel",
       4, [](const Row& r) { return r.guided_cosine; }}};
  return all;
}

Summary summary(const std::vector<double>& values, uint64_t seed) {
  std::vector<double> finite;
  std::ranges::copy_if(
      values, std::back_inserter(finite), [](double v) { return std::isfinite(v); });
  return {interpret::mean_of(finite), interpret::bootstrap_mean(finite, {.seed = seed})};
}

interpret::PairedTest paired(
    const std::vector<double>& a, const std::vector<double>& b, const std::vector<bool>& keep,
    uint64_t seed) {
  std::vector<double> differences;
  for (size_t n = 0; n < a.size(); ++n) {
    if (keep[n] && std::isfinite(b[n] - a[n])) differences.push_back(b[n] - a[n]);
  }
  return interpret::paired_test(differences, {.seed = seed});
}

std::string cell(const Summary& s, int digits) {
  return join_text(
      fixed(s.mean, digits), " [", fixed(s.interval.low, digits), ", ",
      fixed(s.interval.high, digits), "]");
}

std::string difference_text(const interpret::PairedTest& test, int digits) {
  return cell({test.mean, test.interval}, digits) + " p " + fixed(test.p_value, 4);
}

Json pair_of(const interpret::Interval& interval) {
  return Json::array({interval.low, interval.high});
}

void print_rows(const Measurement& m, uint64_t seed, const Console& console) {
  std::string head = padded("method", kNameWidth);
  for (const Figure& figure : columns(m)) head += padded(figure.title, kCellWidth);
  console.result(console.bold(trimmed(head)));
  for (const MeasuredMethod& row : m.rows) {
    std::string line = padded(row_name(row), kNameWidth);
    for (const Figure& figure : columns(m)) {
      const std::vector<double> values = figure.values(row);
      const bool is_measured = !values.empty();
      line += padded(is_measured ? cell(summary(values, seed), figure.digits) : "-", kCellWidth);
    }
    line += remark(row, std::ssize(row.confidence.plain));
    console.result(trimmed(line));
  }
  if (has_coarser(m)) {
    for (const MeasuredMethod& row : m.rows) {
      const double up = interpret::mean_of(row.insertion.coarser_area(kCoarser));
      const double down = interpret::mean_of(row.deletion.coarser_area(kCoarser));
      console.result(join_text(
          "steps of ", kCoarser * m.step, " pixels: ", padded(row_name(row), kNameWidth),
          "insertion ", fixed(up, 4), "  deletion ", fixed(down, 4)));
    }
  }
  console.result(
      "p: probability of the class; o: the same on the image times the map, in pixels, where 0 is "
      "black");
  for (const Figure& figure : columns(m)) {
    const std::string steps = is_curve(figure) ? " (" + steps_text(m) + ")" : "";
    console.result(figure.title + ": " + figure.definition + steps);
  }
  console.result(
      "[low, high]: 95 % bootstrap interval over images; rows in brackets are controls, which know "
      "nothing of the network");
}

Json rows_json(const Measurement& m, uint64_t seed) {
  Json rows = Json::array();
  for (const MeasuredMethod& row : m.rows) {
    Json item = Json::object({{"method", row.name}});
    Json intervals = Json::object();
    for (const Figure& figure : figures()) {
      const std::vector<double> values = figure.values(row);
      if (values.empty()) {
        if (is_curve(figure) || is_column(m, figure)) item.set(figure.key, nullptr);
        continue;
      }
      const Summary s = summary(values, seed);
      item.set(figure.key, s.mean);
      intervals.set(figure.key, pair_of(s.interval));
    }
    item.set("intervals", intervals)
        .set("control", row.is_control)
        .set("slow", row.is_slow)
        .set("same_as", row.same_as.empty() ? Json() : Json(row.same_as))
        .set("flat", row.flat)
        .set("masked_probability", interpret::mean_of(row.confidence.shown));
    if (!row.insertion.area.empty()) {
      item.set("insertion_curve", Json::array_of(row.insertion.mean_curve()))
          .set("deletion_curve", Json::array_of(row.deletion.mean_curve()));
    }
    if (!row.hits.empty()) item.set("pointing_class_mean", row.class_mean_hits);
    if (has_coarser(m)) {
      item.set("insertion_coarse", interpret::mean_of(row.insertion.coarser_area(kCoarser)))
          .set("deletion_coarse", interpret::mean_of(row.deletion.coarser_area(kCoarser)));
    }
    const bool is_scored = row.same_as.empty();
    item.set("images_per_second", is_scored ? images_per_second(row) : kNan);
    rows.push(item.set("seconds", row.map_seconds));
  }
  return rows;
}

Json definitions_json(const Measurement& m) {
  Json definitions = Json::object(
      {{"p", "probability of the class"},
       {"o", "the same on the image times the map, in pixels, where 0 is black"},
       {"intervals", "95 % percentile bootstrap over images"}});
  for (const Figure& figure : columns(m)) definitions.set(figure.key, figure.definition);
  if (has_coarser(m)) {
    const std::string text = join_text("the same in steps of ", kCoarser * m.step, " pixels");
    definitions.set("insertion_coarse", text).set("deletion_coarse", text);
  }
  return definitions;
}

void print_differences(
    const Measurement& a, const Measurement& b, const std::vector<bool>& keep, uint64_t seed,
    const Console& console) {
  const auto kept = std::ranges::count(keep, true);
  std::string head = padded(join_text("difference, ", kept, " images"), kNameWidth);
  for (const Figure& figure : columns(a)) head += padded(figure.title, kDifferenceWidth);
  console.result(console.bold(trimmed(head)));
  for (const MeasuredMethod& row : a.rows) {
    const MeasuredMethod* other = row_named(b, row.name);
    if (other == nullptr) continue;
    std::string line = padded(row_name(row), kNameWidth);
    for (const Figure& figure : columns(a)) {
      const std::vector<double> values = figure.values(row);
      const std::string text =
          values.empty()
              ? "-"
              : difference_text(paired(values, figure.values(*other), keep, seed), figure.digits);
      line += padded(text, kDifferenceWidth);
    }
    console.result(trimmed(line));
  }
}

Json differences_json(
    const Measurement& a, const Measurement& b, const std::vector<bool>& keep, uint64_t seed) {
  Json rows = Json::array();
  for (const MeasuredMethod& row : a.rows) {
    const MeasuredMethod* other = row_named(b, row.name);
    if (other == nullptr) continue;
    Json item = Json::object({{"method", row.name}, {"control", row.is_control}});
    for (const Figure& figure : columns(a)) {
      const std::vector<double> values = figure.values(row);
      if (values.empty()) continue;
      const auto test = paired(values, figure.values(*other), keep, seed);
      item.set(
          figure.key, Json::object(
                          {{"difference", test.mean},
                           {"interval", pair_of(test.interval)},
                           {"p_value", test.p_value}}));
    }
    rows.push(item);
  }
  return rows;
}

}  // namespace limpid::tools
