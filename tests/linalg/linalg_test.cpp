// tests/linalg/linalg_test.cpp: factors multiply back, bases are orthonormal, answers by hand.
#include "framework/linalg/linalg.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace limpid {
namespace {

// The factorisations are backward stable: an entry is off by about n eps |a| < 60 * 2e-16 * 16 =
// 2e-13 for the standard normal matrices below, all smaller than 60 x 60.
constexpr double kTolerance = 1e-12;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Wide, tall, square, 1 x 1 and empty; 40 and more columns reach LAPACK's blocked code.
struct Size {
  int64_t m, n;
};
const Size kSizes[] = {{1, 1},   {3, 3},   {4, 7}, {7, 4}, {1, 5}, {5, 1},
                       {40, 57}, {57, 40}, {0, 3}, {3, 0}, {0, 0}};

Tensor transpose_of(const Tensor& x) {
  Tensor out = Tensor::empty({x.size(1), x.size(0)}, DType::f64);
  for (int64_t i = 0; i < x.size(0); ++i) {
    for (int64_t j = 0; j < x.size(1); ++j) {
      out.mutable_data<double>()[j * x.size(0) + i] = x.data<double>()[i * x.size(1) + j];
    }
  }
  return out;
}

// x y by the definition, with empty sums
Tensor product(const Tensor& x, const Tensor& y) {
  const int64_t m = x.size(0), n = x.size(1), p = y.size(1);
  REQUIRE(n == y.size(0));
  Tensor out = Tensor::zeros({m, p}, DType::f64);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < p; ++j) {
      double& sum = out.mutable_data<double>()[i * p + j];
      for (int64_t l = 0; l < n; ++l) {
        sum += x.data<double>()[i * n + l] * y.data<double>()[l * p + j];
      }
    }
  }
  return out;
}

Tensor diagonal(const Tensor& values) {
  const int64_t n = values.numel();
  Tensor out = Tensor::zeros({n, n}, DType::f64);
  for (int64_t i = 0; i < n; ++i)
    out.mutable_data<double>()[i * (n + 1)] = values.data<double>()[i];
  return out;
}

bool has_orthonormal_columns(const Tensor& x) {
  return close(product(transpose_of(x), x), identity(x.size(1)), kTolerance);
}

// No entry on the wrong side of the diagonal, not even a rounding error
bool is_upper(const Tensor& x) {
  for (int64_t i = 0; i < x.size(0); ++i) {
    for (int64_t j = 0; j < std::min(i, x.size(1)); ++j) {
      if (x.data<double>()[i * x.size(1) + j] != 0) return false;
    }
  }
  return true;
}

// Symmetric, eigenvalues at least n
Tensor positive_definite(int64_t n) {
  const Tensor x = normal({n, n}, 7);
  Tensor out = product(x, transpose_of(x));
  for (int64_t i = 0; i < n; ++i) {
    out.mutable_data<double>()[i * (n + 1)] += static_cast<double>(n);
  }
  return out;
}

// Every column has a positive largest component
bool has_fixed_signs(const Tensor& vectors) {
  const Tensor rows = transpose_of(vectors);
  for (int64_t j = 0; j < rows.size(0); ++j) {
    const auto row = rows.values<double>().subspan(
        static_cast<size_t>(j * rows.size(1)), static_cast<size_t>(rows.size(1)));
    const double low = std::ranges::min(row), high = std::ranges::max(row);
    if (high < -low * (1 - 1e-7)) return false;
  }
  return true;
}

}  // namespace

// ---- Cholesky ----

TEST_CASE("identity: 1 on the diagonal") {
  CHECK(identity(2).to_vector() == std::vector<double>{1, 0, 0, 1});
  CHECK(identity(0).numel() == 0);
}

