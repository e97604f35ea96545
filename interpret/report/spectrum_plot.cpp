// interpret/report/spectrum_plot.cpp: map, circles, axes, key.
#include "interpret/report/spectrum_plot.h"

#include "framework/core/error.h"
#include "interpret/report/markup.h"
#include "interpret/report/svg.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limpid::interpret {
namespace {

constexpr double kWidth = 560, kHeight = 420, kTop = 30;  // of the map, pixels
constexpr double kLargest = 11;                           // radius of the largest circle

std::string number(double value) { return drawn(number_text(value, 3)); }

void draw_circle(Svg& svg, const Svg::Point& centre, double radius, bool is_negative) {
  constexpr int kCorners = 24;
  std::vector<Svg::Point> points;
  for (int k = 0; k < kCorners; ++k) {
    const double angle = 2 * std::numbers::pi * k / kCorners;
    points.push_back({centre.x + radius * std::cos(angle), centre.y + radius * std::sin(angle)});
  }
  svg.polygon(points, is_negative ? "mark dash" : "mark");
}

void draw_axes(Svg& svg, const SpectrumPlot& plot, const Axis& x, const Axis& y, double left) {
  const double right = left + kWidth, bottom = kTop + kHeight;
  for (size_t i = 0; i < x.ticks.size(); ++i) {
    const double at = x.place(x.ticks[i], left, right);
    svg.line(at, bottom, at, bottom + 5, "axis");
    svg.text({at, bottom + 16}, x.tick_texts[i], {Anchor::middle, "muted"});
  }
  for (size_t i = 0; i < y.ticks.size(); ++i) {
    const double at = y.place(y.ticks[i], bottom, kTop);
    svg.line(left - 5, at, left, at, "axis");
    svg.text({left - 8, at}, y.tick_texts[i], {Anchor::end, "muted"});
  }
  svg.text({0, 9}, plot.y_title, {Anchor::start, "strong"});
  svg.text({(left + right) / 2, bottom + 37}, plot.x_title, {Anchor::middle, "strong"});
}

}  // namespace

std::string spectrum_plot(const SpectrumPlot& plot) {
  const ColouredMap map = colour(plot.map, plot.scale);
  const Axis x = make_axis(plot.x_low, plot.x_high, 7, AxisEnds::at_data);
  const Axis y = make_axis(plot.y_low, plot.y_high, 7, AxisEnds::at_data);
  double left = 0;
  for (const std::string& text : y.tick_texts) left = std::max(left, text_width(text) + 12);
  const double bottom = kTop + kHeight, key = bottom + 62;
  const auto is_inside = [&](const SpectrumMark& m) {
    return m.x >= plot.x_low && m.x <= plot.x_high && m.y >= plot.y_low && m.y <= plot.y_high &&
           is_drawable(m.size);
  };
  const int64_t shown = std::ranges::count_if(plot.marks, is_inside);
  Svg svg(
      left + kWidth + 12, key + (shown > 0 ? 58 : 32), plot.title,
      join_text(
          "Map of ", plot.value_title, " from ", number_text(map.low, 3), " to ",
          number_text(map.high, 3), shown > 0 ? join_text(", with ", shown, " circles") : "", "."),
      Fit::reduce);
  svg.picture({left, kTop}, {kWidth, kHeight}, map.image);
  double largest = 0;
  for (const SpectrumMark& m : plot.marks) {
    if (is_inside(m)) largest = std::max(largest, std::abs(m.size));
  }
  for (const SpectrumMark& m : plot.marks) {
    if (!is_inside(m) || m.size == 0) continue;
    const double radius = std::max(1.5, kLargest * std::sqrt(std::abs(m.size) / largest));
    draw_circle(
        svg, {x.place(m.x, left, left + kWidth), y.place(m.y, bottom, kTop)}, radius, m.size < 0);
  }
  draw_axes(svg, plot, x, y, left);
  svg.text({left, key}, plot.value_title, {Anchor::start, "strong"});
  const double from = left + 1.1 * text_width(plot.value_title) + 24, to = left + kWidth;
  const double low_end = from + text_width(number(map.low)) + 8;
  const double high_end = to - text_width(number(map.high)) - 8;
  svg.text({from, key}, number(map.low), {Anchor::start, "muted"});
  svg.picture({low_end, key - 6}, {high_end - low_end, 12}, colour_key(plot.scale, 200, 1));
  svg.text({to, key}, number(map.high), {Anchor::end, "muted"});
  if (shown > 0) svg.text({left, key + 26}, plot.mark_title, {Anchor::start, "muted"});
  return svg.finish();
}

}  // namespace limpid::interpret
