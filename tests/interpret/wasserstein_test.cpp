// tests/interpret/wasserstein_test.cpp: closed forms of optimal transport against assignment.
#include "interpret/numerics/wasserstein.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "interpret/numerics/assignment.h"
#include "interpret/numerics/masses.h"
#include "interpret/numerics/squared_distances.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// W_p^p of as many points of equal mass, by the Hungarian method.
double assigned(const Tensor& X, const Tensor& Y, double p) {
  const Tensor C = pow(squared_distances(X, Y), p / 2);
  const std::vector<int64_t> partner = least_cost_assignment(C);
  double sum = 0;
  for (size_t i = 0; i < partner.size(); ++i) {
    sum += C.data<double>()[static_cast<int64_t>(i) * C.size(1) + partner[i]];
  }
  return sum / static_cast<double>(partner.size());
}

}  // namespace

TEST_CASE("line: sorted points are the cheapest pairs") {
  for (const uint64_t seed : {0, 1, 2}) {
    const Tensor X = normal({60, 1}, 2 * seed), Y = normal({60, 1}, 2 * seed + 1, 0.5, 2);
    const LineTransport line = line_transport(X.values<double>(), Y.values<double>());
    // Sums of 60 terms in double precision
    CHECK(std::abs(line.w1 - assigned(X, Y, 1)) < 1e-12);
    CHECK(std::abs(line.w2_squared - assigned(X, Y, 2)) < 1e-12);
  }
}

TEST_CASE("line: unequal numbers and masses, as points repeated") {
  // Masses in thirds and quarters: as twelve points of equal mass on both sides
  const std::vector<double> x = {2, -1, 0.5}, y = {0.25, 3, -2, 1};
  const std::vector<double> a = {3.0 / 12, 4.0 / 12, 5.0 / 12};
  const std::vector<double> b = {1.0 / 12, 2.0 / 12, 3.0 / 12, 6.0 / 12};
  const auto repeated = [](const std::vector<double>& points, const std::vector<double>& masses) {
    std::vector<double> all;
    for (size_t i = 0; i < points.size(); ++i) {
      all.insert(all.end(), static_cast<size_t>(std::lround(12 * masses[i])), points[i]);
    }
    return Tensor::of({12, 1}, all, DType::f64);
  };
  const LineTransport line = line_transport(x, y, a, b);
  const Tensor X = repeated(x, a), Y = repeated(y, b);
  CHECK(std::abs(line.w1 - assigned(X, Y, 1)) < 1e-14);
  CHECK(std::abs(line.w2_squared - assigned(X, Y, 2)) < 1e-14);

  // 0 and 1 with half each, to one point at 0: half of the mass moves by 1
  const LineTransport half = line_transport(std::vector<double>{1, 0}, std::vector<double>{0});
  CHECK(half.w1 == 0.5);
  CHECK(half.w2_squared == 0.5);
  // Points without mass change nothing
  const LineTransport padded = line_transport(
      std::vector<double>{9, 1, 0}, std::vector<double>{0, -7}, std::vector<double>{0, 0.5, 0.5},
      std::vector<double>{1, 0});
  CHECK(padded.w2_squared == 0.5);
}