TEST_CASE("cholesky: by hand") {
  // [4 2; 2 5] = [2 0; 1 2] [2 1; 0 2]; the second one is from the literature of the method
  CHECK(close(cholesky(matrix({2, 2}, {4, 2, 2, 5})), matrix({2, 2}, {2, 0, 1, 2})));
  const Tensor a = matrix({3, 3}, {4, 12, -16, 12, 37, -43, -16, -43, 98});
  CHECK(close(cholesky(a), matrix({3, 3}, {2, 0, 0, 6, 1, 0, -8, 5, 3})));
  CHECK(close(cholesky(matrix({1, 1}, {9})), matrix({1, 1}, {3})));
}

TEST_CASE("cholesky: l l^T = a, l is lower triangular, only the lower triangle counts") {
  for (const int64_t n : {0, 1, 2, 5, 33, 59}) {
    CAPTURE(n);
    const Tensor a = positive_definite(n);
    const Tensor before = a.clone();
    const Tensor l = cholesky(a);
    CHECK(l.shape() == a.shape());
    CHECK(is_upper(transpose_of(l)));
    CHECK(close(product(l, transpose_of(l)), a, kTolerance));
    CHECK(bitwise_equal(a, before));
    for (int64_t i = 0; i < n; ++i) CHECK(l.data<double>()[i * (n + 1)] > 0);
  }
  CHECK(close(cholesky(matrix({2, 2}, {4, 77, 2, 5})), matrix({2, 2}, {2, 0, 1, 2})));
}

TEST_CASE("cholesky: the pivot that is not positive is named") {
  // Pivot 1 is 1 - 2^2 / 1 = -3; an indefinite block past LAPACK's block size; a semidefinite one
  const Tensor a = matrix({2, 2}, {1, 2, 2, 1});
  CHECK(failure<NumericError>([&] {
          cholesky(a);
        }) == "cholesky: not positive definite, pivot 1 is -3 (a [2, 2])");
  try {
    cholesky(a);
  } catch (const NumericError& error) {
    CHECK(error.value() == -3);
  }
  Tensor large = identity(200);
  large.mutable_data<double>()[150 * 201] = -2;
  CHECK(failure<NumericError>([&] { cholesky(large); }).find("pivot 150 is -2 ") < 99);
  CHECK_THROWS_AS(cholesky(Tensor::ones({3, 3}, DType::f64)), NumericError);
  CHECK_THROWS_AS(cholesky(Tensor::zeros({1, 1}, DType::f64)), NumericError);
}

TEST_CASE("solve_cholesky: by hand, one and several columns") {
  // 4x + 2y = 8, 2x + 5y = 12 has x = 1, y = 2
  const Tensor l = cholesky(matrix({2, 2}, {4, 2, 2, 5}));
  CHECK(close(solve_cholesky(l, matrix({2}, {8, 12})), matrix({2}, {1, 2})));
  CHECK(close(
      solve_cholesky(l, matrix({2, 3}, {8, 4, 0, 12, 2, 0})), matrix({2, 3}, {1, 1, 0, 2, 0, 0})));
  CHECK(close(
      solve_cholesky(matrix({2, 2}, {2, 9, 1, 2}), matrix({2}, {8, 12})),
      matrix({2}, {1, 2})));  // above the diagonal nothing is read
}

TEST_CASE("solve_cholesky: a x = b") {
  for (const int64_t n : {0, 1, 4, 50}) {
    for (const int64_t p : {0, 1, 3}) {
      CAPTURE(n);
      CAPTURE(p);
      const Tensor a = positive_definite(n), b = normal({n, p}, 1);
      const Tensor x = solve_cholesky(cholesky(a), b);
      CHECK(x.shape() == b.shape());
      CHECK(close(product(a, x), b, kTolerance));  // eigenvalues from n to about 5 n
    }
  }
  // A zero on the diagonal leaves the finite numbers
  CHECK_THROWS_AS(solve_cholesky(matrix({2, 2}, {1, 0, 0, 0}), matrix({2}, {1, 1})), NumericError);
}

// ---- QR ----

