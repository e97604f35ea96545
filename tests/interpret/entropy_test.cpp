// tests/interpret/entropy_test.cpp: entropies of laws that have one in closed form.
#include "interpret/numerics/entropy.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/wasserstein.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

using namespace limpid;
using namespace limpid::interpret;

namespace {

constexpr double kEuler = 0.57721566490153286;

}  // namespace

TEST_CASE("entropy: digamma at arguments with a closed form") {
  CHECK(std::abs(digamma(1) + kEuler) < 1e-14);
  CHECK(std::abs(digamma(0.5) + kEuler + 2 * std::log(2)) < 1e-13);
  double harmonic = 0;
  for (int n = 1; n < 40; ++n) {
    harmonic += 1.0 / n;
    CHECK(std::abs(digamma(n + 1) - (harmonic - kEuler)) < 1e-13);
  }
  // psi(1 - x) - psi(x) = pi / tan(pi x)
  CHECK(
      std::abs(digamma(0.7) - digamma(0.3) - std::numbers::pi / std::tan(std::numbers::pi * 0.3)) <
      1e-13);
  CHECK_THROWS_AS(digamma(0), ValueError);
}

TEST_CASE("entropy: nearest neighbours against all distances sorted") {
  const Tensor X = normal({50, 3}, 1), D = distance_matrix(X), R = neighbour_distances(X, 4);
  for (int64_t i = 0; i < 50; ++i) {
    std::vector<double> row(D.data<double>() + i * 50, D.data<double>() + (i + 1) * 50);
    std::ranges::sort(row);
    for (int64_t k = 0; k < 4; ++k) {
      // row[0] is i itself; all pairs come from a matrix product, good to 1e-9
      CHECK(std::abs(R.data<double>()[i * 4 + k] - row[static_cast<size_t>(k + 1)]) < 1e-9);
    }
  }
  CHECK_THROWS_WITH_AS(
      neighbour_distances(X, 50), "neighbour_distances: needs 1 <= k < n, got k = 50 of 50 points",
      ValueError);
}

TEST_CASE("entropy: a normal law, its scale and its dimension") {
  // H(N(0, I_2)) = log(2 pi e) = 2.8379; the estimate from 2,000 samples is within 0.05
  const Tensor X = normal({2000, 2}, 1);
  const NeighbourEntropy found = neighbour_entropy(X);
  CHECK(found.dropped == 0);
  CHECK(std::abs(found.entropy - 2.8379) < 0.05);
  CHECK(std::abs(neighbour_entropy(X, {.k = 5}).entropy - 2.8379) < 0.05);
  // H(c X) = H(X) + d log c, exactly but for the jitter of 1e-10
  CHECK(std::abs(neighbour_entropy(X * 8.0).entropy - found.entropy - 2 * std::log(8)) < 1e-6);
  // Uniform on the unit cube: 0
  Rng rng(2);
  const Tensor U = Tensor::uniform({2000, 3}, rng, 0, 1, DType::f64);
  CHECK(std::abs(neighbour_entropy(U).entropy) < 0.1);
}

TEST_CASE("entropy: equal samples") {
  // Half of the samples are copies: jitter separates them, and says that they are nearly one
  const Tensor X = normal({200, 2}, 1), doubled = concat({X, X}, 0);
  const NeighbourEntropy with = neighbour_entropy(doubled, {.k = 1});
  CHECK(with.dropped == 0);
  CHECK(with.entropy < -30);
  const NeighbourEntropy without = neighbour_entropy(doubled, {.k = 1, .jitter = 0});
  CHECK(without.dropped == 400);
  CHECK(without.entropy == -std::numeric_limits<double>::infinity());
  CHECK(neighbour_entropy(doubled, {.k = 2, .jitter = 0}).dropped == 0);
  CHECK(std::isinf(neighbour_entropy(Tensor::ones({9, 2}, DType::f64)).entropy));
  CHECK_THROWS_AS(neighbour_entropy(X, {.k = 0}), ValueError);
  CHECK_THROWS_AS(neighbour_entropy(X, {.jitter = -1}), ValueError);
}

TEST_CASE("entropy: the same bits at any thread count") {
  const Tensor X = normal({300, 5}, 1);
  const parallel::ThreadLimit one(1);
  const double serial = neighbour_entropy(X).entropy;
  const parallel::ThreadLimit three(3);
  CHECK(neighbour_entropy(X).entropy == serial);
}

TEST_CASE("entropy: the Gaussian bound") {
  const Tensor S = Tensor::of({2, 2}, {2, 1, 1, 2}, DType::f64);  // det 3
  const double e = std::numbers::e, pi = std::numbers::pi;
  CHECK(std::abs(gaussian_entropy(S) - 0.5 * std::log(std::pow(2 * pi * e, 2) * 3)) < 1e-12);
  CHECK(std::isinf(gaussian_entropy(Tensor::ones({2, 2}, DType::f64))));
  // A uniform law has less than the Gaussian of its covariance: log(2 pi e / 12) / 2 = 0.1764 in
  // 1-D
  Rng rng(1);
  const Tensor U = Tensor::uniform({4000, 1}, rng, 0, 1, DType::f64);
  CHECK(std::abs(gaussian_entropy(moments_of(U).covariance) - 0.1764) < 0.02);
  CHECK_THROWS_AS(gaussian_entropy(Tensor::ones({2, 3}, DType::f64)), ShapeError);
}

TEST_CASE("entropy: the participation ratio") {
  // Covariance diag(3, 1, 1, 0) / const: 25 / 11
  const double r = std::sqrt(3.0);
  const Tensor X = Tensor::of(
      {6, 4}, {r, 0, 0, 0, -r, 0, 0, 0, 0, 1, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, -1, 0},
      DType::f64);
  CHECK(std::abs(participation_ratio(X) - 25.0 / 11) < 1e-12);
  CHECK(std::abs(participation_ratio(pad(X + 5.0, 1, 0, 9)) - 25.0 / 11) < 1e-12);  // wide
  CHECK(std::isnan(participation_ratio(Tensor::ones({3, 2}, DType::f64))));
}
