// tests/interpret/plot_test.cpp: numbers as text, ticks, and what stands in the plots.
#include "interpret/report/plot.h"

#include "framework/core/error.h"
#include "interpret/report/markup.h"
#include "interpret/report/svg.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

using namespace limpid;
using namespace limpid::interpret;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

const std::string kMinus = "\xE2\x88\x92";  // U+2212

using Texts = std::vector<std::string>;

/// All plots must hold this, whatever the data.
void check_plot(const std::string& svg) {
  CAPTURE(svg);
  CHECK(markup_fault(svg) == "");
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>"));
  CHECK(has(svg, " role=\"img\" aria-label=\""));
  CHECK(has(svg, "><title>"));
  CHECK(has(svg, "</title><desc>"));
  for (const char* absent : {"NaN", "nan", "inf", "http", "url(", "<script", "href", "<image"}) {
    CAPTURE(absent);
    CHECK_FALSE(has(svg, absent));
  }
}

/// The points of every <polyline> of a series, in pixels; labels at the right edge included.
std::vector<std::vector<Svg::Point>> lines_of(const std::string& svg) {
  std::vector<std::vector<Svg::Point>> lines;
  const std::string mark = "<polyline points=\"";
  for (size_t at = svg.find(mark); at != std::string::npos; at = svg.find(mark, at + 1)) {
    lines.emplace_back();
    const char* c = svg.c_str() + at + mark.size();
    while (*c != '"') {
      char* end = nullptr;
      const double x = std::strtod(c, &end);
      const double y = std::strtod(end + 1, &end);
      lines.back().push_back({x, y});
      c = *end == ' ' ? end + 1 : end;
    }
  }
  return lines;
}

void check_axis(double low, double high, AxisEnds ends, bool whole) {
  CAPTURE(low);
  CAPTURE(high);
  CAPTURE(whole);
  const Axis axis = make_axis(low, high, 5, ends, whole);
  CHECK(axis.low <= low);
  CHECK(axis.high >= high);
  CHECK(axis.low < axis.high);
  REQUIRE(axis.ticks.size() >= 1);
  CHECK(axis.ticks.size() <= 12);
  CHECK(std::isfinite(axis.place(low, 0, 100)));
  CHECK(std::ranges::max(axis.tick_texts, {}, &std::string::size).size() < 24);
}

void check_axes(double low, double high) {
  for (const AxisEnds ends : {AxisEnds::at_data, AxisEnds::at_ticks}) {
    for (const bool whole : {false, true}) check_axis(low, high, ends, whole);
  }
}

LineChart small_chart() {
  return {
      .title = "Loss by epoch",
      .x_title = "epoch",
      .y_title = "loss",
      .series = {{.name = "train", .y = {4, 2, 1}}, {.name = "test", .y = {4, 3, 2}}}};
}

}  // namespace

TEST_CASE("markup: escaping") {
  CHECK(escape_markup(kNasty) == kNastyEscaped);
  CHECK(escape_markup("plain\n\ttext") == "plain\n\ttext");
  CHECK(escape_markup("\xC3\xA9") == "\xC3\xA9");
  const std::string unknown = "\xEF\xBF\xBD";
  CHECK(escape_markup("a\x01z\x7F") == "a" + unknown + "z" + unknown);
  CHECK(escape_markup("a\xFF<") == "a" + unknown + "&lt;");
  CHECK(escape_markup(std::string_view("\0", 1)) == unknown);
}

TEST_CASE("markup: numbers") {
  CHECK(fixed_text(1.005, 1) == "1.0");
  CHECK(fixed_text(-0.004, 2) == "0.00");
  CHECK(fixed_text(-2.5, 1) == "-2.5");
  CHECK(fixed_text(9999, 0) == "9999");
  CHECK(fixed_text(10000, 0) == "10,000");
  CHECK(fixed_text(-1234567.25, 2) == "-1,234,567.25");
  CHECK(fixed_text(kNan, 2) == "NaN");

  CHECK(number_text(0) == "0");
  CHECK(number_text(-0.0) == "0");
  CHECK(number_text(0.123456) == "0.1235");
  CHECK(number_text(0.5) == "0.5");
  CHECK(number_text(97.43219) == "97.43");
  CHECK(number_text(12345.6) == "12,346");
  CHECK(number_text(60000) == "60,000");
  CHECK(number_text(123456789) == "123,456,789");
  CHECK(number_text(1e9) == "1e9");
  CHECK(number_text(-1.5e-7) == "-1.5e-7");
  CHECK(number_text(1e-4) == "0.0001");
  CHECK(number_text(1e100) == "1e100");
  CHECK(number_text(2.0 / 3, 2) == "0.67");
  CHECK(number_text(kInf) == "inf");
  CHECK(number_text(-kInf) == "-inf");
  CHECK_THROWS_AS(number_text(1, 0), ValueError);
}