TEST_CASE("qr: by hand") {
  // Columns (3, 4) and (1, 2): q1 = (3, 4) / 5; r12 = 11/5; the rest is (-8, 6) / 25
  const Qr square = qr(matrix({2, 2}, {3, 1, 4, 2}));
  CHECK(close(square.q, matrix({2, 2}, {0.6, -0.8, 0.8, 0.6})));
  CHECK(close(square.r, matrix({2, 2}, {5, 2.2, 0, 0.4})));
  // The classic of Householder's method
  const Qr classic = qr(matrix({3, 3}, {12, -51, 4, 6, 167, -68, -4, 24, -41}));
  CHECK(close(classic.r, matrix({3, 3}, {14, 21, -14, 0, 175, -70, 0, 0, 35})));
  const Qr one = qr(matrix({1, 1}, {-2}));
  CHECK(one.q.item() == -1);
  CHECK(one.r.item() == 2);
}

TEST_CASE("qr: q r = a, q^T q = 1, r is upper triangular with a diagonal >= 0") {
  for (const Size& size : kSizes) {
    const int64_t m = size.m, n = size.n;
    CAPTURE(m);
    CAPTURE(n);
    const int64_t k = std::min(m, n);
    const Tensor a = normal({m, n}, 1);
    const auto [q, r] = qr(a);
    REQUIRE(q.shape() == Shape{m, k});
    REQUIRE(r.shape() == Shape{k, n});
    CHECK(close(product(q, r), a, kTolerance));
    CHECK(has_orthonormal_columns(q));
    CHECK(is_upper(r));
    for (int64_t i = 0; i < k; ++i) CHECK(r.data<double>()[i * (n + 1)] >= 0);
  }
  // Also without full rank
  const Tensor flat = Tensor::ones({5, 3}, DType::f64);
  CHECK(close(product(qr(flat).q, qr(flat).r), flat, kTolerance));
  CHECK(has_orthonormal_columns(qr(flat).q));
}

// ---- Eigenvalues ----

TEST_CASE("eigen_symmetric: by hand") {
  // [2 1; 1 2]: 1 with (1, -1), 3 with (1, 1); of equally large components the first is positive
  const double h = std::sqrt(0.5);
  const EigenSymmetric two = eigen_symmetric(matrix({2, 2}, {2, 1, 1, 2}));
  CHECK(close(two.values, matrix({2}, {1, 3})));
  CHECK(close(two.vectors, matrix({2, 2}, {h, h, -h, h})));
  // The chain [2 -1 0; -1 2 -1; 0 -1 2]: 2 - sqrt 2, 2, 2 + sqrt 2
  const EigenSymmetric chain = eigen_symmetric(matrix({3, 3}, {2, -1, 0, -1, 2, -1, 0, -1, 2}));
  const double r = std::sqrt(2.0);
  CHECK(close(chain.values, matrix({3}, {2 - r, 2, 2 + r})));
  CHECK(close(chain.vectors, matrix({3, 3}, {0.5, h, -0.5, h, 0, h, 0.5, -h, -0.5})));
  CHECK(eigen_symmetric(matrix({1, 1}, {-4})).vectors.item() == 1);
  // Above the diagonal nothing is read
  CHECK(close(eigen_symmetric(matrix({2, 2}, {2, 55, 1, 2})).values, matrix({2}, {1, 3})));
}

TEST_CASE("eigen_symmetric: V diag(values) V^T = a, V is orthogonal, signs are fixed") {
  for (const int64_t n : {0, 1, 2, 6, 30, 58}) {
    CAPTURE(n);
    const Tensor x = normal({n, n}, 1);
    const Tensor a = product(x, transpose_of(x));  // [n, n], values up to 4 n
    const auto [values, vectors] = eigen_symmetric(a);
    REQUIRE(values.shape() == Shape{n});
    REQUIRE(vectors.shape() == Shape{n, n});
    CHECK(std::ranges::is_sorted(values.values<double>()));
    CHECK(has_orthonormal_columns(vectors));
    CHECK(has_fixed_signs(vectors));
    // Entries of a reach 4 n: ten times the error of the other factorisations
    CHECK(close(
        product(product(vectors, diagonal(values)), transpose_of(vectors)), a, 10 * kTolerance));
  }
  // Values that coincide still have an orthonormal basis
  const EigenSymmetric same = eigen_symmetric(identity(9));
  CHECK(close(same.values, Tensor::ones({9}, DType::f64)));
  CHECK(has_orthonormal_columns(same.vectors));
}

