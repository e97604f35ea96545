// tests/interpret/scikit_test.cpp: our solvers beside stored answers of scikit-learn and SciPy.
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "interpret/coreset/similarity.h"
#include "interpret/numerics/factorise.h"
#include "interpret/numerics/lasso.h"
#include "interpret/numerics/statistics.h"
#include "tests/support/compare.h"
#include "tests/support/fixture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Made by scikit.py beside this file.
const Json& fixtures() {
  static const Json all = fixture("scikit.json");
  return all;
}

}  // namespace

TEST_CASE("scikit-learn: Lasso, as the penalised and as the constrained form") {
  REQUIRE(fixtures().at("lasso").items().size() == 4);
  for (const Json& problem : fixtures().at("lasso").items()) {
    const Tensor X = matrix(problem.at("X"));
    const std::vector<double> y = numbers(problem.at("y")), w = numbers(problem.at("w"));
    const int64_t n = X.size(0), m = X.size(1);
    const Tensor expected = Tensor::of({m}, w, DType::f64);
    const Tensor q = matmul(X, Tensor::of({n, 1}, y, DType::f64), {.transpose_a = true});
    const LassoPath path(
        matmul(X, X, {.transpose_a = true}), reshape(q, {m}),
        {.is_signed = !problem.at("positive").boolean(), .ridge = 0});
    // Coordinate descent ends at a duality gap of 1e-15 |y|^2: weights good to about 1e-7
    const double lambda = static_cast<double>(n) * problem.number("alpha");
    CHECK(close(path.at_lambda(lambda), expected, 1e-6));
    double mu = 0;
    for (const double value : w) mu += std::abs(value);
    CHECK(mu > 0.1);
    CHECK(close(path.at_mu(mu), expected, 1e-6));
  }
}

TEST_CASE("scikit-learn: NMF finds no better factors") {
  REQUIRE(fixtures().at("nmf").items().size() == 3);
  for (const Json& problem : fixtures().at("nmf").items()) {
    const Tensor A = matrix(problem.at("A"));
    const auto k = problem.integer("k");
    const double best = problem.number("best");
    const Factorisation found = factorise(A, k, {.max_rounds = 20000, .tolerance = 1e-12});
    // Within what both leave undone at their tolerances, and not below the minimum of six starts
    CHECK(found.relative_error == doctest::Approx(best).epsilon(1e-4));
  }
}

TEST_CASE("SciPy: rank correlations, with ties") {
  REQUIRE(fixtures().at("ranks").items().size() == 4);
  for (const Json& problem : fixtures().at("ranks").items()) {
    const std::vector<double> a = numbers(problem.at("a")), b = numbers(problem.at("b"));
    // Sums of at most 40 terms in double precision
    CHECK(std::abs(spearman(a, b) - problem.number("spearman")) < 1e-12);
    CHECK(std::abs(kendall_tau_b(a, b) - problem.number("kendall")) < 1e-12);
    CHECK(std::abs(pearson(a, b) - problem.number("pearson")) < 1e-12);
  }
}
