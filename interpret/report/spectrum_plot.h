// interpret/report/spectrum_plot.h: a map over two real axes with circles on it, as inline SVG.
#pragma once

#include "framework/tensor/tensor.h"
#include "interpret/report/heatmap.h"

#include <string>
#include <vector>

namespace limpid::interpret {

/// A circle: its area is proportional to `size`, its line solid or, for negative ones, dashed.
struct SpectrumMark {
  double x = 0, y = 0;
  double size = 0;
};

struct SpectrumPlot {
  std::string title;        // announced, not drawn
  std::string value_title;  // what the colours mean
  std::string x_title, y_title;
  Tensor map;  // [H, W], the first row at the upper end of y
  MapScale scale = MapScale::symmetric;
  double x_low = -1, x_high = 1, y_low = -1, y_high = 1;
  std::vector<SpectrumMark> marks = {};  // those outside of the axes are left out
  std::string mark_title = {};           // what a circle is
};

/// Throws ValueError without a title, ShapeError unless the map is [H, W].
std::string spectrum_plot(const SpectrumPlot& plot);

}  // namespace limpid::interpret
