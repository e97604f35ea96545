// interpret/report/plot.h: line charts, bar charts and matrices as inline SVG for HTML pages.
//
//     const std::string svg = line_chart(
//         {.title = "Loss by epoch",
//          .x_title = "epoch",
//          .y_title = "cross-entropy",
//          .series = {{.name = "train", .y = train}, {.name = "test", .y = test}}});
//     report.figure(svg, "Both losses fall together.");
//
// A plot is one <svg> element with its own style, and needs no script, file or font. It takes the
// text colour of the page and suits light and dark themes. Nothing is told by colour alone: lines
// differ by dashes, points by shapes, and carry their names, bars and cells carry their numbers.
// Every plot has a title and a description for screen readers; a description left empty is written
// from the data.
//
// Values that are not finite (or over 1e150 in size) are gaps, never text in the picture.
// The same data give the same bytes, whatever the locale.
#pragma once

#include <limits>
#include <string>
#include <vector>

namespace limpid::interpret {

/// One line. Missing x means 1, 2, 3, ... (epochs). Points are joined in the order given; a value
/// that is not finite interrupts the line.
struct Series {
  std::string name = {};  // stands at the end of the line
  std::vector<double> x = {};
  std::vector<double> y = {};
  std::vector<double> low = {};  // the band [low, high] around the line, or empty
  std::vector<double> high = {};
  bool is_joined = true;  // false: points alone
};

struct LineChart {
  std::string title;  // announced, not drawn: the caption of the figure is the visible one
  std::string description = {};
  std::string x_title = {};
  std::string y_title = {};
  std::vector<Series> series = {};
  std::vector<std::string> x_names = {};  // stand at x = 1, 2, 3, ... in place of numbers
};

/// Names that do not fit side by side are turned; where even that is too close, some are left out.
/// Throws ShapeError if the lists of a series differ in length or do not fit the names, ValueError
/// without a title.
std::string line_chart(const LineChart& chart);

/// One horizontal bar from 0, with an error bar from low to high where both are finite.
struct Bar {
  std::string label;
  double value = 0;
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

struct BarChart {
  std::string title;
  std::string description = {};
  std::string value_title = {};  // what is measured, with its unit
  std::vector<Bar> bars = {};    // drawn from top to bottom
};

/// Throws ValueError without a title.
std::string bar_chart(const BarChart& chart);

/// A table of numbers on coloured cells, such as a confusion matrix: row = true class, column =
/// predicted class. The strength of a cell is sqrt(|value| / greatest |value|), so that rare
/// confusions remain visible; negative values take a second colour.
struct MatrixChart {
  std::string title;
  std::string description = {};
  std::string row_title = "true class";
  std::string column_title = "predicted class";
  std::vector<std::string> row_names = {};
  std::vector<std::string> column_names = {};
  std::vector<std::vector<double>> values = {};  // [row_names, column_names]
};

/// Beyond 30 columns the cells are small and show their number under the pointer only.
/// Throws ShapeError if the values do not fit the names, ValueError without a title.
std::string matrix_chart(const MatrixChart& chart);

}  // namespace limpid::interpret
