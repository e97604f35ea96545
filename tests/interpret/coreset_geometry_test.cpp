// tests/interpret/coreset_geometry_test.cpp: selectors that look at distances, on known points.
#include "framework/core/rng.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/cover.h"
#include "interpret/coreset/distances.h"
#include "interpret/coreset/diversity_graph.h"
#include "interpret/coreset/moderate.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

using Order = std::vector<int64_t>;

Tensor column(const std::vector<double>& values) {
  return Tensor::of({std::ssize(values), 1}, values);
}

std::set<int64_t> first(const Order& order, int64_t k) {
  return {order.begin(), order.begin() + k};
}

double distance(const Tensor& rows, int64_t i, int64_t j) {
  const std::vector<double> a = row_of(rows, i), b = row_of(rows, j);
  double square = 0;
  for (size_t k = 0; k < a.size(); ++k) square += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(square);
}

}  // namespace

TEST_CASE("moderate: the windows around the median distance") {
  const Tensor rows = column({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100});
  const std::vector<double> s = distances_to_centre(rows, Centre::median);  // the median is 5
  CHECK(s[5] == 0);
  CHECK(s[10] == 95);
  const Order order = moderate_order(s, 11);
  // Ranks: 5, 4, 6, 3, 7, 2, 8, 1, 9, 0, 10
  CHECK(first(order, 1) == std::set<int64_t>{2});
  CHECK(first(order, 2) == std::set<int64_t>{7, 2});
  CHECK(first(order, 3) == std::set<int64_t>{7, 2, 8});
  CHECK(first(order, 5) == std::set<int64_t>{3, 7, 2, 8, 1});
  CHECK(first(order, 11).size() == 11);
  for (int64_t n : {1, 2, 7, 10}) {  // every prefix is the window of the definition
    std::vector<double> ranks(static_cast<size_t>(n));
    std::iota(ranks.begin(), ranks.end(), 0.0);
    for (int64_t k = 1; k <= n; ++k) {
      const Order window = moderate_order(ranks, k);
      CHECK(*std::ranges::min_element(window) == (n - k) / 2);
      CHECK(*std::ranges::max_element(window) == (n - k) / 2 + k - 1);
      CHECK(std::set(window.begin(), window.end()).size() == static_cast<size_t>(k));
    }
  }
}

TEST_CASE("moderate: the median of an even count, the mean, and counts that make no sense") {
  const Tensor rows = column({0, 1, 5, 100});
  CHECK(median_row(rows)[0] == 3);
  CHECK(mean_row(rows)[0] == 26.5);
  CHECK(distances_to_centre(rows, Centre::mean)[0] == 26.5);
  const std::vector<double> s = {1, 2};
  for (const int64_t k : {0, 3, -1}) {
    CHECK(contains(failure<ValueError>([&] { moderate_order(s, k); }), "cannot choose"));
    CHECK(contains(failure<ValueError>([&] { three_quantile_order(s, k); }), "cannot choose"));
    CHECK(contains(failure<ValueError>([&] { herding(rows, k == 3 ? 5 : k); }), "cannot choose"));
    CHECK(
        contains(failure<ValueError>([&] { k_center(rows, k == 3 ? 5 : k, 0); }), "cannot choose"));
  }
}

TEST_CASE("three quantiles: three windows that do not overlap, a remainder in the middle first") {
  std::vector<double> s(41);
  std::iota(s.begin(), s.end(), 0.0);  // rank = index; quartiles 10, 20, 30
  CHECK(three_quantile_order(s, 3) == Order{20, 10, 30});
  CHECK(three_quantile_order(s, 5) == Order{20, 10, 30, 19, 9});
  CHECK(
      first(three_quantile_order(s, 9), 9) == std::set<int64_t>{9, 10, 11, 19, 20, 21, 29, 30, 31});
  const Order all = three_quantile_order(s, 41);
  CHECK(first(all, 41).size() == 41);
  // Few samples: windows that would meet go on beyond each other
  CHECK(three_quantile_order({s.begin(), s.begin() + 2}, 2) == Order{0, 1});
}

