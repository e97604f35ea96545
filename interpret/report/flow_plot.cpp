// interpret/report/flow_plot.cpp: shade, arrows, lines, dots; axes and legend around them.
#include "interpret/report/flow_plot.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

using Point = Svg::Point;

constexpr double kTop = 34, kBetween = 26;

// Colour and dashes: 36 different pairs
std::string line_classes(size_t group) {
  const size_t n = kPaletteSize, dash = (group + group / n) % n + 1;
  return join_text("series thin c", group % n + 1, dash > 1 ? join_text(" d", dash) : "");
}

// A panel's place on the board
struct Frame {
  const FlowPlot& plot;
  double left, side;

  double right() const { return left + side; }
  double bottom() const { return kTop + side; }
  bool is_drawable(const Point& p) const {
    return interpret::is_drawable(p.x) && interpret::is_drawable(p.y);
  }
  Point place(const Point& p) const {
    const double x = (p.x - plot.x_low) / (plot.x_high - plot.x_low);
    const double y = (p.y - plot.y_low) / (plot.y_high - plot.y_low);
    return {left + side * std::clamp(x, 0.0, 1.0), bottom() - side * std::clamp(y, 0.0, 1.0)};
  }
};

void draw_shade(Svg& svg, const Frame& frame, const FlowPanel& panel, double greatest) {
  if (panel.shade.empty() || greatest <= 0) return;
  const int64_t cells = frame.plot.cells;
  const double size = frame.side / static_cast<double>(cells);
  for (int64_t row = 0; row < cells; ++row) {
    for (int64_t column = 0; column < cells; ++column) {
      const double value = panel.shade[static_cast<size_t>(row * cells + column)];
      const double strength = 0.6 * std::sqrt(std::max(value, 0.0) / greatest);
      if (!(strength >= 0.01)) continue;
      svg.rectangle(
          {frame.left + size * static_cast<double>(column),
           frame.bottom() - size * static_cast<double>(row + 1)},
          {size, size}, "f1", strength);
    }
  }
}

void draw_arrow(Svg& svg, const Point& a, const Point& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = std::hypot(dx, dy);
  if (length < 0.5) return;
  svg.line(a.x, a.y, b.x, b.y, "axis");
  const double head = std::min(5.0, 0.5 * length), ux = dx / length, uy = dy / length;
  const auto corner = [&](double side) {
    return Point{b.x - head * ux - side * head / 2 * uy, b.y - head * uy + side * head / 2 * ux};
  };
  svg.polygon({b, corner(1), corner(-1)}, "muted");
}

void draw_panel(Svg& svg, const Frame& frame, const FlowPanel& panel, double greatest) {
  draw_shade(svg, frame, panel, greatest);
  for (const Arrow& arrow : panel.arrows) {
    if (!frame.is_drawable(arrow.from) || !frame.is_drawable(arrow.to)) continue;
    draw_arrow(svg, frame.place(arrow.from), frame.place(arrow.to));
  }
  for (size_t g = 0; g < panel.paths.size(); ++g) {
    for (const std::vector<Point>& path : panel.paths[g].paths) {
      std::vector<Point> placed;
      const bool is_whole =
          std::ranges::all_of(path, [&](const Point& p) { return frame.is_drawable(p); });
      if (!is_whole) continue;
      for (const Point& p : path) placed.push_back(frame.place(p));
      svg.polyline(placed, line_classes(g));
    }
  }
  for (const Point& dot : panel.dots) {
    if (!frame.is_drawable(dot)) continue;
    const Point at = frame.place(dot);
    svg.rectangle({at.x - 1.25, at.y - 1.25}, {2.5, 2.5}, "muted");
  }
  svg.text({frame.left, kTop - 12}, panel.name, {Anchor::start, "strong"});
}

void draw_axes(Svg& svg, const Frame& frame, const Axis& x, const Axis& y, bool has_y_texts) {
  svg.line(frame.left, frame.bottom(), frame.right(), frame.bottom(), "axis");
  svg.line(frame.left, kTop, frame.left, frame.bottom(), "axis");
  for (size_t i = 0; i < x.ticks.size(); ++i) {
    const double at = x.place(x.ticks[i], frame.left, frame.right());
    svg.line(at, frame.bottom(), at, frame.bottom() + 5, "axis");
    svg.text({at, frame.bottom() + 16}, x.tick_texts[i], {Anchor::middle, "muted"});
  }
  svg.text(
      {(frame.left + frame.right()) / 2, frame.bottom() + 37}, frame.plot.x_title,
      {Anchor::middle, "strong"});
  if (!has_y_texts) return;
  for (size_t i = 0; i < y.ticks.size(); ++i) {
    const double at = y.place(y.ticks[i], frame.bottom(), kTop);
    svg.text({frame.left - 8, at}, y.tick_texts[i], {Anchor::end, "muted"});
  }
}

}  // namespace

