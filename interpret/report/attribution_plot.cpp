// interpret/report/attribution_plot.cpp: layout of waterfalls and swarms.
#include "interpret/report/attribution_plot.h"

#include "framework/core/error.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/markup.h"
#include "interpret/report/svg.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace limpid::interpret {
namespace {

constexpr double kWidth = 720, kTop = 4;  // pixels

double widest(const std::vector<std::string>& names) {
  double width = 0;
  for (const std::string& name : names) width = std::max(width, text_width(ShortName(name).text));
  return width;
}

std::string signed_text(double value) { return (value > 0 ? "+" : "") + drawn(number_text(value)); }

// Vertical lines, numbers below, and what they measure
void draw_axis(
    Svg& svg, const Axis& axis, double left, double right, double bottom,
    const std::string& title) {
  for (size_t i = 0; i < axis.ticks.size(); ++i) {
    const double x = axis.place(axis.ticks[i], left, right);
    svg.line(x, kTop, x, bottom, axis.ticks[i] == 0 ? "axis" : "grid");
    svg.text({x, bottom + 13}, axis.tick_texts[i], {Anchor::middle, "muted"});
  }
  svg.text({(left + right) / 2, bottom + 35}, title, {Anchor::middle, "strong"});
}

}  // namespace

std::string waterfall_chart(const Waterfall& chart) {
  check_shape(
      chart.names.size() == chart.values.size(), "waterfall_chart", chart.names.size(),
      " names for ", chart.values.size(), " values");
  constexpr double kStep = 28, kBar = 16;
  double at = chart.base, low = at, high = at, number_width = 0;
  for (const double v : chart.values) {
    at += v;
    low = std::min(low, at);
    high = std::max(high, at);
    number_width = std::max(number_width, text_width(signed_text(v)) + 10);
  }
  check_value(
      is_drawable(low) && is_drawable(high) && is_drawable(at), "waterfall_chart",
      "a value cannot be drawn");
  const std::string base_text = "base " + drawn(number_text(chart.base));
  const std::string end_text = "prediction " + drawn(number_text(at));
  const Axis axis = make_axis(low, high, 6, AxisEnds::at_ticks);
  const double left = std::max({widest(chart.names), text_width(base_text), text_width(end_text)}) +
                      14 + number_width;
  const double right = kWidth - number_width - 4;
  const double bottom = kTop + kStep * static_cast<double>(chart.values.size() + 2);
  Svg svg(
      kWidth, bottom + 48, chart.title,
      join_text(
          "Waterfall chart from the ", base_text, " to the ", end_text, " in ", chart.values.size(),
          " steps."),
      Fit::reduce);
  draw_axis(svg, axis, left, right, bottom, chart.value_title);

  // Base, one bar per input joined to the next, prediction
  double y = kTop + kStep / 2, x = axis.place(chart.base, left, right);
  at = chart.base;
  svg.text({0, y}, base_text, {Anchor::start, "muted"});
  for (size_t i = 0; i < chart.values.size(); ++i) {
    svg.line(x, y, x, y + kStep, "whisker");
    y += kStep;
    const double v = chart.values[i], end = axis.place(at + v, left, right);
    const ShortName name(chart.names[i]);
    svg.text({0, y}, name.text, {}, name.hint);
    svg.rectangle(
        {std::min(x, end), y - kBar / 2}, {std::abs(end - x), kBar}, v < 0 ? "bar f1" : "bar f2");
    if (v < 0) {
      svg.text({std::min(x, end) - 7, y}, signed_text(v), {Anchor::end, ""});
    } else {
      svg.text({std::max(x, end) + 7, y}, signed_text(v));
    }
    at += v;
    x = end;
  }
  svg.line(x, y, x, y + kStep, "whisker");
  svg.text({0, y + kStep}, end_text, {Anchor::start, "strong"});
  return svg.finish();
}

std::string beeswarm_chart(const Beeswarm& chart) {
  const size_t n = chart.names.size();
  check_shape(
      chart.values.size() == n && chart.inputs.size() == n, "beeswarm_chart", n, " names for ",
      chart.values.size(), " rows of values and ", chart.inputs.size(), " of inputs");
  double low = 0, high = 0;
  size_t examples = 0;
  for (size_t i = 0; i < n; ++i) {
    check_shape(
        chart.values[i].size() == chart.inputs[i].size(), "beeswarm_chart", "row ", i, " has ",
        chart.values[i].size(), " values and ", chart.inputs[i].size(), " inputs");
    examples = std::max(examples, chart.values[i].size());
    for (const double v : chart.values[i]) {
      if (!is_drawable(v)) continue;
      low = std::min(low, v);
      high = std::max(high, v);
    }
  }
  constexpr double kStep = 44, kHalf = 19, kDot = 5;  // rows, half of their height, dots: pixels
  const Axis axis = make_axis(low, high, 6, AxisEnds::at_ticks);
  const double left = widest(chart.names) + 14, right = kWidth - 16;
  const double bottom = kTop + kStep * static_cast<double>(std::max<size_t>(1, n));
  Svg svg(
      kWidth, bottom + 66, chart.title,
      join_text(
          "Swarm of ", examples, " examples for each of ", n, " inputs by ", chart.value_title,
          "; above the line of an input stand its larger values, below the smaller ones."),
      Fit::reduce);
  draw_axis(svg, axis, left, right, bottom, chart.value_title);
  svg.text(
      {(left + right) / 2, bottom + 54},
      "above the line: value of the input at least the median; below: smaller",
      {Anchor::middle, "muted"});
  for (size_t i = 0; i < n; ++i) {
    const double y = kTop + kStep * (static_cast<double>(i) + 0.5);
    const ShortName name(chart.names[i]);
    svg.text({0, y}, name.text, {}, name.hint);
    svg.line(left, y, right, y, "grid");
    const double median = chart.inputs[i].empty() ? 0 : upper_median(chart.inputs[i]);

    // Dots of one column are stacked away from the line, closer where they are many
    std::map<std::pair<int64_t, bool>, std::vector<double>> columns;
    for (size_t k = 0; k < chart.values[i].size(); ++k) {
      if (!is_drawable(chart.values[i][k])) continue;
      const double x = axis.place(chart.values[i][k], left, right);
      columns[{std::llround(x / kDot), chart.inputs[i][k] >= median}].push_back(x);
    }
    for (const auto& [key, xs] : columns) {
      const double most = static_cast<double>(xs.size());
      const double step = std::min(kDot, (kHalf - 3) / std::max(1.0, most - 1));
      for (size_t k = 0; k < xs.size(); ++k) {
        const double off = 3 + step * static_cast<double>(k);
        svg.polyline(
            {{xs[k], key.second ? y - off : y + off}},
            key.second ? "series point c2" : "series point c1");
      }
    }
  }
  return svg.finish();
}

}  // namespace limpid::interpret
