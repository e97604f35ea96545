// tests/interpret/coreset_similarity_test.cpp: measures with answers known by hand.
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/interpreter.h"
#include "interpret/coreset/similarity.h"
#include "interpret/numerics/assignment.h"
#include "interpret/numerics/statistics.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

using namespace limpid;
using namespace limpid::interpret;

namespace {

const std::vector<double> kA = {3, 0, 1, 0, 2};
const std::vector<double> kB = {2, 1, 0, 0, 2};
const std::vector<double> kZero(5);

bool near(double a, double b, double tolerance = 1e-6) { return std::abs(a - b) < tolerance; }

// The best of all assignments, by trying each.
double best_by_trying(const Tensor& C) {
  const int64_t n = C.size(0), m = C.size(1);
  std::vector<int64_t> order = index_range(0, m);
  double best = std::numeric_limits<double>::infinity();
  do {
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
      total += C.data<double>()[i * m + order[static_cast<size_t>(i)]];
    }
    best = std::min(best, total);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

}  // namespace

TEST_CASE("similarity: weights of one class, by hand") {
  CHECK(near(weight_cosine(kA, kB), 0.890871));
  CHECK(
      near(angular_similarity(weight_cosine(kA, kB)), 1 - 2 * std::acos(0.890870806) / 3.14159265));
  CHECK(near(std::acos(weight_cosine(kA, kB)), 0.471538));
  CHECK(near(euclidean_distance(kA, kB), 1.732051));
  const auto A = ranked_support(kA), B = ranked_support(kB);
  CHECK(A == std::vector<int64_t>{0, 4, 2});
  CHECK(B == std::vector<int64_t>{0, 4, 1});
  CHECK(overlap_of(A, B).jaccard == 0.5);
  CHECK(near(overlap_of(A, B).dice, 2.0 / 3, 1e-15));
  CHECK(top_jaccard(kA, kB) == 0.5);
  CHECK(near(weighted_jaccard(kA, kB), 4.0 / 7, 1e-15));
  CHECK(near(kuncheva(kA, kB), 1.0 / 6, 1e-15));
  CHECK(near(spearman(kA, kB), 0.729996));
  CHECK(near(kendall_tau_b(kA, kB), 0.589256));
  CHECK(near(pearson(kA, kB), 0.766965));
  const RankBiasedOverlap rbo = rank_biased_overlap(A, B, 0.9);
  CHECK(near(rbo.truncated, 0.244, 1e-12));
  CHECK(near(rbo.extrapolated, 0.73, 1e-12));
}

TEST_CASE("similarity: empty weights agree with each other and with nothing else") {
  CHECK(weight_cosine(kZero, kZero) == 1);
  CHECK(weight_cosine(kA, kZero) == 0);
  CHECK(weighted_jaccard(kZero, kZero) == 1);
  CHECK(weighted_jaccard(kA, kZero) == 0);
  CHECK(top_jaccard(kZero, kZero) == 1);
  CHECK(top_jaccard(kA, kZero) == 0);
  CHECK(std::isnan(kuncheva(kA, kZero)));
  CHECK(std::isnan(kendall_tau_b(kA, kZero)));
  CHECK(rank_biased_overlap({}, {}).extrapolated == 1);
  const std::vector<int64_t> one = {1};
  CHECK(rank_biased_overlap(one, {}).extrapolated == 0);
  CHECK(contains(
      failure<ShapeError>([] { weight_cosine(kA, std::vector<double>{1}); }), "lengths differ"));
  CHECK(contains(failure<ValueError>([] { rank_biased_overlap({}, {}, 1); }), "0 < p < 1"));
}

TEST_CASE("similarity: class weights compared with themselves, and layer by layer") {
  const Tensor W = matrix({2, 5}, {3, 0, 1, 0, 2, 0, 0, 0, 0, 0});
  const Tensor U = matrix({2, 5}, {2, 1, 0, 0, 2, 0, 0, 0, 0, 0});
  const std::vector<int64_t> groups = {0, 2, 5};
  const Tensor X = matrix({3, 5}, {1, 0, 0, 0, 0, 0, 1, 2, 0, 1, 0, 0, 0, 1, 3});
  const Similarity same = compare_weights(W, W, X, groups);
  for (const char* name :
       {"cosine", "angular", "jaccard", "dice", "top_jaccard", "rbo", "weighted_jaccard",
        "kuncheva", "spearman", "kendall", "functional", "layer_cosine", "layer_jaccard",
        "layer_share"}) {
    INFO(name);
    REQUIRE(same.at(name).size() == 2);
    CHECK(near(same.at(name)[0], 1, 1e-12));
  }
  CHECK(same.at("relative_l2")[0] == 0);
  CHECK(same.at("cosine")[1] == 1);  // both empty
  const Similarity other = compare_weights(W, U, X, groups);
  CHECK(near(other.at("cosine")[0], 0.890871));
  CHECK(near(
      other.at("functional")[0],
      pearson(std::vector<double>{3, 4, 6}, std::vector<double>{2, 3, 6}), 1e-12));
  // Layers (3, 0), (2, 1) and (1, 0, 2), (0, 0, 2)
  CHECK(near(other.at("layer_cosine")[0], (2 / std::sqrt(5) + 2 / std::sqrt(5)) / 2));
  CHECK(near(other.at("layer_jaccard")[0], 0.5, 1e-15));
  CHECK(near(other.at("layer_share")[0], 1 - std::abs(3.0 / 6 - 3.0 / 5), 1e-15));
  const Similarity with_signs = compare_weights(W, -U);
  CHECK(near(with_signs.at("cosine")[0], -0.890871));
  CHECK(std::isnan(with_signs.at("jaccard")[0]));
}

TEST_CASE("similarity: the shape metric, by hand") {
  const Tensor X = matrix({3, 1}, {1, 2, 3}), Y = matrix({3, 1}, {1, 3, 2});
  for (const double alpha : {0.0, 0.5, 1.0}) {
    CHECK(near(shape_angle(X, Y, {.alpha = alpha}), std::numbers::pi / 3));
    CHECK(near(shape_angle(X, -X, {.alpha = alpha}), 0));
  }
  const Tensor D = matrix({2, 2}, {2, 0, 0, 1}), E = matrix({2, 2}, {1, 0, 0, 2});
  CHECK(near(shape_angle(D, E, {.alpha = 1, .is_centred = false}), 0.643501));
  // Rounding of 1e-16 in a cosine is 1e-8 in an angle near 0
  CHECK(near(shape_angle(D, E, {.alpha = 0, .is_centred = false}), 0, 1e-7));
}

TEST_CASE("similarity: the shape metric is a metric on random matrices") {
  Rng rng(4);
  const auto draw = [&] { return Tensor::normal({12, 3}, rng, 0, 1, DType::f64); };
  for (int trial = 0; trial < 10; ++trial) {
    const Tensor X = draw(), Y = draw(), Z = draw();
    const Tensor R = qr(Tensor::normal({3, 3}, rng, 0, 1, DType::f64)).q;
    for (const double alpha : {0.0, 0.5, 1.0}) {
      const ShapeMetricOptions o{.alpha = alpha};
      CHECK(near(shape_angle(X, matmul(X, R), o), 0, 1e-6));
      CHECK(near(shape_angle(X, Y, o), shape_angle(Y, X, o), 1e-12));
      CHECK(shape_angle(X, Z, o) <= shape_angle(X, Y, o) + shape_angle(Y, Z, o) + 1e-12);
    }
    // Any invertible map, for alpha = 0 alone
    const Tensor M = matrix({3, 3}, {2, 1, 0, 0, 1, 0, 0, 3, 1});
    CHECK(near(shape_angle(X, matmul(X, M)), 0, 1e-6));
    CHECK(shape_angle(X, matmul(X, M), {.alpha = 1}) > 0.1);
  }
  CHECK(contains(
      failure<ShapeError>([&] {
        shape_angle(draw(), matrix({2, 1}, {1, 2}));
      }),
      "rows"));
  CHECK(contains(
      failure<ValueError>([&] { shape_angle(draw(), slice(draw(), 1, 0, 2)); }), "alpha > 0"));
  CHECK(shape_angle(draw(), slice(draw(), 1, 0, 2), {.alpha = 1}) > 0);
}

TEST_CASE("similarity: concepts in any order, with any sign") {
  Rng rng(6);
  const Tensor V = Tensor::uniform({4, 20}, rng, 0, 1, DType::f64);
  const Tensor W =
      concat({slice(V, 0, 2, 3), -slice(V, 0, 0, 1), slice(V, 0, 3, 4), slice(V, 0, 1, 2)}, 0);
  const MatchedRows matched = match_rows(V, W);
  CHECK(near(matched.cosine, 1, 1e-12));
  CHECK(matched.partner == std::vector<int64_t>{1, 3, 0, 2});
  for (const double cosine : principal_cosines(V, W)) CHECK(near(cosine, 1, 1e-12));
  const Tensor e = matrix({1, 3}, {1, 0, 0}), f = matrix({1, 3}, {1, 1, 0});
  CHECK(near(principal_cosines(e, f)[0], std::sqrt(0.5), 1e-12));
  CHECK(principal_cosines(matrix({1, 3}, {0, 0, 0}), f).empty());

  const Interpretation a{.concepts = {V}, .importance = {{1, 2, 3, 4}}};
  const Interpretation b{.concepts = {W}, .importance = {{3, 1, 4, 2}}};
  const Similarity found = compare_concepts(a, b);
  for (const char* name : {"matched_cosine", "importance", "pwsm", "subspace"}) {
    INFO(name);
    CHECK(near(found.at(name)[0], 1));
  }
  const Interpretation small{.concepts = {slice(V, 1, 0, 8)}, .importance = {{1, 2, 3, 4}}};
  CHECK(std::isnan(compare_concepts(small, small).at("pwsm")[0]));  // 8 channels say nothing of 4
  CHECK(near(compare_concepts(small, small).at("matched_cosine")[0], 1, 1e-12));
}

TEST_CASE("assignment: as good as the best of all") {
  Rng rng(8);
  for (int trial = 0; trial < 20; ++trial) {
    const int64_t n = 1 + trial % 4, m = n + trial % 3;
    const Tensor C = Tensor::normal({n, m}, rng, 0, 1, DType::f64);
    const auto columns = least_cost_assignment(C);
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
      total += C.data<double>()[i * m + columns[static_cast<size_t>(i)]];
    CHECK(near(total, best_by_trying(C), 1e-12));
  }
  CHECK(least_cost_assignment(Tensor::zeros({2, 3}, DType::f64)) == std::vector<int64_t>{0, 1});
  CHECK(contains(
      failure<ShapeError>([] {
        least_cost_assignment(Tensor::zeros({3, 2}, DType::f64));
      }),
      "[3, 2]"));
  CHECK(contains(
      failure<ValueError>([] {
        least_cost_assignment(matrix({1, 1}, {std::nan("")}));
      }),
      "NaN"));
}
