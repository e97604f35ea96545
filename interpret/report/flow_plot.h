// interpret/report/flow_plot.h: points that move in the plane, over the density they belong to.
#pragma once

#include "interpret/report/svg.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::interpret {

/// Broken lines of one colour and dash, with their name in the legend.
struct PathGroup {
  std::string name;
  std::vector<std::vector<Svg::Point>> paths;
};

struct Arrow {
  Svg::Point from, to;
};

/// One square drawing; several stand side by side over the same range.
struct FlowPanel {
  std::string name = {};           // above it
  std::vector<double> shade = {};  // [cells, cells] at least 0, rows from the smallest y; or empty
  std::vector<Arrow> arrows = {};
  std::vector<PathGroup> paths = {};  // drawn one above the other
  std::vector<Svg::Point> dots = {};
};

struct FlowPlot {
  std::string title;  // announced, not drawn
  std::string description = {};
  std::string x_title = "first coordinate";
  std::string y_title = "second coordinate";
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;
  int64_t cells = 0;  // of a shade, along each axis
  std::vector<FlowPanel> panels = {};
};

/// Inline SVG. Strength of a shade: square root of the value over the greatest of all panels. What
/// lies outside the range is moved to its border; lines with values that are not finite are left
/// out. Throws ValueError without a title, a panel or a range, ShapeError if a shade does not fit.
std::string flow_plot(const FlowPlot& plot);

/// The same length on both axes, around all the points: at least one.
void set_range(FlowPlot& plot, const std::vector<Svg::Point>& points);

/// Counts of points in cells x cells over the range of the plot: a shade.
std::vector<double> histogram(const FlowPlot& range, const std::vector<Svg::Point>& points);

}  // namespace limpid::interpret
