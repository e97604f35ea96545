// tests/interpret/lasso_test.cpp: paths known by hand, optimality, and a slow solver beside them.
#include "interpret/numerics/lasso.h"

#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "interpret/numerics/nnls.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// With the exact problems below no ridge is needed.
const LassoPathOptions kExact{.ridge = 0};
const LassoPathOptions kSigned{.is_signed = true, .ridge = 0};

Tensor vector(std::initializer_list<double> values) {
  return Tensor::of({std::ssize(values)}, values, DType::f64);
}

struct Problem {
  Tensor Q, q;
};
Problem normal_equations(const Tensor& X, const Tensor& y) {
  return {
      matmul(X, X, {.transpose_a = true}),
      reshape(matmul(X, reshape(y, {y.numel(), 1}), {.transpose_a = true}), {X.size(1)})};
}

const Problem kIdentity{
    Tensor::of({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, DType::f64), vector({3, 1, -2})};

// Soft thresholding of one weight after the other, many rounds (Friedman et al. 2007).
Tensor coordinate_descent(const Problem& p, double lambda, bool is_signed) {
  const int64_t m = p.q.numel();
  std::vector<double> w(static_cast<size_t>(m));
  for (int round = 0; round < 3000; ++round) {
    for (int64_t j = 0; j < m; ++j) {
      double c = p.q.data<double>()[j];
      for (int64_t i = 0; i < m; ++i) {
        if (i != j) c -= p.Q.data<double>()[j * m + i] * w[static_cast<size_t>(i)];
      }
      const double shrunk = c > lambda ? c - lambda : is_signed && c < -lambda ? c + lambda : 0;
      w[static_cast<size_t>(j)] = shrunk / p.Q.data<double>()[j * m + j];
    }
  }
  return Tensor::of({m}, w, DType::f64);
}

}  // namespace

TEST_CASE("lasso: orthogonal columns, by hand") {
  const LassoPath path(kIdentity.Q, kIdentity.q, kExact);
  CHECK(close(path.at_mu(2), vector({2, 0, 0})));
  CHECK(close(path.at_mu(3), vector({2.5, 0.5, 0})));
  CHECK(close(path.at_mu(10), vector({3, 1, 0})));
  CHECK(close(path.at_mu(0), vector({0, 0, 0})));
  CHECK(close(path.at_lambda(0.5), vector({2.5, 0.5, 0})));
  CHECK(close(path.at_lambda(5), vector({0, 0, 0})));
  CHECK(close(path.at_share(0.75), vector({2.5, 0.5, 0})));  // of 4
  const LassoPath any(kIdentity.Q, kIdentity.q, kSigned);
  CHECK(close(any.at_mu(2), vector({1.5, 0, -0.5})));
  CHECK(close(any.at_mu(3), vector({2, 0, -1})));
  CHECK(close(any.at_mu(100), vector({3, 1, -2})));
}

TEST_CASE("lasso: two columns that overlap, by hand") {
  const Problem p = normal_equations(Tensor::of({2, 2}, {1, 1, 0, 1}, DType::f64), vector({1, 1}));
  CHECK(close(LassoPath(p.Q, p.q, kExact).at_mu(0.5), vector({0, 0.5})));
}