TEST_CASE("plot: ticks are round and inside the axis") {
  const auto ticks = [](double low, double high, int count, bool whole = false) {
    return make_axis(low, high, count, AxisEnds::at_data, whole).tick_texts;
  };
  CHECK(ticks(0, 1, 5) == Texts{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  CHECK(ticks(1, 20, 7) == Texts{"2", "4", "6", "8", "10", "12", "14", "16", "18", "20"});
  CHECK(
      ticks(1, 3, 7) ==
      Texts{"1.0", "1.2", "1.4", "1.6", "1.8", "2.0", "2.2", "2.4", "2.6", "2.8", "3.0"});
  CHECK(ticks(1, 3, 7, true) == Texts{"1", "2", "3"});
  CHECK(ticks(-1, 1, 2) == Texts{kMinus + "1", "0", "1"});
  CHECK(ticks(0, 60000, 3) == Texts{"0", "20,000", "40,000", "60,000"});
  CHECK(ticks(0, 2e-7, 2) == Texts{"0", "1e" + kMinus + "7", "2e" + kMinus + "7"});
  CHECK(ticks(1.00001, 1.00003, 2) == Texts{"1.00001", "1.00002", "1.00003"});

  const Axis outer = make_axis(0.13, 2.41, 5, AxisEnds::at_ticks);
  CHECK(outer.low == 0);
  CHECK(outer.high == 2.5);
  CHECK(outer.place(1.25, 100, 0) == 50);
  CHECK_THROWS_AS(make_axis(1, 0, 5, AxisEnds::at_data), ValueError);
  CHECK_THROWS_AS(make_axis(0, kInf, 5, AxisEnds::at_data), ValueError);
}

TEST_CASE("plot: every range has finite ticks inside it") {
  for (const double size : {0.0, 5e-324, 1e-300, 1e-289, 1e-7, 1.0, 3.7, 1e15, 1e140, 1e149}) {
    check_axes(size, size);
    check_axes(-size, size);
    check_axes(0, size);
    check_axes(size, size * (1 + 1e-11));
    check_axes(-size, -size);
  }
}

TEST_CASE("plot: line chart") {
  const std::string svg = line_chart(small_chart());
  check_plot(svg);
  CHECK(has(svg, "aria-label=\"Loss by epoch\""));
  CHECK(has(svg, "<title>Loss by epoch</title>"));
  CHECK(has(svg, "<desc>Line chart of loss by epoch: train from 4 to 1; test from 4 to 2.</desc>"));
  CHECK(has(svg, ">epoch</text>"));
  CHECK(has(svg, ">loss</text>"));
  CHECK(has(svg, ">train</text>"));
  CHECK(has(svg, ">test</text>"));

  // Two lines of three points and two samples of the dashes beside the names
  const auto lines = lines_of(svg);
  REQUIRE(lines.size() == 4);
  REQUIRE(lines[0].size() == 3);
  CHECK(lines[0][0].x < lines[0][1].x);
  CHECK(lines[0][1].x - lines[0][0].x == doctest::Approx(lines[0][2].x - lines[0][1].x));
  // 4, 2, 1: equal steps up on the screen are equal steps of the value
  CHECK(
      lines[0][1].y - lines[0][0].y ==
      doctest::Approx(2 * (lines[0][2].y - lines[0][1].y)).epsilon(1e-3));
  CHECK(lines[1][2].y == doctest::Approx(lines[0][1].y));  // both have the value 2
  // Colour and dashes differ
  CHECK(count_of(svg, "class=\"series c1 d1\"") == 2);
  CHECK(count_of(svg, "class=\"series c2 d2\"") == 2);
}

TEST_CASE("plot: points without lines") {
  const std::string svg = line_chart(
      {.title = "Points",
       .series = {{.name = "a", .x = {3, 1, 2}, .y = {1, 2, 1.5}, .is_joined = false}}});
  check_plot(svg);
  CHECK(lines_of(svg).size() == 4);  // three points, and the sample beside the name
  CHECK(has(svg, "a 3 points"));

  // Classes differ by shape beside colour, also beyond the palette; names stand in their order
  LineChart chart{.title = "Classes"};
  for (int k = 0; k < 8; ++k) {
    const double at = k;
    chart.series.push_back(
        {.name = join_text("class ", k), .x = {at, at}, .y = {-at, at}, .is_joined = false});
  }
  const std::string classes = line_chart(chart);
  check_plot(classes);
  CHECK(count_of(classes, "series c1 point") == 3);      // class 0: dots
  CHECK(count_of(classes, "<polygon") == 3 * (4 + 2));   // classes 1 to 4, 6 and 7
  CHECK(count_of(classes, "class=\"f1\"") == 3);         // class 6: colour of class 0, no dots
  CHECK(count_of(classes, "class=\"series c6\"") == 6);  // class 5: crosses of two lines
  for (int k = 1; k < 8; ++k) {
    CHECK(
        classes.find(join_text(">class ", k - 1, "<")) <
        classes.find(join_text(">class ", k, "<")));
  }
}

TEST_CASE("plot: values that are not finite are gaps") {
  LineChart chart{.title = "gaps", .series = {{.y = {1, 2, kNan, 4, kInf, 6, 7, 8, -kInf, 1e300}}}};
  const std::string svg = line_chart(chart);
  check_plot(svg);
  const auto lines = lines_of(svg);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].size() == 2);
  CHECK(lines[1].size() == 2);  // a single point: a dot
  CHECK(lines[1][0].x == lines[1][1].x);
  CHECK(lines[2].size() == 3);

  chart.series[0].x = {1, 2, 3, kNan, 5, 6, kInf, 8, 9, 10};
  CHECK(lines_of(line_chart(chart)).size() == 3);  // 1-2, 6 and 8
}

