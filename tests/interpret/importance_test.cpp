// tests/interpret/importance_test.cpp: importance over data and volume, and the pictures of it.
#include "interpret/shallow/importance.h"

#include "framework/core/error.h"
#include "interpret/report/attribution_plot.h"
#include "tests/interpret/shallow_nets.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// f = relu(x) - 2 y: the slope of x is 1 where x > 0
PiecewiseLinear half_slope() {
  return multilayer(
      2, {{.rows = 3, .weight = {1, 0, 0, 1, 0, -1}, .bias = {0, 0, 0}},
          {.rows = 1, .weight = {1, -2, 2}, .bias = {0}}});
}

}  // namespace

TEST_CASE("importance: a network that is known") {
  const PiecewiseLinear net = half_slope();
  const std::vector<double> points = {1, 1, 2, -1, 3, 1, -2, 1};  // x > 0 three times of four
  const std::vector<double> spread = {2, 3};
  const Importance data = importance_by_data(net, 0, points, spread);
  CHECK(data.value == std::vector<double>{0.75 * 2, 2 * 3});
  CHECK(data.rising == std::vector<double>{0.75, 0});
  CHECK(data.falling == std::vector<double>{0, 1});
  CHECK(data.regions == 3);
  CHECK(data.single_point_regions == 2);

  Domain box = Domain::box(2, -1, 1);
  box.high[0] = 3;  // x > 0 on three quarters of [-1, 3]
  const Importance area = importance_by_area(clip_regions(net, box), 0, spread);
  CHECK(area.value[0] == doctest::Approx(0.75 * 2).epsilon(1e-12));
  CHECK(area.value[1] == doctest::Approx(2 * 3).epsilon(1e-12));
  CHECK(area.rising[0] == doctest::Approx(0.75).epsilon(1e-12));
  const Importance volume = importance_by_volume(net, 0, box, spread, 4000, 1);
  CHECK(volume.low[0] < 1.5);
  CHECK(volume.high[0] > 1.5);
  CHECK(volume.high[0] - volume.low[0] < 0.12);  // 2 * 1.96 * 2 sqrt(0.75 0.25 / 4000) = 0.054
  CHECK(volume.high[1] - volume.low[1] < 1e-12);
  CHECK(volume.regions == 4);

  CHECK(spread_of(std::vector<double>{1, 5, 3, 5}, 2) == std::vector<double>{1, 0});
  CHECK_THROWS_AS(importance_by_volume(net, 0, Domain::all(), spread, 10, 0), ValueError);
  CHECK_THROWS_AS(importance_by_volume(net, 0, box, spread, 1, 0), ValueError);
  CHECK_THROWS_AS(importance_by_data(net, 0, {}, spread), ShapeError);
  CHECK_THROWS_AS(importance_by_data(net, 1, points, spread), ValueError);
  const Polygons cut = clip_regions(net, box, {.max_regions = 2});
  CHECK_THROWS_WITH_AS(
      importance_by_area(cut, 0, spread), doctest::Contains("cut short"), ValueError);
}

TEST_CASE("importance: intervals by volume cover the exact areas") {
  int64_t covered = 0, total = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const PiecewiseLinear net = random_network({2, 8, 8, 1}, seed);
    const Domain box = Domain::box(2, -3, 3);
    const std::vector<double> ones = {1, 1};
    const Importance area = importance_by_area(clip_regions(net, box), 0, ones);
    const Importance volume = importance_by_volume(net, 0, box, ones, 1000, seed);
    CHECK(volume.regions <= area.regions);
    for (size_t i = 0; i < 2; ++i, ++total) {
      covered += volume.low[i] <= area.value[i] && area.value[i] <= volume.high[i] ? 1 : 0;
    }
  }
  CHECK(covered >= 33);  // 95 % of 40, less four standard deviations of a binomial
  CHECK(total == 40);
}

TEST_CASE("attribution plots: well-formed, every input and its sign") {
  const std::string fall = waterfall_chart(
      {.title = "One & only", .base = 1, .names = {"a<b", "c"}, .values = {2.5, -1.5}});
  CHECK(markup_fault(fall) == "");
  for (const char* part :
       {"a&lt;b", "+2.5",
        "\xE2\x88\x92"
        "1.5",
        "base 1", "prediction 2"}) {
    INFO(part);
    CHECK(fall.find(part) != std::string::npos);
  }
  CHECK_THROWS_AS(waterfall_chart({.title = "a", .names = {"b"}, .values = {}}), ShapeError);
  CHECK_THROWS_AS(waterfall_chart({.title = "a", .names = {"b"}, .values = {NAN}}), ValueError);

  Beeswarm swarm{.title = "Swarm", .names = {"first", "second"}, .values = {}, .inputs = {}};
  swarm.values = {{0.5, -1, NAN, 2}, {0, 0, 0, 0}};
  swarm.inputs = {{1, 2, 3, 4}, {1, 1, 1, 1}};
  const std::string dots = beeswarm_chart(swarm);
  CHECK(markup_fault(dots) == "");
  size_t drawn = 0;
  for (size_t at = dots.find("\"series point "); at != std::string::npos;
       at = dots.find("\"series point ", at + 1)) {
    ++drawn;
  }
  CHECK(drawn == 7);  // all but the gap
  swarm.inputs.pop_back();
  CHECK_THROWS_AS(beeswarm_chart(swarm), ShapeError);
}