std::string flow_plot(const FlowPlot& plot) {
  check_value(!plot.panels.empty(), "flow_plot", "needs a panel");
  check_value(
      plot.x_low < plot.x_high && plot.y_low < plot.y_high, "flow_plot", "needs a range, got ",
      plot.x_low, " to ", plot.x_high, " and ", plot.y_low, " to ", plot.y_high);
  double greatest = 0;
  for (const FlowPanel& panel : plot.panels) {
    check_shape(
        panel.shade.empty() || std::ssize(panel.shade) == plot.cells * plot.cells, "flow_plot",
        "a shade of ", panel.shade.size(), " values for ", plot.cells, " x ", plot.cells, " cells");
    for (const double v : panel.shade) greatest = std::max(greatest, v);
  }
  const auto count = static_cast<double>(plot.panels.size());
  const double side = plot.panels.size() == 1 ? 470 : std::max(180.0, 840 / count - kBetween);
  const int ticks = side > 300 ? 7 : 4;
  const Axis x = make_axis(plot.x_low, plot.x_high, ticks, AxisEnds::at_data);
  const Axis y = make_axis(plot.y_low, plot.y_high, ticks, AxisEnds::at_data);
  double left = 0, names = 0;
  for (const std::string& text : y.tick_texts) left = std::max(left, text_width(text) + 10);
  const std::vector<PathGroup>& groups = plot.panels.front().paths;
  for (const PathGroup& group : groups) {
    names = std::max(names, text_width(ShortName(group.name).text) + 60);
  }
  const double width = left + count * side + (count - 1) * kBetween + std::max(names, 12.0);
  Svg svg(width, kTop + side + 48, plot.title, plot.description, Fit::reduce);
  for (size_t k = 0; k < plot.panels.size(); ++k) {
    const Frame frame = {plot, left + static_cast<double>(k) * (side + kBetween), side};
    draw_panel(svg, frame, plot.panels[k], greatest);
    draw_axes(svg, frame, x, y, k == 0);
  }
  svg.text({0, 8}, plot.y_title, {Anchor::start, "strong"});
  for (size_t g = 0; g < groups.size(); ++g) {
    const double at = kTop + 12 + 22 * static_cast<double>(g);
    const double from = width - names + 12;
    const ShortName name(groups[g].name);
    svg.polyline({{from, at}, {from + 30, at}}, line_classes(g));
    svg.text({from + 38, at}, name.text, {}, name.hint);
  }
  return svg.finish();
}

void set_range(FlowPlot& plot, const std::vector<Point>& points) {
  double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  for (const Point& p : points) {
    low[0] = std::min(low[0], p.x);
    high[0] = std::max(high[0], p.x);
    low[1] = std::min(low[1], p.y);
    high[1] = std::max(high[1], p.y);
  }
  double half = 0.53 * std::max(high[0] - low[0], high[1] - low[1]);
  if (!(half > 0)) half = 1;
  plot.x_low = (low[0] + high[0]) / 2 - half;
  plot.x_high = (low[0] + high[0]) / 2 + half;
  plot.y_low = (low[1] + high[1]) / 2 - half;
  plot.y_high = (low[1] + high[1]) / 2 + half;
}

std::vector<double> histogram(const FlowPlot& range, const std::vector<Svg::Point>& points) {
  std::vector<double> counts(static_cast<size_t>(range.cells * range.cells));
  const auto cell_of = [&](double value, double low, double high) {
    return static_cast<int64_t>(
        std::floor((value - low) / (high - low) * static_cast<double>(range.cells)));
  };
  for (const Point& p : points) {
    if (!is_drawable(p.x) || !is_drawable(p.y)) continue;
    const int64_t column = cell_of(p.x, range.x_low, range.x_high);
    const int64_t row = cell_of(p.y, range.y_low, range.y_high);
    if (column < 0 || row < 0 || column >= range.cells || row >= range.cells) continue;
    counts[static_cast<size_t>(row * range.cells + column)] += 1;
  }
  return counts;
}

}  // namespace limpid::interpret
