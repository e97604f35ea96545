// interpret/report/region_plot.h: the regions of a network in the plane, and where it decides what.
#pragma once

#include "interpret/shallow/polygons.h"

#include <string>
#include <vector>

namespace limpid::interpret {

struct RegionPlot {
  std::string title;                     // announced, not drawn
  std::vector<std::string> class_names;  // of one output: the names for <= 0 and > 0
  std::string x_title = "input 0";
  std::string y_title = "input 1";
};

/// Inline SVG: thin lines between regions, areas coloured by the largest output, thick lines where
/// it changes. Throws ValueError for all of R^n, ShapeError if names and outputs do not fit.
std::string region_plot(const Polygons& polygons, const Domain& box, const RegionPlot& plot);

/// Where two outputs tie for the largest: segments (x1, y1, x2, y2), one after the other.
std::vector<double> decision_boundary(const Polygons& polygons);

}  // namespace limpid::interpret