// ---- Singular values ----

TEST_CASE("svd: by hand") {
  // [3 0; 4 5]: a^T a = [25 20; 20 25] has 45 and 5 with (1, 1) and (1, -1)
  const Svd two = svd(matrix({2, 2}, {3, 0, 4, 5}));
  const double h = std::sqrt(0.5), w = std::sqrt(0.1);
  CHECK(close(two.s, matrix({2}, {std::sqrt(45.0), std::sqrt(5.0)})));
  CHECK(close(two.u, matrix({2, 2}, {w, 3 * w, 3 * w, -w})));
  CHECK(close(two.vt, matrix({2, 2}, {h, h, h, -h})));
  // Rank one: 2 (3/5, 4/5)^T (1, 0, 0), with the sign in vt
  const Svd line = svd(matrix({2, 3}, {-1.2, 0, 0, -1.6, 0, 0}));
  CHECK(close(line.s, matrix({2}, {2, 0})));
  CHECK(line.u.data<double>()[2] == doctest::Approx(0.8));
  CHECK(line.vt.data<double>()[0] == doctest::Approx(-1));
  CHECK(svd(matrix({1, 1}, {-3})).s.item() == 3);
}

TEST_CASE("svd: u diag(s) vt = a, orthonormal bases, s descends, signs are fixed") {
  for (const Size& size : kSizes) {
    const int64_t m = size.m, n = size.n;
    CAPTURE(m);
    CAPTURE(n);
    const int64_t k = std::min(m, n);
    const Tensor a = normal({m, n}, 1);
    const Tensor before = a.clone();
    const auto [u, s, vt] = svd(a);
    REQUIRE(u.shape() == Shape{m, k});
    REQUIRE(s.shape() == Shape{k});
    REQUIRE(vt.shape() == Shape{k, n});
    CHECK(close(product(product(u, diagonal(s)), vt), a, kTolerance));
    CHECK(has_orthonormal_columns(u));
    CHECK(has_orthonormal_columns(transpose_of(vt)));
    CHECK(has_fixed_signs(u));
    CHECK(std::ranges::is_sorted(s.values<double>(), std::ranges::greater()));
    CHECK(std::ranges::all_of(s.values<double>(), [](double x) { return x >= 0; }));
    CHECK(bitwise_equal(a, before));
  }
}

TEST_CASE("svd: agrees with the eigenvalues of a^T a") {
  const Tensor a = normal({12, 9}, 3);
  const Tensor values = eigen_symmetric(product(transpose_of(a), a)).values;
  const Tensor s = svd(a).s;
  for (size_t j = 0; j < 9; ++j) {
    const double root = std::sqrt(values.values<double>()[8 - j]);
    CHECK(s.values<double>()[j] == doctest::Approx(root).epsilon(1e-11));
  }
}

// ---- Least squares ----

TEST_CASE("least_squares: by hand") {
  // The line through (0, 1), (1, 2), (2, 4) that fits best: 5/6 + 3/2 t
  const Tensor design = matrix({3, 2}, {1, 0, 1, 1, 1, 2});
  const LeastSquares fit = least_squares(design, matrix({3}, {1, 2, 4}));
  CHECK(close(fit.x, matrix({2}, {5.0 / 6, 1.5})));
  CHECK(fit.rank == 2);
  // x + y + z = 6 alone: the shortest solution is (2, 2, 2)
  const LeastSquares wide = least_squares(matrix({1, 3}, {1, 1, 1}), matrix({1}, {6}));
  CHECK(close(wide.x, matrix({3}, {2, 2, 2})));
  CHECK(close(wide.s, matrix({1}, {std::sqrt(3.0)})));
  CHECK(wide.rank == 1);
}

