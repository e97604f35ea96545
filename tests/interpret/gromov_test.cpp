// tests/interpret/gromov_test.cpp: spaces of distances, compared without common axes.
#include "interpret/numerics/gromov.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/numerics/point_clouds.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// sum_ijkl (C_ik - D_jl)^2 T_ij T_kl, as it is written.
double value_by_four_sums(const Tensor& C, const Tensor& D, const Tensor& T) {
  const int64_t n = C.size(0), m = D.size(0);
  double total = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < n; ++k) {
      for (int64_t j = 0; j < m; ++j) {
        for (int64_t l = 0; l < m; ++l) {
          const double gap = C.data<double>()[i * n + k] - D.data<double>()[j * m + l];
          total += gap * gap * T.data<double>()[i * m + j] * T.data<double>()[k * m + l];
        }
      }
    }
  }
  return total;
}

bool is_coupling(const Tensor& T) {
  const auto n = static_cast<double>(T.size(0)), m = static_cast<double>(T.size(1));
  return close(sum(T, {1}), Tensor::full(sum(T, {1}).shape(), 1 / n, DType::f64), 1e-8) &&
         close(sum(T, {0}), Tensor::full(sum(T, {0}).shape(), 1 / m, DType::f64), 1e-8);
}

}  // namespace

TEST_CASE("Gromov-Wasserstein: the value is the fourfold sum") {
  const Tensor C = distance_matrix(normal({5, 2}, 1)), D = distance_matrix(normal({7, 3}, 2));
  Rng rng(3);
  const Tensor T = Tensor::uniform({5, 7}, rng, 0, 1, DType::f64);
  CHECK(std::abs(gromov_value(C, D, T) - value_by_four_sums(C, D, T)) < 1e-10);
}

TEST_CASE("Gromov-Wasserstein: two spaces of two points") {
  for (const auto& [d1, d2] : {std::pair{1.0, 3.0}, {2.0, 2.0}, {5.0, 0.5}}) {
    const Tensor C = Tensor::of({2, 2}, {0, d1, d1, 0}, DType::f64);
    const Tensor D = Tensor::of({2, 2}, {0, d2, d2, 0}, DType::f64);
    const PairedGromov found = paired_gromov(C, D);
    const double expected = (d1 - d2) * (d1 - d2) / 2;
    CHECK(std::abs(found.best().value - expected) < 1e-12);
    CHECK(std::abs(found.identity_value - expected) < 1e-12);
  }
}

TEST_CASE("Gromov-Wasserstein: 0 for isometric and for wider copies") {
  const Tensor X = normal({30, 3}, 1), C = distance_matrix(X);
  const Tensor turned = distance_matrix(matmul(X, qr(normal({3, 3}, 2)).q) + 1.0);
  const Tensor wider = distance_matrix(matmul(pad(X, 1, 0, 4), qr(normal({7, 7}, 3)).q));
  for (const Tensor& D : {turned, wider}) {
    const PairedGromov found = paired_gromov(C, D);
    // Distances agree up to rounding, which the value squares
    CHECK(found.identity_value < 1e-12);
    CHECK(found.best().value < 1e-12);
  }
}

TEST_CASE("Gromov-Wasserstein: points renamed are found again") {
  // Points on a line at powers of 2: distances give each one away
  std::vector<double> places;
  for (int k = 0; k < 8; ++k) places.push_back(std::pow(2, k));
  const Tensor X = Tensor::of({8, 1}, places, DType::f64);
  const Tensor order = Tensor::of_integers({8}, {3, 7, 0, 5, 1, 6, 2, 4});
  const PairedGromov found =
      paired_gromov(distance_matrix(X), distance_matrix(take_rows(X, order)));
  CHECK(found.identity_value > 100);
  CHECK(found.best().value < 1e-9);
  for (int64_t j = 0; j < 8; ++j) {
    const int64_t i = order.values<int64_t>()[static_cast<size_t>(j)];
    CHECK(std::abs(found.best().coupling.data<double>()[i * 8 + j] - 0.125) < 1e-12);
  }
}

TEST_CASE("Gromov-Wasserstein: conditional gradient goes down and stays a coupling") {
  const Tensor C = distance_matrix(normal({25, 2}, 1)), D = distance_matrix(normal({25, 4}, 2));
  const PairedGromov found = paired_gromov(C, D);
  const double product_value = gromov_value(C, D, Tensor::full({25, 25}, 1.0 / 625, DType::f64));
  CHECK(found.from_identity.value < found.identity_value);
  CHECK(found.from_product.value < product_value);
  CHECK(found.best().value == std::min(found.from_identity.value, found.from_product.value));
  for (const GromovResult& result : {found.from_identity, found.from_product}) {
    CHECK(result.converged);
    CHECK(is_coupling(result.coupling));
    CHECK(std::abs(gromov_value(C, D, result.coupling) - result.value) < 1e-12);
  }
}

TEST_CASE("Gromov-Wasserstein: spaces of different size and mass") {
  // Two points of mass 1/2 against three, two of them in one place: the same space
  const Tensor C = Tensor::of({2, 2}, {0, 3, 3, 0}, DType::f64);
  const Tensor D = Tensor::of({3, 3}, {0, 0, 3, 0, 0, 3, 3, 3, 0}, DType::f64);
  const std::vector<double> half = {0.5, 0.5};
  const Tensor start = Tensor::of({2, 3}, {0.15, 0.15, 0.2, 0.05, 0.15, 0.3}, DType::f64);
  CHECK(gromov_from(C, D, start).value < 1e-12);
  CHECK(gromov_wasserstein(C, D, half, std::vector<double>{0.1, 0.1, 0.8}).value > 0.1);
}

TEST_CASE("Gromov-Wasserstein: the entropic method, any sizes") {
  const Tensor C = distance_matrix(normal({20, 2}, 1)), D = distance_matrix(normal({30, 3}, 2));
  const GromovResult coarse = entropic_gromov(C, D, {}, {}, 1);
  const GromovResult fine = entropic_gromov(C, D, {}, {}, 0.05);
  CHECK(coarse.converged);
  CHECK(is_coupling(coarse.coupling));
  CHECK(fine.value < coarse.value);
  const double product_value = gromov_value(C, D, Tensor::full({20, 30}, 1.0 / 600, DType::f64));
  CHECK(coarse.value <= product_value + 1e-12);

  const Tensor E = distance_matrix(normal({20, 4}, 3));
  const GromovResult smooth = entropic_gromov(C, E, {}, {}, 0.5);
  CHECK(gromov_from(C, E, smooth.coupling).value < smooth.value);
}

TEST_CASE("Gromov-Wasserstein: what it refuses") {
  const Tensor C = distance_matrix(normal({4, 2}, 1));
  CHECK_THROWS_AS(paired_gromov(C, distance_matrix(normal({5, 2}, 1))), ShapeError);
  CHECK_THROWS_AS(paired_gromov(normal({4, 3}, 1), normal({4, 3}, 1)), ShapeError);
  CHECK_THROWS_WITH_AS(
      paired_gromov(C, normal({4, 4}, 1)), "gromov_value: a matrix is not symmetric", ValueError);
  CHECK_THROWS_AS(gromov_from(C, C, normal({4, 3}, 1)), ShapeError);
  CHECK_THROWS_AS(gromov_wasserstein(C, C, std::vector<double>{1, 1, 1, -1}), ValueError);
  CHECK_THROWS_AS(entropic_gromov(C, C, {}, {}, 0), ValueError);
}
