// tests/interpret/spectrum_plot_test.cpp: a map with circles as SVG.
#include "interpret/report/spectrum_plot.h"

#include "framework/core/error.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::interpret;

namespace {

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t k = text.find(part); k != std::string::npos; k = text.find(part, k + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("spectrum plot: map, key and the circles inside") {
  SpectrumPlot plot{
      .title = "Spectrum",
      .value_title = "T & more",
      .x_title = "a",
      .y_title = "b",
      .map = Tensor::of({2, 3}, {1, -2, 0, 0.5, 0, 1}, DType::f64),
      .marks = {{0, 0, 1}, {0.5, -0.5, -2}, {3, 0, 1}},
      .mark_title = "units"};
  const std::string svg = spectrum_plot(plot);
  CHECK(markup_fault(svg) == "");
  CHECK(occurrences(svg, "<image") == 2);
  CHECK(occurrences(svg, "<polygon") == 2);
  CHECK(occurrences(svg, "class=\"mark dash\"") == 1);
  CHECK(svg.find("T &amp; more from -2 to 2, with 2 circles") != std::string::npos);
  CHECK(svg.find(">units<") != std::string::npos);
  plot.marks.clear();
  CHECK(spectrum_plot(plot).find(">units<") == std::string::npos);
  plot.map = Tensor::zeros({3}, DType::f64);
  CHECK_THROWS_AS(spectrum_plot(plot), ShapeError);
}
