// tests/interpret/shallow_regions_test.cpp: region counts against closed forms and other ways.
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "interpret/shallow/feasibility.h"
#include "interpret/shallow/polygons.h"
#include "interpret/shallow/regions.h"
#include "tests/interpret/shallow_nets.h"
#include "tests/reference/regions.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace limpid;
using namespace limpid::interpret;

namespace {

int64_t choose(int64_t n, int64_t k) {
  int64_t result = 1;
  for (int64_t i = 0; i < k; ++i) result = result * (n - i) / (i + 1);
  return result;
}

int64_t sum_choose(int64_t n, int64_t last) {
  int64_t sum = 0;
  for (int64_t i = 0; i <= last; ++i) sum += choose(n, i);
  return sum;
}

void check_tree(const PiecewiseLinear& net, const RegionTree& tree) {
  CHECK(std::ssize(tree.cuts) == tree.size() - 1);
  CHECK(std::ssize(pattern_set(tree)) == tree.size());
  CHECK(tree.counts.failures == 0);
  CHECK_FALSE(tree.truncated);
  for (int64_t j = 0; j < tree.size(); ++j) {
    REQUIRE(tree.find(tree.centre(j)) == j);
    REQUIRE(tree.radii[static_cast<size_t>(j)] > 0);
    const Pattern pattern = net.pattern(tree.centre(j));
    REQUIRE(std::equal(pattern.begin(), pattern.end(), tree.pattern(j)));
    const LocalMap map = net.local_map(pattern);
    const auto weights = tree.weights.begin() + j * tree.outputs * tree.inputs;
    REQUIRE(std::equal(map.weight.begin(), map.weight.end(), weights));
  }
}

}  // namespace

TEST_CASE("shallow regions: one layer in general position, Zaslavsky's counts") {
  for (const auto& [n, h] : std::vector<std::pair<int64_t, int64_t>>{
           {2, 5}, {2, 10}, {2, 20}, {3, 8}, {3, 12}, {4, 8}, {5, 10}, {6, 12}, {10, 12}}) {
    CAPTURE(n);
    CAPTURE(h);
    const PiecewiseLinear net = random_network({n, h, 1}, static_cast<uint64_t>(n + h));
    const RegionTree tree = enumerate_regions(net, Domain::all());
    CHECK(tree.size() == sum_choose(h, n));
    CHECK(std::ssize(tree.cuts) == tree.size() - 1);
    CHECK(tree.counts.failures == 0);

    // Through the origin: 2 sum C(h - 1, i). Unbounded cells are those, the rest are bounded
    DenseLayer first{
        .rows = h,
        .weight = net.hidden()[0].blocks[0].weight,
        .bias = std::vector<double>(static_cast<size_t>(h), 0.0)};
    const PiecewiseLinear central = multilayer(
        n, {first,
            {.rows = 1, .weight = std::vector<double>(static_cast<size_t>(h), 1.0), .bias = {0}}});
    const RegionTree cones = enumerate_regions(central, Domain::box(n, -1, 1));
    CHECK(cones.size() == 2 * sum_choose(h - 1, n - 1));
    CHECK(enumerate_regions(central, Domain::all()).size() == cones.size());
    CHECK(tree.size() - cones.size() == choose(h - 1, n));
  }
}

TEST_CASE("shallow regions: neighbours of one layer differ in one unit") {
  for (const auto& [n, h, edges] :
       std::vector<std::array<int64_t, 3>>{{2, 6, 36}, {3, 8, 232}, {4, 9, 837}}) {
    const auto patterns =
        pattern_set(enumerate_regions(random_network({n, h, 1}, 3), Domain::all()));
    int64_t count = 0;
    for (Pattern pattern : patterns) {
      for (uint8_t& unit : pattern) {
        if (unit == 1) continue;
        unit = 1;
        count += patterns.contains(pattern) ? 1 : 0;
        unit = 0;
      }
    }
    CHECK(count == edges);
    CHECK(count == h * sum_choose(h - 1, n - 1));
  }
}

