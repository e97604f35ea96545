// interpret/report/attribution_plot.h: what inputs add to an output, as inline SVG (see plot.h).
#pragma once

#include <string>
#include <vector>

namespace limpid::interpret {

/// One prediction, step by step from the base at the top to the prediction at the bottom.
struct Waterfall {
  std::string title;  // announced, not drawn
  std::string value_title = "output";
  double base = 0;
  std::vector<std::string> names;  // of the inputs, drawn from top to bottom
  std::vector<double> values;      // what each adds
};

/// Steps up and down differ in colour and by the sign of their numbers. Throws ValueError without a
/// title, ShapeError if names and values differ in number.
std::string waterfall_chart(const Waterfall& chart);

/// Many predictions: a row per input, a dot per example at what the input adds to it. Dots above
/// the row's line have a value of the input that is at least the median of the examples, dots below
/// it a smaller one.
struct Beeswarm {
  std::string title;  // announced, not drawn
  std::string value_title = "Shapley value";
  std::vector<std::string> names;           // [n], drawn from top to bottom
  std::vector<std::vector<double>> values;  // [n][examples]: what the input adds
  std::vector<std::vector<double>> inputs;  // [n][examples]: its value
};

/// Values that are not drawable are left out. Throws ValueError without a title, ShapeError if
/// sizes do not fit.
std::string beeswarm_chart(const Beeswarm& chart);

}  // namespace limpid::interpret
