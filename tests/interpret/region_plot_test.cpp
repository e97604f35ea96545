// tests/interpret/region_plot_test.cpp: the picture of regions and where decisions change.
#include "interpret/report/region_plot.h"

#include "framework/core/error.h"
#include "tests/interpret/shallow_nets.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

TEST_CASE("region plot: the boundary of a network that is known") {
  // |x| + |y| - 1: a square of four pieces, one in each quadrant, each sqrt(2) long
  const PiecewiseLinear net = multilayer(
      2, {{.rows = 4, .weight = {1, 0, -1, 0, 0, 1, 0, -1}, .bias = {0, 0, 0, 0}},
          {.rows = 1, .weight = {1, 1, 1, 1}, .bias = {-1}}});
  const Domain box = Domain::box(2, -2, 2);
  const Polygons polygons = clip_regions(net, box);
  CHECK(polygons.size() == 4);
  const std::vector<double> b = decision_boundary(polygons);
  REQUIRE(b.size() == 16);
  for (size_t k = 0; k < b.size(); k += 4) {
    CHECK(std::hypot(b[k + 2] - b[k], b[k + 3] - b[k + 1]) == doctest::Approx(std::sqrt(2)));
    for (const size_t end : {k, k + 2}) {
      CHECK(std::abs(b[end]) + std::abs(b[end + 1]) == doctest::Approx(1));
    }
  }
  const std::string svg =
      region_plot(polygons, box, {.title = "Square", .class_names = {"inside", "outside & more"}});
  CHECK(markup_fault(svg) == "");
  CHECK(svg.find("4 regions of the plane") != std::string::npos);
  CHECK(svg.find("outside &amp; more") != std::string::npos);
  CHECK_THROWS_AS(region_plot(polygons, box, {.title = "a", .class_names = {"one"}}), ShapeError);
}

TEST_CASE("region plot: at every point of the boundary the two largest outputs tie") {
  size_t pieces = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {  // in some, one class is always the largest
    const PiecewiseLinear net = random_network({2, 8, 8, 3}, seed);
    const std::vector<double> b = decision_boundary(clip_regions(net, Domain::box(2, -5, 5)));
    pieces += b.size() / 4;
    for (size_t k = 0; k < b.size(); k += 4) {
      const std::vector<double> middle = {(b[k] + b[k + 2]) / 2, (b[k + 1] + b[k + 3]) / 2};
      std::vector<double> y = net(middle);
      std::ranges::sort(y);
      CHECK(y[2] - y[1] <= 1e-9);
    }
  }
  CHECK(pieces > 10);
}