TEST_CASE("dgpruning: scores, messages and picks of five points on a line") {
  const Tensor rows = column({0, 1, 2, 3, 10});
  const std::vector<double> s = distances_to_centre(rows, Centre::mean);  // the mean is 3.2
  const DiversityGraphOptions options{.neighbours = 1, .forward = 1, .reverse = 1, .scales = false};
  const DiversityOrder found = diversity_order(rows, s, 3, options);
  const double score[] = {3.2, 2.2, 1.2, 0.2, 6.8};
  const double g[] = {4.009335, 3.818670, 2.082911, 0.647656, 6.800182};
  for (size_t i = 0; i < 5; ++i) {
    CHECK(s[i] == doctest::Approx(score[i]).epsilon(1e-12));
    CHECK(std::abs(found.first[i] - g[i]) < 1e-6);
  }
  CHECK(found.order == Order{4, 0, 1});
  CHECK(std::abs(found.last[1] - 2.343718) < 1e-6);
  CHECK(std::abs(found.last[2] - 1.220705) < 1e-6);
  CHECK(std::abs(found.last[3] - 0.641455) < 1e-6);
}

TEST_CASE("dgpruning: without messages the farthest from the centre come first") {
  Rng rng(4);
  const Tensor rows = Tensor::normal({30, 3}, rng, 0, 1);
  const std::vector<double> s = distances_to_centre(rows, Centre::mean);
  std::vector<int64_t> expected = index_range(0, 30);
  std::ranges::stable_sort(
      expected, std::greater<>(), [&](int64_t i) { return s[static_cast<size_t>(i)]; });
  const double never = std::numeric_limits<double>::infinity();
  CHECK(diversity_order(rows, s, 30, {.forward = never, .reverse = never}).order == expected);
  CHECK(diversity_order(rows, s, 30).order != expected);
  // As many neighbours as samples: no graph, the order of the rows
  CHECK(diversity_order(rows, s, 3, {.neighbours = 30}).order == Order{0, 1, 2});
  // The scale makes the order independent of the unit of the features
  Tensor large = Tensor::zeros(rows.shape());
  for (int64_t i = 0; i < rows.numel(); ++i) {
    large.mutable_data<float>()[i] = 1024 * rows.data<float>()[i];
  }
  std::vector<double> scaled = s;
  for (double& value : scaled) value *= 1024;
  CHECK(diversity_order(large, scaled, 30).order == diversity_order(rows, s, 30).order);
  CHECK(diversity_order(large, scaled, 30, {.scales = false}).mean_weight < 1e-3);
  CHECK(diversity_order(large, scaled, 30).mean_weight > 0.1);
}

TEST_CASE("dgpruning: equal samples and scores that make no sense") {
  const Tensor rows = Tensor::zeros({8, 2});
  const std::vector<double> zeros(8, 0.0);
  CHECK(diversity_order(rows, zeros, 3, {.neighbours = 2}).order.size() == 3);
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    std::vector<double> s(8, 1.0);
    s[3] = bad;
    CHECK(contains(failure<ValueError>([&] { diversity_order(rows, s, 3); }), "at least 0"));
  }
  CHECK(contains(failure<ValueError>([&] { diversity_order(rows, zeros, 9); }), "choose 9 of 8"));
}

TEST_CASE("k-center: order and covering radius on a line") {
  const Covering found = k_center(column({0, 1, 2, 10, 11, 20}), 4, 0);
  CHECK(found.order == Order{0, 5, 3, 2});
  CHECK(found.radius == std::vector<double>{20, 10, 2, 1});
  // Duplicates are as far as they are: at 0, in order of index
  CHECK(k_center(column({3, 3, 3}), 3, 1).order == Order{1, 0, 2});
  CHECK(contains(failure<ValueError>([] { k_center(column({1, 2}), 1, 2); }), "start 2"));
}

TEST_CASE("k-center: at most twice the best radius of all subsets") {
  Rng rng(7);
  for (int trial = 0; trial < 10; ++trial) {
    const Tensor rows = Tensor::normal({9, 2}, rng, 0, 1);
    double best = std::numeric_limits<double>::infinity();
    for (int64_t a = 0; a < 9; ++a) {
      for (int64_t b = 0; b < a; ++b) {
        double radius = 0;
        for (int64_t j = 0; j < 9; ++j) {
          radius = std::max(radius, std::min(distance(rows, a, j), distance(rows, b, j)));
        }
        best = std::min(best, radius);
      }
    }
    CHECK(k_center(rows, 2, trial % 9).radius.back() <= 2 * best);
  }
}

TEST_CASE("herding: near the mean, never the farthest") {
  const Tensor rows = Tensor::of({5, 2}, {0, 0, 1, 0, 0, 1, 4, 4, 1, 1});  // mean (1.2, 1.2)
  CHECK(herding(rows, 4) == Order{4, 1, 2, 3});
  CHECK(nearest_to_mean(rows) == 4);
}