TEST_CASE("shallow regions: tent maps double with every level") {
  for (int64_t levels = 1; levels <= 12; ++levels) {
    CAPTURE(levels);
    const PiecewiseLinear net = tent_network(levels);
    // Patterns that hold at single points must not count
    const RegionTree inside = enumerate_regions(net, Domain::box(1, 0, 1));
    CHECK(inside.size() == int64_t{1} << levels);
    CHECK(inside.borderline == 0);
    const RegionTree line = enumerate_regions(net, Domain::all());
    CHECK(line.size() == (levels == 1 ? 3 : (int64_t{1} << levels) + 2));
    const double slope = std::pow(2, levels);
    for (int64_t j = 0; j < inside.size(); ++j) {
      REQUIRE(std::abs(inside.weights[static_cast<size_t>(j)]) == slope);
    }
  }
}

TEST_CASE("shallow regions: the bound of Serra et al.") {
  const auto bound = [](int64_t n, const std::vector<int64_t>& widths) {
    return region_bound(n, widths);
  };
  CHECK(bound(2, {4, 4}) == 121);
  CHECK(bound(2, {4, 4, 4}) == 1331);
  CHECK(bound(3, {5, 5}) == 576);
  CHECK(bound(4, {6, 6}) == 2424);
  CHECK(bound(5, {4, 4, 4}) == 1634);
  CHECK(bound(2, {16, 16}) == 18769);
  CHECK(bound(8, {8, 8}) == 39203);
  CHECK(bound(8, {8, 8, 8}) == 5900722);
  CHECK(bound(10, {12}) == 4083);
  for (uint64_t seed = 0; seed < 5; ++seed) {
    CHECK(enumerate_regions(random_network({3, 5, 5, 1}, seed), Domain::all()).size() <= 576);
    CHECK(enumerate_regions(random_network({2, 4, 4, 4, 1}, seed), Domain::all()).size() <= 1331);
  }
}

TEST_CASE("shallow regions: the same set as trying all 2^N patterns") {
  for (const std::vector<int64_t>& widths : std::vector<std::vector<int64_t>>{
           {2, 3, 3, 1},
           {2, 4, 4, 1},
           {3, 5, 5, 1},
           {2, 3, 3, 3, 1},
           {4, 3, 4, 3, 1},
           {2, 4, 4, 4, 1},
           {10, 6, 6, 1}}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      CAPTURE(widths.size());
      CAPTURE(seed);
      const PiecewiseLinear net = random_network(widths, seed);
      const RegionTree tree = enumerate_regions(net, Domain::box(widths[0], -10, 10));
      check_tree(net, tree);
      const auto found = pattern_set(tree);
      CHECK(found == reference::patterns_by_trying_all(net, -10, 10));
    }
  }
}

TEST_CASE("shallow regions: polygons are the same regions and fill the box") {
  for (const std::vector<int64_t>& widths : std::vector<std::vector<int64_t>>{
           {2, 4, 4, 4, 1}, {2, 16, 16, 1}, {2, 32, 32, 2}, {2, 12, 12, 12, 1}}) {
    const PiecewiseLinear net = random_network(widths, 4);
    const Domain box = Domain::box(2, -10, 10);
    const RegionTree tree = enumerate_regions(net, box);
    const Polygons polygons = clip_regions(net, box);
    CHECK(polygons.size() == tree.size());
    CHECK(pattern_set(polygons) == pattern_set(tree));
    double area = 0;
    for (int64_t j = 0; j < polygons.size(); ++j) {
      REQUIRE(polygons.area(j) > 0);
      area += polygons.area(j);
    }
    // Every cut makes two corners per side: rounding of p corners of size 10 at 1e-16
    CHECK(std::abs(area - 400) <= 400 * 1e-9);
  }
}

TEST_CASE("shallow regions: every point is in the region of its pattern") {
  for (const std::vector<int64_t>& widths : std::vector<std::vector<int64_t>>{
           {2, 16, 16, 1}, {4, 6, 6, 3}, {8, 6, 6, 1}, {3, 8, 8, 8, 1}, {1, 6, 6, 1}}) {
    for (const bool is_all : {false, true}) {
      const PiecewiseLinear net = random_network(widths, 11);
      const RegionTree tree =
          enumerate_regions(net, is_all ? Domain::all() : Domain::box(widths[0], -10, 10));
      check_tree(net, tree);
      Rng rng(5);
      std::vector<double> x(static_cast<size_t>(widths[0]));
      for (int k = 0; k < 1000; ++k) {
        rng.uniform(x, -10, 10);
        const int64_t region = tree.find(x);
        REQUIRE(region >= 0);
        const Pattern pattern = net.pattern(x);
        REQUIRE(std::equal(pattern.begin(), pattern.end(), tree.pattern(region)));
      }
    }
  }
}

