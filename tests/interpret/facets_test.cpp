// tests/interpret/facets_test.cpp: neighbours and sizes of regions against counts and polygons.
#include "interpret/shallow/facets.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "interpret/shallow/polygons.h"
#include "tests/interpret/shallow_nets.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Pairs of polygons whose sides lie on each other for a length, by comparing all sides
std::set<std::pair<Pattern, Pattern>> touching(const Polygons& polygons) {
  std::set<std::pair<Pattern, Pattern>> pairs;
  const auto pattern = [&](int64_t j) {
    return Pattern(polygons.pattern(j), polygons.pattern(j) + polygons.units);
  };
  const auto overlap = [](const double* a, const double* b, const double* c, const double* d) {
    const double ux = b[0] - a[0], uy = b[1] - a[1], length = std::hypot(ux, uy);
    if (length == 0) return 0.0;
    const auto along = [&](const double* p) {
      return ((p[0] - a[0]) * ux + (p[1] - a[1]) * uy) / length;
    };
    const auto across = [&](const double* p) {
      return std::abs((p[0] - a[0]) * uy - (p[1] - a[1]) * ux) / length;
    };
    if (across(c) > 1e-8 || across(d) > 1e-8) return 0.0;
    return std::min(length, std::max(along(c), along(d))) -
           std::max(0.0, std::min(along(c), along(d)));
  };
  for (int64_t i = 0; i < polygons.size(); ++i) {
    for (int64_t j = 0; j < polygons.size(); ++j) {
      if (i == j) continue;
      const auto P = polygons.polygon(i), Q = polygons.polygon(j);
      double most = 0;
      for (size_t a = 0; a < P.size(); a += 2) {
        for (size_t b = 0; b < Q.size(); b += 2) {
          most =
              std::max(most, overlap(&P[a], &P[(a + 2) % P.size()], &Q[b], &Q[(b + 2) % Q.size()]));
        }
      }
      if (most > 1e-6) pairs.emplace(std::minmax(pattern(i), pattern(j)));
    }
  }
  return pairs;
}

Pattern pattern_of(const RegionTree& tree, int32_t region) {
  return {tree.pattern(region), tree.pattern(region) + tree.units};
}

}  // namespace

TEST_CASE("facets: one layer has h sum C(h - 1, i) of them") {
  for (const auto& [n, h, edges] :
       std::vector<std::array<int64_t, 3>>{{2, 6, 36}, {3, 8, 232}, {4, 9, 837}}) {
    // The box holds every crossing of the hyperplanes
    const PiecewiseLinear net = random_network({n, h, 1}, 3);
    const RegionTree tree = enumerate_regions(net, Domain::box(n, -1e4, 1e4));
    REQUIRE(tree.size() == enumerate_regions(net, Domain::all()).size());
    const std::vector<Facet> found = facets(tree);
    CHECK(std::ssize(found) == edges);
    for (const Facet& f : found) {
      Pattern on = pattern_of(tree, f.on);
      const auto unit = static_cast<size_t>(tree.cuts[static_cast<size_t>(f.cut)].unit);
      REQUIRE(on[unit] == 1);
      on[unit] = 0;
      REQUIRE(on == pattern_of(tree, f.off));
    }
  }
}

TEST_CASE("facets: in the plane, the pairs of polygons with a side in common") {
  const Domain box = Domain::box(2, -10, 10);
  const auto check_pairs = [&](const PiecewiseLinear& net) {
    const RegionTree tree = enumerate_regions(net, box);
    std::set<std::pair<Pattern, Pattern>> pairs;
    int64_t several_units = 0;
    for (const Facet& f : facets(tree)) {
      const Pattern off = pattern_of(tree, f.off), on = pattern_of(tree, f.on);
      pairs.emplace(std::minmax(off, on));
      int64_t differ = 0;
      for (size_t k = 0; k < on.size(); ++k) differ += on[k] != off[k] ? 1 : 0;
      several_units += differ > 1 ? 1 : 0;
      // The network is continuous: rounding of sums of about 20 products of size 100
      CHECK(f.jump <= 1e-11);
    }
    CHECK(pairs == touching(clip_regions(net, box)));
    return several_units;
  };
  for (uint64_t seed = 1; seed <= 3; ++seed) check_pairs(random_network({2, 6, 6, 2}, seed));
  // Whole numbers: units that share a line
  int64_t several_units = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    several_units += check_pairs(integer_network({2, 4, 4, 1}, seed));
  }
  CHECK(several_units > 0);
}