TEST_CASE("least_squares: without full rank the shortest solution is chosen") {
  // x + y = 2 and 3, twice the same column: the mean 5/2, shared equally
  const LeastSquares twins =
      least_squares(matrix({2, 2}, {1, 1, 1, 1}), matrix({2, 2}, {2, 1, 3, 1}));
  CHECK(twins.rank == 1);
  CHECK(close(twins.x, matrix({2, 2}, {1.25, 0.5, 1.25, 0.5})));
  CHECK(close(twins.s, matrix({2}, {2, 0})));

  // Rank 3 by construction: x = pseudo-inverse b, from the singular vectors
  const Tensor a = product(normal({20, 3}, 4), normal({3, 8}, 5)), b = normal({20, 2}, 6);
  const LeastSquares found = least_squares(a, b);
  CHECK(found.rank == 3);
  const auto [u, s, vt] = svd(a);
  Tensor inverse = Tensor::zeros({8}, DType::f64);
  for (int64_t j = 0; j < 3; ++j) inverse.mutable_data<double>()[j] = 1 / s.data<double>()[j];
  const Tensor expected =
      product(transpose_of(vt), product(diagonal(inverse), product(transpose_of(u), b)));
  CHECK(close(found.x, expected, kTolerance));
  CHECK(close(found.s, s, kTolerance));

  const LeastSquares nothing =
      least_squares(Tensor::zeros({3, 2}, DType::f64), matrix({3}, {1, 2, 3}));
  CHECK(nothing.rank == 0);
  CHECK(close(nothing.x, matrix({2}, {0, 0})));
}

TEST_CASE("least_squares: the residual is orthogonal to the columns of a") {
  for (const Size& size : kSizes) {
    const int64_t m = size.m, n = size.n;
    for (const int64_t p : {0, 1, 3}) {
      CAPTURE(m);
      CAPTURE(n);
      CAPTURE(p);
      const Tensor a = normal({m, n}, 1), b = normal({m, p}, 2);
      const auto [x, rank, s] = least_squares(a, b);
      REQUIRE(x.shape() == Shape{n, p});
      CHECK(rank == std::min(m, n));
      CHECK(s.shape() == Shape{std::min(m, n)});
      // a^T (a x - b) = 0; the factors reach |a| = 14, so ten times the error of a factorisation
      const Tensor normal = product(transpose_of(a), product(a, x));
      CHECK(close(normal, product(transpose_of(a), b), 10 * kTolerance));
    }
  }
  CHECK(least_squares(normal({4, 2}, 1), normal({4}, 1)).x.shape() == Shape{2});
}

TEST_CASE("least_squares: the tolerance decides about the rank") {
  const Tensor a = matrix({2, 2}, {1, 0, 0, 1e-6}), b = matrix({2}, {1, 1});
  CHECK(least_squares(a, b).rank == 2);
  CHECK(close(least_squares(a, b).x, matrix({2}, {1, 1e6})));
  CHECK(least_squares(a, b, 1e-5).rank == 1);
  CHECK(close(least_squares(a, b, 1e-5).x, matrix({2}, {1, 0})));
  for (const double tolerance : {0.0, -1.0, 1.0, kInfinity, std::nan("")}) {
    CHECK_THROWS_AS(least_squares(a, b, tolerance), ValueError);
  }
}

// ---- What all of them promise ----

