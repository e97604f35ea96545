// tests/interpret/statistics_test.cpp: ranks, correlations and resampling against plain loops.
#include "interpret/numerics/statistics.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// 1 + values below + half of the other equal ones, by comparing all pairs.
std::vector<double> ranks_by_pairs(const std::vector<double>& v) {
  std::vector<double> ranks;
  for (const double a : v) {
    double rank = 0.5;
    for (const double b : v) rank += b < a ? 1 : b == a ? 0.5 : 0;
    ranks.push_back(rank);
  }
  return ranks;
}

std::vector<double> draws(size_t count, uint64_t seed) {
  std::vector<double> values(count);
  Rng(seed).normal(std::span<double>(values), 0, 1);
  return values;
}

}  // namespace

TEST_CASE("upper median: the middle, of two the upper one") {
  CHECK(upper_median({3, 1, 2}) == 2);
  CHECK(upper_median({4, 1, 3, 2}) == 3);
  CHECK(std::isnan(upper_median({})));
}

TEST_CASE("ranks: ties share the mean of theirs") {
  CHECK(average_ranks(std::vector<double>{3, 1, 3, 2}) == std::vector<double>{3.5, 1, 3.5, 2});
  std::vector<double> many;
  Rng rng(1);
  for (int i = 0; i < 200; ++i) many.push_back(static_cast<double>(rng.integer(40)));
  CHECK(average_ranks(many) == ranks_by_pairs(many));
}

TEST_CASE("spearman: monotone maps agree, reversed ones oppose, ties by hand") {
  const std::vector<double> x = draws(50, 2);
  std::vector<double> up, down;
  for (const double v : x) {
    up.push_back(std::exp(3 * v));
    down.push_back(-v * v * v);
  }
  CHECK(spearman(x, up) == doctest::Approx(1).epsilon(1e-12));
  CHECK(spearman(x, down) == doctest::Approx(-1).epsilon(1e-12));
  // Ranks (1, 2.5, 2.5, 4) and (2, 1, 3.5, 3.5): sums of products of deviations
  // 2.25, 4.5 and 4.5
  CHECK(
      spearman(std::vector<double>{0, 5, 5, 9}, std::vector<double>{2, 1, 3, 3}) ==
      doctest::Approx(0.5).epsilon(1e-12));
  CHECK(std::isnan(spearman(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3})));
  CHECK(std::isnan(spearman(std::vector<double>{1, 2, NAN}, std::vector<double>{1, 2, 3})));
  CHECK_THROWS_AS(pearson(std::vector<double>{1}, std::vector<double>{1, 2}), ShapeError);
}

TEST_CASE("gini: equal values 0, one of n holding everything 1 - 1/n") {
  CHECK(gini(std::vector<double>{2, -2, 2, 2}) == doctest::Approx(0));
  CHECK(gini(std::vector<double>{0, 0, -7, 0}) == doctest::Approx(0.75));
  // Mean absolute difference of all pairs over twice the mean: (1 + 2 + 1) * 2 / 9 / (2 * 2)
  CHECK(gini(std::vector<double>{3, 1, 2}) == doctest::Approx(8.0 / 9 / 4));
  CHECK(std::isnan(gini(std::vector<double>{0, 0})));
}

TEST_CASE("bootstrap: the interval of a mean of normal numbers, and of a constant") {
  const std::vector<double> x = draws(400, 3);
  const Interval i = bootstrap_mean(x, {.rounds = 4000});
  const double mean = mean_of(x);
  double squares = 0;
  for (const double v : x) squares += (v - mean) * (v - mean);
  const double error = std::sqrt(squares / 400 / 400);
  CHECK(i.low == doctest::Approx(mean - 1.96 * error).epsilon(0.08));
  CHECK(i.high == doctest::Approx(mean + 1.96 * error).epsilon(0.08));
  const Interval flat = bootstrap_mean(std::vector<double>(10, 2.5));
  CHECK(flat.low == 2.5);
  CHECK(flat.high == 2.5);
  CHECK_THROWS_AS(bootstrap_mean(x, {.rounds = 0}), ValueError);
  CHECK_THROWS_AS(bootstrap_mean(x, {.level = 1}), ValueError);
  CHECK(std::isnan(bootstrap_mean({}).low));
}

TEST_CASE("bootstrap: a function of the seed, at any thread count") {
  const std::vector<double> x = draws(100, 4);
  const auto at = [&](int threads, uint64_t seed) {
    const parallel::ThreadLimit limit(threads);
    const PairedTest t = paired_test(x, {.seed = seed});
    return std::vector<double>{t.interval.low, t.interval.high, t.p_value};
  };
  CHECK(at(1, 7) == at(1, 7));
  CHECK(at(1, 7) == at(3, 7));
  CHECK(at(1, 7) != at(1, 8));
}

TEST_CASE("paired test: all signs are tried often enough") {
  // With 4 differences of one sign, 2 of the 16 sign patterns are as extreme: p = 1/8
  const PairedTest four = paired_test(std::vector<double>{1, 2, 1, 3}, {.rounds = 20000});
  CHECK(four.mean == 1.75);
  CHECK(four.p_value == doctest::Approx(0.125).epsilon(0.08));
  // A clear difference, and none
  std::vector<double> clear = draws(50, 5);
  for (double& v : clear) v += 2;
  CHECK(paired_test(clear).p_value == doctest::Approx(1.0 / 2001));
  CHECK(paired_test(std::vector<double>{1, -1, 2, -2}).p_value == 1);
  CHECK(paired_test(std::vector<double>(5, 0.0)).p_value == 1);
}
