// tests/interpret/nonnegative_lasso_test.cpp: the solver against nnls(), and what its gap proves.
#include "interpret/numerics/nonnegative_lasso.h"

#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/numerics/nnls.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// n vectors in p dimensions and a theta that about half of them pull down.
struct Problem {
  Tensor G, theta;
  Problem(int64_t n, int64_t p, uint64_t seed) {
    Rng rng(seed);
    G = Tensor::normal({n, p}, rng, 0, 1, DType::f64);
    theta = Tensor::normal({p}, rng, 0, 2, DType::f64);
  }
  // c - rho of nnls(): -<theta, g_i> - rho
  Tensor right(double rho) const {
    return -reshape(matmul(G, reshape(theta, {theta.numel(), 1})), {G.size(0)}) - rho;
  }
  double objective(const Tensor& lambda, double rho) const {
    const Tensor r =
        theta +
        reshape(
            matmul(G, reshape(lambda, {lambda.numel(), 1}), {.transpose_a = true}), theta.shape());
    return 0.5 * sum(r * r).item() + rho * sum(lambda).item();
  }
};

}  // namespace

TEST_CASE("nonnegative_lasso: the minimum of nnls(), with fewer and with more vectors") {
  for (const auto& [n, p] : {std::pair{30, 60}, std::pair{60, 60}, std::pair{700, 40}}) {
    for (const double rho : {0.0, 0.5, 20.0}) {
      CAPTURE(n);
      CAPTURE(rho);
      const Problem problem(n, p, 3);
      DenseInnerProducts products(problem.G, problem.theta);
      const LassoResult r = nonnegative_lasso(products, {.rho = rho, .tolerance = 1e-7});
      CHECK(r.converged);
      for (const double v : r.lambda.to_vector()) CHECK(v >= 0);
      const Tensor K = matmul(problem.G, problem.G, {.transpose_b = true});
      const NnlsResult exact = nnls(K, problem.right(rho));
      // The gap bounds the difference; 1e-7 of at most P(0)
      const double scale = problem.objective(Tensor::zeros({n}, DType::f64), 0);
      CHECK(
          std::abs(problem.objective(r.lambda, rho) - problem.objective(exact.x, rho)) <
          1e-7 * scale);
      CHECK(std::abs(r.objective - problem.objective(r.lambda, rho)) < 1e-12 * scale);
    }
  }
}

TEST_CASE("nonnegative_lasso: the gap is never below the true distance from the minimum") {
  const Problem problem(200, 80, 5);
  DenseInnerProducts products(problem.G, problem.theta);
  for (const double rho : {0.0, 1.0, 10.0}) {
    const double minimum = nonnegative_lasso(products, {.rho = rho, .tolerance = 1e-11}).objective;
    for (const int64_t iterations : {0, 1, 2}) {
      const LassoResult r = nonnegative_lasso(
          products,
          {.rho = rho, .tolerance = 0, .max_iterations = iterations, .largest_working_set = 20});
      CAPTURE(rho);
      CHECK(r.gap >= (r.objective - minimum) * (1 - 1e-9));
      CHECK(r.trace.size() == static_cast<size_t>(iterations) + 1);
      CHECK(measure_lasso(products, r.lambda, rho).gap == r.gap);
    }
    // Any lambda, not only the solver's; for rho = 0 the bound holds up to twice its total, which
    // 10 times the optimum's total is
    Rng rng(7);
    const Tensor any = Tensor::uniform({200}, rng, 0, 1, DType::f64);
    CHECK(measure_lasso(products, any, rho).gap >= problem.objective(any, rho) - minimum);
  }
}

TEST_CASE("nonnegative_lasso: zero vectors, equal vectors, a rho that leaves nothing") {
  const Tensor G = Tensor::of({4, 2}, {0, 0, -1, 0, -1, 0, 0, 1}, DType::f64);
  DenseInnerProducts products(G, Tensor::of({2}, {2, 3}, DType::f64));
  const LassoResult r = nonnegative_lasso(products, {.tolerance = 1e-12});
  CHECK(r.converged);
  const std::vector<double> x = r.lambda.to_vector();
  CHECK(x[0] == 0);
  CHECK(x[1] + x[2] == doctest::Approx(2));
  CHECK(x[3] == 0);
  CHECK(r.objective == doctest::Approx(4.5));
  const LassoResult none = nonnegative_lasso(products, {.rho = 2});  // max -<theta, g> = 2
  CHECK(none.converged);
  CHECK(none.gap == 0);
  CHECK(none.positive == 0);
}

TEST_CASE("nonnegative_lasso: bad input, and a stop on request") {
  const Problem problem(10, 5, 9);
  DenseInnerProducts products(problem.G, problem.theta);
  CHECK_THROWS_AS(nonnegative_lasso(products, {.rho = -1}), ValueError);
  CHECK_THROWS_AS(nonnegative_lasso(products, {.tolerance = -1}), ValueError);
  CHECK_THROWS_AS(DenseInnerProducts(problem.G, problem.G), ShapeError);
  CHECK_THROWS_AS(DenseInnerProducts(to(problem.G, DType::f32), problem.theta), DTypeError);
  DenseInnerProducts none(Tensor::zeros({0, 5}, DType::f64), problem.theta);
  CHECK_THROWS_AS(nonnegative_lasso(none), ValueError);
  DenseInnerProducts nan(Tensor::full({2, 5}, std::nan(""), DType::f64), problem.theta);
  CHECK_THROWS_AS(nonnegative_lasso(nan), ValueError);
  const LassoResult stopped = nonnegative_lasso(
      products, {.tolerance = 0, .progress = [](int64_t, double) { return false; }});
  CHECK_FALSE(stopped.converged);
  CHECK(stopped.trace.size() == 1);
}

TEST_CASE("nonnegative_lasso: the same bits at one and two threads") {
  const Problem problem(900, 120, 11);
  DenseInnerProducts products(problem.G, problem.theta);
  std::vector<Tensor> found;
  for (const int threads : {1, 2}) {
    const parallel::ThreadLimit limit(threads);
    found.push_back(nonnegative_lasso(products, {.rho = 1, .tolerance = 1e-6}).lambda);
  }
  CHECK(bitwise_equal(found[0], found[1]));
}