TEST_CASE("linalg: wrong types, shapes and values") {
  const Tensor square = identity(2), wide = normal({2, 3}, 1);
  CHECK(failure<DTypeError>([] { svd(Tensor::ones({2, 2})); }) == "svd: a must be f64, got f32");
  CHECK_THROWS_AS(cholesky(Tensor::ones({2, 2})), DTypeError);
  CHECK_THROWS_AS(qr(Tensor::ones({2, 2})), DTypeError);
  CHECK_THROWS_AS(eigen_symmetric(Tensor::ones({2, 2}, DType::i64)), DTypeError);
  CHECK_THROWS_AS(solve_cholesky(square, Tensor::ones({2})), DTypeError);
  CHECK_THROWS_AS(least_squares(square, Tensor::ones({2})), DTypeError);
  CHECK_THROWS_AS(svd(Tensor()), GraphError);

  CHECK(failure<ShapeError>([&] { cholesky(wide); }) == "cholesky: a must be square, got [2, 3]");
  CHECK_THROWS_AS(eigen_symmetric(wide), ShapeError);
  CHECK_THROWS_AS(solve_cholesky(wide, normal({2}, 1)), ShapeError);
  CHECK_THROWS_AS(svd(normal({4}, 1)), ShapeError);
  CHECK_THROWS_AS(qr(normal({2, 2, 2}, 1)), ShapeError);
  CHECK_THROWS_AS(least_squares(square, normal({2, 1, 1}, 1)), ShapeError);
  CHECK(failure<ShapeError>([&] {
          least_squares(wide, normal({3}, 1));
        }) == "least_squares: b has 3 rows but the matrix has 2 (matrix [2, 3], b [3])");
  CHECK_THROWS_AS(solve_cholesky(square, normal({3, 2}, 1)), ShapeError);
  CHECK_THROWS_AS(svd(Tensor::empty({0, (1 << 24) + 1}, DType::f64)), ShapeError);

  for (const double bad : {std::nan(""), kInfinity, -kInfinity}) {
    const Tensor broken = matrix({2, 2}, {1, bad, 0, 1}), vector = matrix({2}, {bad, 0});
    CHECK_THROWS_AS(cholesky(broken), NumericError);
    CHECK_THROWS_AS(solve_cholesky(broken, normal({2}, 1)), NumericError);
    CHECK_THROWS_AS(solve_cholesky(square, vector), NumericError);
    CHECK_THROWS_AS(qr(broken), NumericError);
    CHECK_THROWS_AS(eigen_symmetric(broken), NumericError);
    CHECK_THROWS_AS(svd(broken), NumericError);
    CHECK_THROWS_AS(least_squares(broken, normal({2}, 1)), NumericError);
    CHECK_THROWS_AS(least_squares(square, vector), NumericError);
  }
  // Finite entries, but the length of the column is not
  CHECK_THROWS_AS(qr(matrix({2, 1}, {1.7e308, 1.7e308})), NumericError);
}

TEST_CASE("linalg: a backward pass that reaches a result throws") {
  Tensor a = identity(2);
  a.require_gradient();
  CHECK_THROWS_AS(grad(sum(cholesky(a)), a), GraphError);
  CHECK_THROWS_AS(grad(sum(svd(a).s), a), GraphError);
  CHECK_THROWS_AS(grad(sum(eigen_symmetric(a).values), a), GraphError);
  CHECK_FALSE(qr(a.detach()).r.requires_gradient());
}

TEST_CASE("linalg: the same bits again, at any thread count") {
  const Tensor a = normal({150, 90}, 8), b = normal({150, 4}, 9);
  const Tensor gram = product(transpose_of(a), a);
  const auto everything = [&] {
    const Svd parts = svd(a);
    const EigenSymmetric eigen = eigen_symmetric(gram);
    const Tensor l = cholesky(gram);
    return std::vector<Tensor>{parts.u,       parts.s, parts.vt, eigen.values,
                               eigen.vectors, l,       qr(a).q,  least_squares(a, b).x};
  };
  std::vector<Tensor> one, three;
  {
    const parallel::ThreadLimit limit(1);
    one = everything();
  }
  {
    const parallel::ThreadLimit limit(3);
    three = everything();
  }
  for (size_t i = 0; i < one.size(); ++i) CHECK(bitwise_equal(one[i], three[i]));
}

}  // namespace limpid