TEST_CASE("plot: charts without values say so") {
  for (const std::vector<double>& y : {std::vector<double>{}, {kNan, kInf}}) {
    const std::string svg = line_chart({.title = "empty", .series = {{.name = "train", .y = y}}});
    check_plot(svg);
    CHECK(has(svg, ">no values to draw</text>"));
    CHECK(has(svg, "train without values"));
  }
  check_plot(line_chart({.title = "none", .series = {}}));
  check_plot(bar_chart({.title = "none", .bars = {}}));
  check_plot(matrix_chart({.title = "none", .row_names = {}, .column_names = {}, .values = {}}));
  CHECK_FALSE(has(line_chart(small_chart()), "no values"));
}

TEST_CASE("plot: bands") {
  LineChart chart = small_chart();
  chart.series[1].low = {3.5, 2.5, 1.5};
  chart.series[1].high = {9, 3.5, 2.5};
  const std::string svg = line_chart(chart);
  check_plot(svg);
  CHECK(count_of(svg, "<polygon ") == 1);
  CHECK(has(svg, "class=\"band f2\""));
  CHECK(svg.find("<polygon ") < svg.find("<polyline "));
  CHECK(has(svg, ">10</text>"));  // the axis holds the band up to 9
  CHECK_FALSE(has(line_chart(small_chart()), ">10</text>"));
  // A gap cuts the band; what remains of it here is single points
  chart.series[1].high[1] = kNan;
  CHECK(count_of(line_chart(chart), "<polygon ") == 0);
}

TEST_CASE("plot: names at the end of lines never overlap") {
  LineChart chart{.title = "many", .series = {}};
  for (int k = 0; k < 40; ++k) {
    chart.series.push_back({.name = "s" + std::to_string(k), .y = {0, 1}});
  }
  const std::string svg = line_chart(chart);
  check_plot(svg);
  std::vector<double> heights;
  const auto lines = lines_of(svg);
  REQUIRE(lines.size() == 80);
  for (size_t k = 40; k < 80; ++k) heights.push_back(lines[k][0].y);
  for (size_t k = 1; k < heights.size(); ++k) CHECK(heights[k] - heights[k - 1] >= 16.9);
  CHECK(heights.front() >= 0);
  // 36 pairs of colour and dashes before one repeats
  CHECK(count_of(svg, "class=\"series c1 d1\"") == 4);
  CHECK(count_of(svg, "class=\"series c1 d2\"") == 2);
}