TEST_CASE("facets: every region touches another, the same at any thread count") {
  const RegionTree tree =
      enumerate_regions(random_network({4, 6, 6, 3}, 5), Domain::box(4, -10, 10));
  const std::vector<Facet> found = facets(tree);
  std::set<int32_t> seen;
  for (const Facet& f : found) seen.insert({f.off, f.on});
  CHECK(std::ssize(seen) == tree.size());
  const parallel::ThreadLimit one(1);
  const std::vector<Facet> again = facets(tree);
  REQUIRE(again.size() == found.size());
  for (size_t k = 0; k < found.size(); ++k) {
    REQUIRE(found[k].off == again[k].off);
    REQUIRE(found[k].on == again[k].on);
    REQUIRE(found[k].jump == again[k].jump);
  }
  CHECK_THROWS_WITH_AS(
      facets(enumerate_regions(random_network({2, 3, 1}, 1), Domain::all())),
      doctest::Contains("needs a box"), ValueError);
}

TEST_CASE("facets: the tent is a chain, and a jump is the one that was made") {
  RegionTree tree = enumerate_regions(tent_network(3), Domain::box(1, 0, 1));
  const std::vector<Facet> chain = facets(tree);
  CHECK(chain.size() == 7);
  for (const Facet& f : chain) {
    CHECK(f.jump == 0);
    CHECK(f.slope == 16);  // from 8 to -8
  }
  tree.biases[static_cast<size_t>(chain[2].on)] += 0.25;
  int64_t jumps = 0;
  for (const Facet& f : facets(tree)) {
    const bool is_moved = f.on == chain[2].on || f.off == chain[2].on;
    CHECK(f.jump == (is_moved ? 0.25 : 0));
    jumps += is_moved ? 1 : 0;
  }
  CHECK(jumps >= 1);

  // x and y in the unit square, a slope that differs along the facet x = 1/2
  RegionTree square = enumerate_regions(
      multilayer(
          2,
          {{.rows = 1, .weight = {1, 0}, .bias = {-0.5}}, {.rows = 1, .weight = {1}, .bias = {0}}}),
      Domain::box(2, 0, 1));
  const Facet before = facets(square).at(0);
  square.weights[static_cast<size_t>(2 * before.on + 1)] -= 3;
  CHECK(facets(square).at(0).jump == doctest::Approx(3));  // at y = 1
}

TEST_CASE("facets: volumes are lengths, areas, and shares of points") {
  const RegionTree tent = enumerate_regions(tent_network(4), Domain::box(1, 0, 1));
  for (const double length : region_volumes(tent).value) CHECK(length == 1.0 / 16);

  const PiecewiseLinear net = random_network({2, 8, 8, 1}, 2);
  const Domain box = Domain::box(2, -10, 10);
  const RegionTree tree = enumerate_regions(net, box);
  const Polygons polygons = clip_regions(net, box);
  std::map<Pattern, double> areas;
  for (int64_t j = 0; j < polygons.size(); ++j) {
    areas[Pattern(polygons.pattern(j), polygons.pattern(j) + polygons.units)] = polygons.area(j);
  }
  const Volumes exact = region_volumes(tree);
  CHECK(exact.low.empty());
  for (int32_t j = 0; j < tree.size(); ++j) {
    // Corners of size 10 rounded at 1e-16, and cuts that meet at small angles
    CHECK(std::abs(exact.value[static_cast<size_t>(j)] - areas.at(pattern_of(tree, j))) <= 1e-9);
  }

  // A cube in octants: 1/8 each
  const PiecewiseLinear octants = multilayer(
      3, {{.rows = 3, .weight = {1, 0, 0, 0, 1, 0, 0, 0, 1}, .bias = {0, 0, 0}},
          {.rows = 1, .weight = {1, 1, 1}, .bias = {0}}});
  const RegionTree cube = enumerate_regions(octants, Domain::box(3, -1, 1));
  const Volumes sampled = region_volumes(cube, 20'000, 7);
  REQUIRE(sampled.value.size() == 8);
  double sum = 0;
  for (size_t j = 0; j < 8; ++j) {
    sum += sampled.value[j];
    CHECK(sampled.low[j] <= sampled.value[j]);
    CHECK(sampled.value[j] <= sampled.high[j]);
    CHECK(sampled.high[j] - sampled.low[j] < 0.08);
    CHECK(std::abs(sampled.value[j] - 1) < 0.08);  // four standard deviations
  }
  CHECK(sum == doctest::Approx(8));
}