TEST_CASE("sliced: along the axes it is the line, and bounds hold") {
  const Tensor X = normal({40, 3}, 5), Y = normal({40, 3}, 6, 0.3, 1.5);
  const Tensor axes = Tensor::of({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, DType::f64);
  const SlicedTransport sliced = sliced_transport(X, Y, axes);
  double largest = 0;
  for (int64_t k = 0; k < 3; ++k) {
    const std::vector<double> x = slice(X, 1, k, k + 1).to_vector();
    const std::vector<double> y = slice(Y, 1, k, k + 1).to_vector();
    const double expected = line_transport(x, y).w2_squared;
    CHECK(std::abs(sliced.w2_squared[static_cast<size_t>(k)] - expected) < 1e-12);
    largest = std::max(largest, expected);
  }
  CHECK(std::abs(sliced.max_w2_squared - largest) < 1e-12);

  // Uniform masses by name are those by default, though another path computes them
  const std::vector<double> uniform(40, 1.0 / 40);
  CHECK(
      std::abs(
          sliced_transport(X, Y, axes, uniform, uniform).mean_w2_squared - sliced.mean_w2_squared) <
      1e-12);

  const double exact = assigned(X, Y, 2);
  const SlicedTransport many = sliced_transport(X, Y, slice_directions(3, 500, 1));
  CHECK(many.max_w2_squared <= exact);
  CHECK(many.mean_w2_squared < many.max_w2_squared);
  CHECK(sliced.mean_w2_squared <= exact / 3);  // of an orthonormal basis the sum is at most W2^2
}

TEST_CASE("sliced: isotropic Gaussians") {
  // SW2^2 = |gap|^2 / d + (s1 - s2)^2
  constexpr int64_t d = 8, n = 4000, P = 400;
  const double s1 = 1, s2 = 1.5, gap = 0.6;
  const Tensor X = normal({n, d}, 7, 0, s1), Y = normal({n, d}, 8, gap, s2);
  const double expected = gap * gap * d / d + (s1 - s2) * (s1 - s2);
  // Directions: theta' gap has squares of deviation |gap|^2 sqrt(2) / d, divided by sqrt(400):
  // 0.025; samples: 2 gap sqrt((s1^2 + s2^2) / n) = 0.034; together 0.042. Three of them.
  const double found = sliced_transport(X, Y, slice_directions(d, P, 9)).mean_w2_squared;
  CHECK(std::abs(found - expected) < 0.13);
}

TEST_CASE("sliced: directions have unit length, and more of them begin alike") {
  const Tensor few = slice_directions(5, 3, 11), more = slice_directions(5, 7, 11);
  CHECK(bitwise_equal(few, slice(more, 1, 0, 3)));
  const Tensor products = matmul(more, more, {.transpose_a = true});
  for (int64_t p = 0; p < 7; ++p) {
    CHECK(std::abs(products.data<double>()[p * 7 + p] - 1) < 1e-15);
  }
  CHECK(!bitwise_equal(few, slice_directions(5, 3, 12)));
}

TEST_CASE("sliced: the same bits at any thread count") {
  const Tensor X = normal({300, 6}, 1), Y = normal({250, 6}, 2);
  const Tensor directions = slice_directions(6, 40, 3);
  const parallel::ThreadLimit one(1);
  const SlicedTransport serial = sliced_transport(X, Y, directions);
  const parallel::ThreadLimit three(3);
  CHECK(sliced_transport(X, Y, directions).w2_squared == serial.w2_squared);
}

TEST_CASE("Gaussian: a worked example, and covariances that commute") {
  const Tensor A = Tensor::of({2, 2}, {2, 1, 1, 2}, DType::f64);
  const Tensor B = Tensor::of({2, 2}, {1, 0, 0, 4}, DType::f64);
  const Tensor at = Tensor::of({2}, {1, -1}, DType::f64), origin = Tensor::zeros({2}, DType::f64);
  const GaussianTransport found = gaussian_transport(at, A, origin, B);
  // Given to eight digits
  CHECK(std::abs(found.bures_squared - 0.77122045) < 1e-8);
  CHECK(std::abs(found.w2_squared - 2.77122045) < 1e-8);
  CHECK(std::abs(gaussian_transport(origin, B, at, A).w2_squared - found.w2_squared) < 1e-12);

  // Q diag(l) Q': sum (sqrt l - sqrt l')^2
  const Tensor Q = qr(normal({3, 3}, 4)).q;
  const auto with_eigenvalues = [&](std::initializer_list<double> l) {
    return matmul(Q * Tensor::of({3}, l, DType::f64), Q, {.transpose_b = true});
  };
  const Tensor zero = Tensor::zeros({3}, DType::f64);
  const auto between = [&](const Tensor& P, const Tensor& R) {
    return gaussian_transport(zero, P, zero, R).w2_squared;
  };
  CHECK(std::abs(between(with_eigenvalues({4, 1, 9}), with_eigenvalues({1, 1, 4})) - 2.0) < 1e-12);
  // A singular covariance: square roots of rounding errors are allowed
  CHECK(std::abs(between(with_eigenvalues({4, 0, 9}), with_eigenvalues({1, 1, 0})) - 11.0) < 1e-7);
  CHECK(
      between(A.size(0) == 2 ? with_eigenvalues({4, 1, 9}) : zero, with_eigenvalues({4, 1, 9})) <
      1e-12);
}

TEST_CASE("Gaussian: two clouds, at most W2 and equal for a translation and scale") {
  const Tensor X = normal({50, 3}, 1), Y = normal({50, 3}, 2, 1, 0.5);
  CHECK(gaussian_transport(X, Y).w2_squared <= assigned(X, Y, 2));
  const Tensor moved = X * 1.5 + 2.0;
  CHECK(std::abs(gaussian_transport(X, moved).w2_squared - assigned(X, moved, 2)) < 1e-10);
}

TEST_CASE("energy distance: by its definition on a line, and 0 for equal clouds") {
  const Tensor X = normal({30, 1}, 3), Y = normal({20, 1}, 4, 1);
  // On a line it is 2 int (F - G)^2
  std::vector<double> places = X.to_vector();
  const std::vector<double> y = Y.to_vector();
  places.insert(places.end(), y.begin(), y.end());
  std::ranges::sort(places);
  double expected = 0;
  for (size_t k = 0; k + 1 < places.size(); ++k) {
    const auto below = [&](const Tensor& points) {
      double count = 0;
      for (const double v : points.values<double>()) count += v <= places[k] ? 1 : 0;
      return count / static_cast<double>(points.numel());
    };
    const double gap = below(X) - below(Y);
    expected += 2 * gap * gap * (places[k + 1] - places[k]);
  }
  CHECK(std::abs(energy_distance_squared(X, Y) - expected) < 1e-12);
  CHECK(energy_distance_squared(X, X) == 0);
}

TEST_CASE("W2 obeys the triangle inequality on random clouds") {
  for (const uint64_t seed : {0, 1, 2}) {
    const Tensor X = normal({25, 2}, 3 * seed), Y = normal({25, 2}, 3 * seed + 1, 1);
    const Tensor Z = normal({25, 2}, 3 * seed + 2, -1, 2);
    const Tensor directions = slice_directions(2, 30, seed);
    const auto all_distances = [&](const Tensor& P, const Tensor& R) {
      return std::vector<double>{
          std::sqrt(assigned(P, R, 2)), assigned(P, R, 1),
          std::sqrt(sliced_transport(P, R, directions).mean_w2_squared),
          std::sqrt(gaussian_transport(P, R).w2_squared), std::sqrt(energy_distance_squared(P, R))};
    };
    const auto xy = all_distances(X, Y), yz = all_distances(Y, Z), xz = all_distances(X, Z);
    for (size_t k = 0; k < xy.size(); ++k) CHECK(xz[k] <= xy[k] + yz[k] + 1e-8);
  }
}

TEST_CASE("masses: renormalised below 1e-6, otherwise refused") {
  const std::vector<double> x = {0, 1}, y = {2, 3}, half = {0.5, 0.5};
  const auto between = [&](const std::vector<double>& b) {
    return line_transport(x, y, half, b).w2_squared;
  };
  CHECK(std::abs(between({0.5, 0.5 + 1e-8}) - 4) < 1e-7);
  CHECK(balanced_masses("test", 2, 2, half, std::vector<double>{0.5, 0.5 + 1e-8}).is_renormalised);
  CHECK(!balanced_masses("test", 2, 2, half, half).is_renormalised);
  CHECK_THROWS_WITH_AS(
      between({0.5, 0.501}),
      "line_transport: masses of a add up to 1 and of b to 1.001; they may differ by a share of "
      "1e-06",
      ValueError);
  CHECK_THROWS_WITH_AS(
      between({1.5, -0.5}), "line_transport: mass 1 of b is -0.5; masses are finite and at least 0",
      ValueError);
  CHECK_THROWS_WITH_AS(between({0, 0}), "line_transport: the masses of b add up to 0", ValueError);
  CHECK_THROWS_AS(between({std::nan(""), 1}), ValueError);
  CHECK_THROWS_WITH_AS(between({1}), "line_transport: 1 masses b do not fit 2 points", ShapeError);
  CHECK_THROWS_AS(line_transport({}, y), ShapeError);
  CHECK_THROWS_AS(line_transport(std::vector<double>{0, std::nan("")}, y), ValueError);
  CHECK_THROWS_AS(
      sliced_transport(normal({3, 2}, 0), normal({3, 3}, 0), normal({2, 1}, 0)), ShapeError);
  CHECK_THROWS_AS(
      sliced_transport(normal({3, 2}, 0), normal({3, 2}, 0), normal({3, 1}, 0)), ShapeError);
}