TEST_CASE("plot: places with names in place of numbers") {
  LineChart chart = small_chart();
  chart.x_names = {"fc2", "fc1", "a < b"};
  const std::string svg = line_chart(chart);
  check_plot(svg);
  for (const char* name : {">fc2</text>", ">fc1</text>", ">a &lt; b</text>"}) CHECK(has(svg, name));
  CHECK_FALSE(has(svg, "rotate("));
  // The lines are where those of the places 1, 2, 3 are
  CHECK(lines_of(svg)[0][1].x == lines_of(line_chart(small_chart()))[0][1].x);

  // Long names are turned, many are thinned out, and all stay inside the picture
  const auto named = [](size_t count) {
    LineChart many{.title = "t", .x_title = "layer", .series = {{.name = "s", .y = {}}}};
    for (size_t k = 0; k < count; ++k) {
      many.x_names.push_back("layer" + std::to_string(k) + ".0.conv1");
      many.series[0].y.push_back(static_cast<double>(k));
    }
    return line_chart(many);
  };
  check_plot(named(12));
  CHECK(count_of(named(12), "rotate(40 ") == 12);
  CHECK(count_of(named(100), "rotate(40 ") < 30);
  CHECK(count_of(named(1), "rotate(") == 0);
  const auto lines = lines_of(named(100));
  REQUIRE(lines[0].size() == 100);
  for (const Svg::Point& point : lines[0]) CHECK(point.x < 720);

  chart.x_names.pop_back();
  CHECK_THROWS_WITH_AS(
      line_chart(chart), "line_chart: series \"train\" has 3 values and 0 x for 2 named places",
      ShapeError);
}

TEST_CASE("plot: wrong lists") {
  CHECK_THROWS_WITH_AS(
      line_chart({.title = "t", .series = {{.name = "a", .x = {1}, .y = {1, 2}}}}),
      "line_chart: series \"a\" has 1 x, 2 y, 0 low and 0 high values", ShapeError);
  CHECK_THROWS_AS(
      line_chart({.title = "t", .series = {{.name = "a", .y = {1, 2}, .low = {1, 2}}}}),
      ShapeError);
  CHECK_THROWS_AS(
      line_chart(
          {.title = "t", .series = {{.name = "a", .y = {1}, .low = {1, 2}, .high = {1, 2}}}}),
      ShapeError);
  CHECK_THROWS_WITH_AS(
      line_chart({.title = "", .series = {}}), doctest::Contains("needs a title"), ValueError);
  CHECK_THROWS_AS(bar_chart({.title = "", .bars = {}}), ValueError);
  CHECK_THROWS_WITH_AS(
      matrix_chart({.title = "m", .row_names = {"a"}, .column_names = {"a"}, .values = {}}),
      "matrix_chart: 0 rows of values for 1 row names", ShapeError);
  CHECK_THROWS_WITH_AS(
      matrix_chart({.title = "m", .row_names = {"a"}, .column_names = {"a"}, .values = {{1, 2}}}),
      "matrix_chart: row 0 has 2 values for 1 column names", ShapeError);
}

TEST_CASE("plot: bar chart") {
  const BarChart chart{
      .title = "Insertion",
      .value_title = "score",
      .bars = {{"gradient", 0.5, 0.4, 0.6}, {"occlusion", -0.25}, {"random", kNan}}};
  const std::string svg = bar_chart(chart);
  check_plot(svg);
  CHECK(
      has(svg,
          "<desc>Bar chart of score: gradient 0.5 [0.4, 0.6]; occlusion -0.25; "
          "random without value.</desc>"));
  CHECK(count_of(svg, "class=\"bar f1\"") == 2);
  CHECK(count_of(svg, "class=\"whisker\"") == 3);  // one error bar: a line and two caps
  CHECK(has(svg, ">0.5</text>"));
  CHECK(has(svg, ">" + kMinus + "0.25</text>"));
  CHECK(has(svg, ">no value</text>"));
  CHECK(has(svg, ">score</text>"));

  // The bar of 0.5 is twice as long as the bar of -0.25 and starts where that one ends
  const auto number_after = [&](const std::string& mark, size_t from) {
    return std::strtod(svg.c_str() + svg.find(mark, from) + mark.size(), nullptr);
  };
  const size_t first = svg.find("<rect");
  const size_t second = svg.find("<rect", first + 1);
  const double width = number_after(" width=\"", first);
  CHECK(width == doctest::Approx(2 * number_after(" width=\"", second)).epsilon(1e-3));
  CHECK(
      number_after(" x=\"", first) ==
      doctest::Approx(number_after(" x=\"", second) + width / 2).epsilon(1e-3));
}