TEST_CASE("shallow regions: walks from corners where many faces meet come to an end") {
  // Rows of small whole numbers through the lower corner, so that steps stand still in numbers;
  // walks from it and from where another walk ended must agree
  int64_t pivots = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng(seed);
    const int64_t D = 6, m = 40;
    const std::vector<double> low(6, 0), high(6, 1);
    Polytope K{
        .dimension = D, .low = low.data(), .high = high.data(), .normals = {}, .offsets = {}};
    Vertex first = lower_corner(K);
    for (int64_t k = 0; k < m; ++k) {
      std::vector<double> a(6);
      double length = 0;
      for (double& v : a) {
        v = static_cast<double>(rng.integer(4)) - 1;  // -1, 0, 1, 2
        length += v * v;
      }
      if (length == 0) continue;
      for (double& v : a) v /= std::sqrt(length);
      K.add(a.data(), 0, 1);
      first.slack.push_back(0);
    }
    std::vector<double> g(6), back(6);
    double length = 0;
    for (double& v : g) {
      v = static_cast<double>(rng.integer(7)) - 3;
      length += v * v;
    }
    if (length == 0) continue;
    for (size_t i = 0; i < 6; ++i) {
      g[i] /= std::sqrt(length);
      back[i] = -g[i];
    }
    WalkCounts counts;
    Vertex v = first;
    const double far = 1e9;  // more than there is: to the maximum
    const double most = walk(K, v, g.data(), 0, far, counts);
    walk(K, v, back.data(), 0, far, counts);
    CHECK(walk(K, v, g.data(), 0, far, counts) == doctest::Approx(most).epsilon(1e-9));
    CHECK(counts.failures == 0);
    pivots += counts.pivots;
  }
  CHECK(pivots > 300);
}

TEST_CASE("shallow regions: degenerate networks") {
  const auto count = [](const PiecewiseLinear& net) {
    const RegionTree tree = enumerate_regions(net, Domain::box(net.inputs(), -4, 4));
    CHECK(tree.counts.failures == 0);
    CHECK(pattern_set(tree).size() == static_cast<size_t>(tree.size()));
    if (net.inputs() == 2) {
      CHECK(clip_regions(net, Domain::box(2, -4, 4)).size() == tree.size());
    }
    return tree.size();
  };
  const DenseLayer sum3{.rows = 1, .weight = {1, 1, 1}, .bias = {0}};
  // Rows of zeros are constant, whatever the bias
  CHECK(
      count(multilayer(2, {{.rows = 3, .weight = {1, 0, 0, 0, 0, 0}, .bias = {0, 1, 0}}, sum3})) ==
      2);
  // The same line three times, once turned around
  CHECK(
      count(multilayer(
          2, {{.rows = 3, .weight = {1, 2, 2, 4, -1, -2}, .bias = {1, 2, -1}}, sum3})) == 2);
  // Three lines through one point: six regions, not seven
  CHECK(
      count(multilayer(2, {{.rows = 3, .weight = {1, 0, 0, 1, 1, 1}, .bias = {0, 0, 0}}, sum3})) ==
      6);
  // A line along a side of the box, and one that touches a corner
  CHECK(
      count(multilayer(
          2, {{.rows = 3, .weight = {1, 0, 1, 1, 0, 1}, .bias = {4, -8, -4}}, sum3})) == 1);
  // A second layer that is dead everywhere
  CHECK(
      count(multilayer(
          2, {{.rows = 3, .weight = {1, 0, 0, 1, 1, 1}, .bias = {0, 0, 0}},
              {.rows = 3, .weight = {-1, -1, -1, -1, 0, 0, 0, 0, 0}, .bias = {-1, 0, -2}},
              sum3})) == 6);
  // Bias-free and deep: cones, so the same in every box and in all of R^n
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const PiecewiseLinear net = random_network({3, 5, 5, 1}, seed, false);
    const int64_t cones = enumerate_regions(net, Domain::box(3, -1, 1)).size();
    CHECK(enumerate_regions(net, Domain::box(3, -100, 100)).size() == cones);
    CHECK(enumerate_regions(net, Domain::all()).size() == cones);
  }
  // Whole numbers: cuts repeat, vanish and meet. Polygons agree
  for (uint64_t seed = 0; seed < 20; ++seed) count(integer_network({2, 4, 4, 1}, seed));
}

