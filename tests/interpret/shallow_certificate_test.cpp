// tests/interpret/shallow_certificate_test.cpp: distances to the decision boundary.
#include "framework/core/error.h"
#include "interpret/shallow/attack.h"
#include "interpret/shallow/certificate.h"
#include "tests/interpret/shallow_nets.h"

#include <doctest/doctest.h>

#include <limits>

using namespace limpid;
using namespace limpid::interpret;

TEST_CASE("certificate: the nearest point of a polytope") {
  const double r = std::sqrt(0.5);
  const std::vector<double> corner = {-1, 0, 1, 0, -1, 1};  // x <= 1, y <= 1
  CHECK(*nearest_point(std::vector<double>{3, 4}, corner) == std::vector<double>{1, 1});
  CHECK(*nearest_point(std::vector<double>{3, 0}, corner) == std::vector<double>{1, 0});
  CHECK(*nearest_point(std::vector<double>{0, 0}, corner) == std::vector<double>{0, 0});
  // x + y <= 0 as well: the multiplier of another constraint has to fall back to 0
  std::vector<double> three = corner;
  three.insert(three.end(), {-r, -r, 0});
  const auto p = *nearest_point(std::vector<double>{3, 2}, three);
  CHECK(p[0] == doctest::Approx(0.5));
  CHECK(p[1] == doctest::Approx(-0.5));
  // x <= 1 and x >= 2
  CHECK_FALSE(nearest_point(std::vector<double>{0, 0}, {-1, 0, 1, 1, 0, -2}).has_value());
}

TEST_CASE("certificate: a distance that is known") {
  // f = relu(x) - relu(x - 1) - 1/2 is negative below 1/2
  const PiecewiseLinear net = multilayer(
      2, {{.rows = 2, .weight = {1, 0, 1, 0}, .bias = {0, -1}},
          {.rows = 1, .weight = {1, -1}, .bias = {-0.5}}});
  const RegionTree tree = enumerate_regions(net, Domain::box(2, -4, 4));
  const Certificate low = certify(tree, std::vector<double>{-2, 3});
  CHECK(low.label == 0);
  CHECK(low.other == 1);
  CHECK(low.distance == doctest::Approx(2.5));
  CHECK(low.point == std::vector<double>{0.5, 3});
  CHECK(low.linear_radius == doctest::Approx(1));  // the box is nearer than the cut x = 0
  CHECK(low.regions_opened == 2);
  CHECK(certify(tree, std::vector<double>{3, 0}).distance == doctest::Approx(2.5));

  // Never positive: no decision to change
  const PiecewiseLinear negative = multilayer(
      2, {{.rows = 1, .weight = {1, 0}, .bias = {0}}, {.rows = 1, .weight = {-1}, .bias = {-1}}});
  const Certificate none =
      certify(enumerate_regions(negative, Domain::all()), std::vector<double>{1, 1});
  CHECK(none.other == -1);
  CHECK(none.distance == std::numeric_limits<double>::infinity());
  CHECK_THROWS_WITH_AS(
      certify(tree, std::vector<double>{5, 0}), doctest::Contains("outside of the box"),
      ValueError);
}

TEST_CASE("certificate: random networks, nothing nearer and a tie at the point") {
  Rng rng(3);
  int64_t finite = 0, within_one_region = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const int64_t n = seed % 2 == 0 ? 2 : 4, q = seed % 3 == 0 ? 1 : 3;
    const PiecewiseLinear net = random_network({n, 6, 6, q}, seed + 1);
    for (const bool is_all : {false, true}) {
      const RegionTree tree =
          enumerate_regions(net, is_all ? Domain::all() : Domain::box(n, -5, 5));
      for (int k = 0; k < 20; ++k) {
        std::vector<double> x0(static_cast<size_t>(n));
        rng.uniform(x0, -4, 4);
        const Certificate c = certify(tree, x0);
        CHECK(c.is_exact);
        CHECK(c.label == decision(net(x0)));
        if (c.other >= 0) {
          ++finite;
          within_one_region += c.distance <= c.linear_radius ? 1 : 0;
          const auto y = net(c.point);
          const auto other = static_cast<size_t>(c.other), label = static_cast<size_t>(c.label);
          const double gap = q == 1 ? y[0] : y[other] - y[label];
          CHECK(std::abs(gap) <= 1e-9);
          double square = 0;
          for (size_t i = 0; i < x0.size(); ++i) {
            square += (c.point[i] - x0[i]) * (c.point[i] - x0[i]);
            if (!is_all) CHECK(std::abs(c.point[i]) <= 5 + 1e-9);
          }
          CHECK(std::sqrt(square) == doctest::Approx(c.distance));
        }
        // Random directions: the decision holds up to the distance (inside the box)
        for (int t = 0; t < 200; ++t) {
          std::vector<double> x(x0.size());
          rng.normal(x, 0, 1);
          double length = 0;
          for (const double v : x) length += v * v;
          const double reach = std::min(c.distance, 50.0) * (1 - 1e-9) * std::sqrt(rng.uniform());
          bool is_inside = true;
          for (size_t i = 0; i < x.size(); ++i) {
            x[i] = x0[i] + reach * x[i] / std::sqrt(length);
            is_inside = is_inside && (is_all || std::abs(x[i]) <= 5);
          }
          if (is_inside) REQUIRE(decision(net(x)) == c.label);
        }
      }
    }
  }
  CHECK(finite > 100);
  CHECK(within_one_region < finite);  // the search across regions is needed
}