TEST_CASE("plot: matrix") {
  MatrixChart chart{
      .title = "Confusion",
      .row_names = {"cat", "dog"},
      .column_names = {"cat", "dog"},
      .values = {{16, 4}, {0, 10}}};
  const std::string svg = matrix_chart(chart);
  check_plot(svg);
  CHECK(has(
      svg,
      "<desc>Matrix of 2 rows (true class) and 2 columns (predicted class); 26 of 30 lie on the "
      "diagonal.</desc>"));
  CHECK(has(svg, ">true class</text>"));
  CHECK(has(svg, ">predicted class</text>"));
  for (const char* number : {">16</text>", ">4</text>", ">0</text>", ">10</text>"}) {
    CHECK(has(svg, number));
  }
  // 4 of 16 has half the strength, since sqrt(4 / 16) = 1 / 2: 0.05 + 0.95 / 2, rounded
  CHECK(has(svg, "fill-opacity=\"0.53\"><title>cat \xE2\x86\x92 dog: 4</title>"));
  CHECK(has(svg, "class=\"f1\"><title>cat \xE2\x86\x92 cat: 16</title>"));
  CHECK(count_of(svg, "class=\"on\"") == 1);    // the number on the strongest cell
  CHECK(count_of(svg, "class=\"half\"") == 1);  // sqrt(10 / 16) = 0.79

  // Negative values take the second colour, gaps a dash
  chart.values = {{1, -0.5}, {kNan, 1}};
  const std::string with_gaps = matrix_chart(chart);
  check_plot(with_gaps);
  CHECK(count_of(with_gaps, "class=\"f2\"") == 1);
  CHECK(has(with_gaps, ">\xE2\x80\x93</text>"));
  CHECK_FALSE(has(with_gaps, "diagonal"));

  // Many columns: numbers under the pointer only
  chart.row_names.assign(40, "row");
  chart.column_names.assign(40, "column");
  chart.values.assign(40, std::vector<double>(40, 7));
  const std::string large = matrix_chart(chart);
  check_plot(large);
  CHECK_FALSE(has(large, ">7</text>"));
  CHECK(count_of(large, ": 7</title>") == 1600);
}

TEST_CASE("plot: texts cannot break out, and long names are cut with the whole as a hint") {
  const std::string lines = line_chart(
      {.title = kNasty,
       .description = kNasty,
       .x_title = kNasty,
       .y_title = kNasty,
       .series = {{.name = "<b>", .y = {1}}}});
  CHECK(markup_fault(lines) == "");
  CHECK(count_of(lines, kNastyEscaped) == 5);  // title and label, description, both axes
  CHECK(has(lines, ">&lt;b&gt;</text>"));
  const std::string bars = bar_chart(
      {.title = "t", .description = kNasty, .value_title = kNasty, .bars = {{kNasty, 1}}});
  CHECK(markup_fault(bars) == "");
  CHECK(count_of(bars, kNastyEscaped) == 3);  // the label is cut; its hint is whole
  CHECK(has(bars, "\xE2\x80\xA6<title>" + kNastyEscaped + "</title></text>"));
  const std::string matrix = matrix_chart(
      {.title = "t",
       .row_title = kNasty,
       .column_title = kNasty,
       .row_names = {kNasty},
       .column_names = {kNasty},
       .values = {{1}}});
  CHECK(markup_fault(matrix) == "");
  CHECK_FALSE(has(lines + bars + matrix, "<script"));
  CHECK_FALSE(has(lines + bars + matrix, "onload='"));

  CHECK(ShortName(std::string(36, 'a')).text == std::string(36, 'a'));
  CHECK(ShortName(std::string(37, 'a')).text == std::string(36, 'a') + "\xE2\x80\xA6");
  // Cut between characters, not bytes
  std::string accents;
  for (int i = 0; i < 40; ++i) accents += "\xC3\xA9";
  CHECK(ShortName(accents).text == accents.substr(0, 72) + "\xE2\x80\xA6");
}

TEST_CASE("plot: the same data give the same bytes") {
  CHECK(line_chart(small_chart()) == line_chart(small_chart()));
  LineChart other = small_chart();
  other.series[0].y[1] = 2.5;
  CHECK(line_chart(other) != line_chart(small_chart()));
}