TEST_CASE("moments: the order of herding on [x; vec(x x')]") {
  constexpr int64_t n = 60, m = 3;
  Rng rng(12);
  const Tensor rows = Tensor::normal({n, m}, rng, 0.5, 1);
  double unit = 0;
  for (const double x : rows.to_vector()) unit += x * x / n;
  std::vector<double> vectors;
  for (int64_t i = 0; i < n; ++i) {
    const std::vector<double> x = row_of(rows, i);
    for (const double a : x) vectors.push_back(a / std::sqrt(unit));
    for (const double a : x) {
      for (const double b : x) vectors.push_back(a * b / unit);
    }
  }
  CHECK(moment_herding(rows, n) == herding(Tensor::of({n, m + m * m}, vectors), n));
  CHECK(moment_herding(rows, n) != herding(rows, n));
  CHECK(moment_herding(Tensor::zeros({3, 2}), 2) == Order{0, 1});
  CHECK(contains(failure<ValueError>([&] { moment_herding(rows, n + 1); }), "cannot choose"));
}

TEST_CASE("herding: the mean of few samples is nearer to that of all than a random one") {
  Rng rng(1);
  const Tensor rows = Tensor::normal({200, 8}, rng, 0, 1);
  const std::vector<double> mean = mean_row(rows);
  const auto error = [&](const Order& order) {
    std::vector<double> sum(8);
    for (const int64_t i : order) {
      for (size_t k = 0; k < 8; ++k) sum[k] += row_of(rows, i)[k] / 20;
    }
    double square = 0;
    for (size_t k = 0; k < 8; ++k) square += std::pow(sum[k] - mean[k], 2);
    return std::sqrt(square);
  };
  Order some = rng.permutation(200);
  some.resize(20);
  CHECK(error(herding(rows, 20)) < error(some) / 2);
}

TEST_CASE("nearest neighbours: those of loops, ties to the lower index") {
  Rng rng(3);
  // Far from the origin, where |a|^2 + |b|^2 - 2ab would cancel in f32
  const Tensor rows = Tensor::normal({300, 5}, rng, 1000, 0.01);
  const Neighbours found = nearest_neighbours(rows, 4);
  REQUIRE(found.count == 4);
  for (int64_t i = 0; i < 300; ++i) {
    std::vector<std::pair<double, int64_t>> all;
    for (int64_t j = 0; j < 300; ++j) {
      if (j != i) all.emplace_back(distance(rows, i, j), j);
    }
    std::sort(all.begin(), all.end());
    for (int64_t c = 0; c < 4; ++c) {
      const auto at = static_cast<size_t>(4 * i + c);
      CHECK(found.index[at] == all[static_cast<size_t>(c)].second);
      // Sums of five squares in another order
      CHECK(
          found.distance[at] == doctest::Approx(all[static_cast<size_t>(c)].first).epsilon(1e-14));
    }
  }
  const Neighbours tied = nearest_neighbours(column({0, 1, 2, 3}), 1);
  CHECK(tied.index == Order{1, 0, 1, 2});
  CHECK(nearest_neighbours(column({5, 5, 5}), 7).index == Order{1, 2, 0, 2, 0, 1});
  CHECK(nearest_neighbours(column({5}), 2).count == 0);
}

TEST_CASE("contextual diversity: certain predictions of different classes first") {
  const Tensor p = Tensor::of({4, 2}, {0.5, 0.5, 1, 0, 0.9, 0.1, 0, 1}, DType::f64);
  const Covering found = contextual_diversity(p, 3, 1);
  CHECK(found.order == Order{1, 3, 0});
  CHECK(std::isfinite(found.radius[0]));  // zeros are clamped
}

TEST_CASE("rows: NaN, infinity, empty and misshapen are refused with the sample") {
  const double bad[] = {std::nan(""), std::numeric_limits<double>::infinity()};
  for (const double value : bad) {
    const Tensor rows = Tensor::of({3, 2}, {1, 2, 3, 4, value, 6});
    CHECK(contains(failure<ValueError>([&] { herding(rows, 1); }), "sample 2 holds NaN"));
    CHECK(contains(failure<ValueError>([&] { k_center(rows, 1, 0); }), "sample 2 holds NaN"));
    CHECK(contains(failure<ValueError>([&] { nearest_neighbours(rows, 1); }), "sample 2"));
  }
  CHECK(contains(failure<ShapeError>([] { herding(Tensor::zeros({0, 2}), 1); }), "[0, 2]"));
  CHECK(contains(failure<ShapeError>([] { herding(Tensor::zeros({3}), 1); }), "[3]"));
  CHECK(contains(
      failure<DTypeError>([] {
        herding(Tensor::zeros({3, 1}, DType::f64), 1);
      }),
      "f32"));
}