TEST_CASE("shallow regions: limits leave a part of the tree, the same at any thread count") {
  const PiecewiseLinear net = random_network({3, 12, 12, 1}, 2);
  const Domain box = Domain::box(3, -10, 10);
  const RegionTree whole = enumerate_regions(net, box);
  REQUIRE(whole.size() > 500);
  for (const int64_t limit :
       {int64_t{1}, int64_t{7}, int64_t{150}, whole.size() - 1, whole.size()}) {
    CAPTURE(limit);
    const RegionTree part = enumerate_regions(net, box, {.max_regions = limit});
    const parallel::ThreadLimit one(1);
    const RegionTree again = enumerate_regions(net, box, {.max_regions = limit});
    CHECK(part.size() == limit);
    CHECK(part.truncated == (limit < whole.size()));
    CHECK(part.rows == again.rows);
    CHECK(part.patterns == again.patterns);
    CHECK(part.centres == again.centres);
    CHECK(part.weights == again.weights);
    CHECK(part.counts.walks == again.counts.walks);
    // First regions of the whole; points elsewhere are in none
    Rng rng(1);
    std::vector<double> x(3);
    for (int k = 0; k < 300; ++k) {
      rng.uniform(x, -10, 10);
      const int64_t region = part.find(x);
      if (region < 0) continue;
      const Pattern pattern = net.pattern(x);
      REQUIRE(std::equal(pattern.begin(), pattern.end(), part.pattern(region)));
    }
    const auto all = pattern_set(whole);
    for (const Pattern& pattern : pattern_set(part)) REQUIRE(all.contains(pattern));
  }
  CHECK(enumerate_regions(net, box, {.time_limit = 1e-9}).truncated);
  CHECK(enumerate_regions(net, box, {.max_bytes = 10'000}).truncated);
  CHECK(enumerate_regions(net, box, {.should_stop = [] { return true; }}).truncated);
  const PiecewiseLinear flat = random_network({2, 12, 12, 1}, 2);
  const Polygons some = clip_regions(flat, Domain::box(2, -10, 10), {.max_regions = 20});
  CHECK(some.size() == 20);
  CHECK(some.truncated);
}

TEST_CASE("shallow regions: what is refused") {
  const PiecewiseLinear net = random_network({2, 3, 1}, 1);
  CHECK_THROWS_AS(enumerate_regions(net, Domain::box(2, 1, 1)), ValueError);
  CHECK_THROWS_AS(enumerate_regions(net, Domain::box(2, 1, -1)), ValueError);
  CHECK_THROWS_AS(enumerate_regions(net, Domain::box(2, NAN, 1)), ValueError);
  CHECK_THROWS_AS(enumerate_regions(net, Domain::box(3, -1, 1)), ShapeError);
  CHECK_THROWS_AS(clip_regions(net, Domain::all()), ValueError);
  CHECK_THROWS_AS(clip_regions(random_network({3, 3, 1}, 1), Domain::box(3, -1, 1)), ShapeError);
  CHECK_THROWS_WITH_AS(
      enumerate_regions(random_network({30, 3, 1}, 1), Domain::box(30, -1, 1)),
      doctest::Contains("at most 24 inputs"), ValueError);
  CHECK_THROWS_WITH_AS(
      multilayer(1, {{.rows = 1, .weight = {NAN}, .bias = {0}}}), doctest::Contains("not finite"),
      ValueError);
  CHECK_THROWS_AS(multilayer(1, {{.rows = 2, .weight = {1}, .bias = {0, 0}}}), ShapeError);
}
