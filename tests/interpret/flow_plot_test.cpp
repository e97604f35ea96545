// tests/interpret/flow_plot_test.cpp: panels of moving points as SVG.
#include "interpret/report/flow_plot.h"

#include "framework/core/error.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

FlowPlot small_plot() {
  FlowPlot plot{.title = "Flow <1>", .cells = 2};
  plot.panels.push_back(
      {.name = "t = 0",
       .shade = {0, 1, 4, 0},
       .arrows = {{{0.1, 0.1}, {0.5, 0.5}}},
       .paths = {{"layers", {{{0, 0}, {0.5, 1}}, {{0, NAN}, {1, 1}}}}, {"limit", {}}},
       .dots = {{0.2, 0.3}, {INFINITY, 0}}});
  return plot;
}

}  // namespace

TEST_CASE("flow plot: shades, arrows, lines and dots, without what is not finite") {
  const std::string svg = flow_plot(small_plot());
  CHECK(svg.starts_with("<svg"));
  CHECK(markup_fault(svg) == "");
  CHECK(count_of(svg, "class=\"f1\"") == 2);
  CHECK(count_of(svg, "fill-opacity=\"0.3\"") == 1);  // sqrt(1 / 4) of 0.6
  CHECK(count_of(svg, "<polygon") == 1);
  CHECK(count_of(svg, "class=\"series thin c1\"") == 2);     // one path and its legend
  CHECK(count_of(svg, "class=\"series thin c2 d2\"") == 1);  // the legend alone
  CHECK(count_of(svg, "width=\"2.5\"") == 1);
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  CHECK(svg.find("Flow &lt;1&gt;") != std::string::npos);
}

TEST_CASE("flow plot: counts of points in cells") {
  const FlowPlot plot = small_plot();
  const std::vector<double> counts =
      histogram(plot, {{0.1, 0.1}, {0.2, 0.3}, {0.9, 0.1}, {2, 0.1}, {NAN, 0}});
  CHECK(counts == std::vector<double>{2, 1, 0, 0});
}

TEST_CASE("flow plot: what is refused") {
  FlowPlot plot = small_plot();
  plot.panels[0].shade.pop_back();
  CHECK_THROWS_AS(flow_plot(plot), ShapeError);
  plot = small_plot();
  plot.x_high = plot.x_low;
  CHECK_THROWS_AS(flow_plot(plot), ValueError);
  plot = small_plot();
  plot.panels.clear();
  CHECK_THROWS_AS(flow_plot(plot), ValueError);
}