TEST_CASE("lasso: random problems are solved to the optimum, in all three forms") {
  Rng rng(3);
  for (int trial = 0; trial < 20; ++trial) {
    const Tensor X = Tensor::normal({50, 20}, rng, 0, 1, DType::f64);
    const Tensor y = Tensor::normal({50}, rng, 0, 1, DType::f64);
    const Problem p = normal_equations(X, y);
    const LassoPath path(p.Q, p.q, kExact);
    // Conditions of optimality; rounding over some twenty steps of condition below 100
    for (const double share : {0.05, 0.3, 0.5, 0.9, 1.0}) {
      const double mu = share * path.knots().back().sum;
      CHECK(lasso_violation(p.Q, p.q, path.at_share(share), mu) < 1e-8);
      CHECK(close(path.at_share(share), path.at_mu(mu), 1e-12));
    }
    for (size_t k = 1; k < path.knots().size(); ++k) {
      CHECK(path.knots()[k].lambda <= path.knots()[k - 1].lambda);
      CHECK(path.knots()[k].sum >= path.knots()[k - 1].sum - 1e-12);
    }
    // Two other solvers
    const double lambda = 0.3 * path.knots().front().lambda;
    CHECK(close(path.at_lambda(lambda), coordinate_descent(p, lambda, false), 1e-8));
    CHECK(close(path.at_lambda(0), nnls(p.Q, p.q).x, 1e-8));
    const LassoPath any(p.Q, p.q, kSigned);
    CHECK(close(any.at_lambda(lambda), coordinate_descent(p, lambda, true), 1e-8));
  }
}

TEST_CASE("lasso: a support that shrinks on the way") {
  // Column 2 is near the sum of 0 and 1: it enters first and leaves when both are there
  const Tensor X = Tensor::of({4, 3}, {1, 0, 0.7, 0, 1, 0.7, 0, 0, 0.3, 0.1, 0.1, 0.1}, DType::f64);
  const Problem p = normal_equations(X, vector({1, 1, -0.2, 0.2}));
  const LassoPath path(p.Q, p.q, kExact);
  bool was_there = false;
  for (const LassoKnot& knot : path.knots()) was_there = was_there || knot.w[2] > 0;
  CHECK(was_there);
  CHECK(path.knots().back().w[2] == 0);
  for (const double share : {0.1, 0.5, 0.8, 0.95, 1.0}) {
    const double mu = share * path.knots().back().sum;
    CHECK(lasso_violation(p.Q, p.q, path.at_mu(mu), mu) < 1e-10);
  }
}

TEST_CASE("lasso: dead, equal and dependent columns") {
  Rng rng(5);
  Tensor X = Tensor::uniform({40, 6}, rng, 0, 1, DType::f64);
  double* x = X.mutable_data<double>();
  for (int64_t i = 0; i < 40; ++i) {
    x[6 * i + 2] = 0;             // dead
    x[6 * i + 4] = x[6 * i + 1];  // equal
    const double total = x[6 * i] + x[6 * i + 1] + x[6 * i + 3];
    for (const int64_t j : {0, 1, 3}) x[6 * i + j] /= total;  // shares
    x[6 * i + 4] = x[6 * i + 1];
  }
  const Tensor y = reshape(slice(X, 1, 1, 2), {40});
  const Problem p = normal_equations(X, y);
  const LassoPath path(p.Q, p.q);
  for (const double share : {0.3, 0.9}) {
    const Tensor w = path.at_share(share);
    CHECK(w.data<double>()[2] == 0);
    // The ridge of 1e-10 shows up in the conditions
    CHECK(lasso_violation(p.Q, p.q, w, share * path.knots().back().sum) < 1e-7);
  }
}

TEST_CASE("lasso: nothing to gain, and problems that are none") {
  const LassoPath path(kIdentity.Q, vector({-1, 0, -2}), kExact);
  CHECK(close(path.at_mu(5), vector({0, 0, 0})));
  CHECK(close(path.at_share(0.5), vector({0, 0, 0})));
  CHECK(contains(failure<ValueError>([&] { path.at_mu(-1); }), "mu"));
  CHECK(contains(failure<ValueError>([&] { path.at_lambda(std::nan("")); }), "lambda"));
  CHECK(contains(failure<ValueError>([&] { path.at_share(1.5); }), "share"));
  CHECK(contains(failure<ShapeError>([] { LassoPath(kIdentity.Q, vector({1})); }), "[3, 3]"));
  CHECK(contains(
      failure<ValueError>([] {
        LassoPath(kIdentity.Q, vector({1, std::nan(""), 0}));
      }),
      "NaN"));
  CHECK(lasso_violation(kIdentity.Q, kIdentity.q, vector({1, 1, 0}), 3) > 0.1);
}