TEST_CASE("certificate: no attack within the distance, and just beyond it the label changes") {
  int64_t points = 0, solved = 0, tight = 0, on_ray = 0, within_one_region = 0, tried = 0;
  std::vector<double> excess;  // what gradient steps miss, relative
  Rng rng(9);
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const int64_t n = seed % 2 == 0 ? 2 : 3, q = seed % 3 == 0 ? 1 : 3;
    const PiecewiseLinear net = random_network({n, 8, 8, q}, seed);
    const Domain box = Domain::box(n, -5, 5);
    const RegionTree tree = enumerate_regions(net, box);
    for (int k = 0; k < 24; ++k) {
      std::vector<double> x0(static_cast<size_t>(n));
      rng.uniform(x0, -4, 4);
      const Certificate c = certify(tree, x0);
      REQUIRE(c.is_exact);
      // The full number of random points for a few, to be done in two seconds
      const Attack a = attack(
          net, box, x0, c, {.random_points = k == 0 ? 10'000 : 300, .starts = 3, .seed = seed + 1});
      REQUIRE(a.changed == 0);
      ++points;
      tried += a.tried;
      if (c.other < 0) {
        CHECK(a.radius == std::numeric_limits<double>::infinity());
        continue;
      }
      ++solved;
      tight += a.is_tight ? 1 : 0;
      on_ray += a.is_tight_on_ray ? 1 : 0;
      within_one_region += c.distance <= c.linear_radius ? 1 : 0;
      // The end of the steps is a point where the label changes, so not nearer than the nearest
      REQUIRE(a.radius >= c.distance * (1 - 1e-9));
      excess.push_back(a.radius / c.distance - 1);
    }
  }
  std::ranges::sort(excess);
  const auto none_found = std::ranges::count(excess, std::numeric_limits<double>::infinity());
  MESSAGE(
      solved << " of " << points << " points have a boundary in the box, all solved to optimality; "
             << within_one_region << " within their region; " << tried
             << " attacks within the distance, none changes the label; tight: " << tight
             << ", on the ray to the tie " << on_ray
             << "; gradient steps are over the exact distance by " << excess[excess.size() / 2]
             << " in the median and find nothing for " << none_found);
  CHECK(solved >= 100);
  CHECK(tight == solved);
  CHECK(excess[excess.size() / 2] < 0.05);

  // A certificate that claims too much is found out
  const PiecewiseLinear net = random_network({2, 8, 8, 3}, 2);
  const Domain box = Domain::box(2, -5, 5);
  const std::vector<double> x0 = {0, 0};
  Certificate wrong = certify(enumerate_regions(net, box), x0);
  REQUIRE(wrong.other >= 0);
  wrong.distance *= 1.2;
  CHECK(attack(net, box, x0, wrong).changed > 0);
  wrong.beyond = {0.9 * wrong.beyond[0], 0.9 * wrong.beyond[1]};
  CHECK_FALSE(attack(net, box, x0, wrong).is_tight);
}

TEST_CASE("certificate: an unexplored part ends it with a lower bound") {
  const PiecewiseLinear net = random_network({2, 8, 8, 2}, 5);
  const Domain box = Domain::box(2, -5, 5);
  const RegionTree whole = enumerate_regions(net, box);
  const RegionTree part = enumerate_regions(net, box, {.max_regions = whole.size() / 3});
  int64_t inexact = 0;
  for (int64_t j = 0; j < part.size(); ++j) {
    const Certificate c = certify(part, part.centre(j));
    const Certificate exact = certify(whole, part.centre(j));
    inexact += c.is_exact ? 0 : 1;
    CHECK(c.distance <= exact.distance + 1e-9);
    if (c.is_exact) CHECK(std::abs(c.distance - exact.distance) <= 1e-9);
  }
  CHECK(inexact > 0);
}
