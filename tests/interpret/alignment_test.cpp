// tests/interpret/alignment_test.cpp: rotations that are known are found.
#include "interpret/numerics/alignment.h"

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

TEST_CASE("alignment: a turned, moved and scaled copy") {
  const Tensor X = normal({40, 6}, 1), Q = qr(normal({6, 6}, 2)).q;
  const Tensor Y = matmul(X, Q) + 3.0;
  const Procrustes found = procrustes(X, Y);
  CHECK(std::abs(found.residual) < 1e-10);
  CHECK(found.distance_squared < 1e-20);
  CHECK(close(found.rotation, Q, 1e-10));
  CHECK(close(found.y, centred(Y), 1e-12));

  // The residual does not mind a scale, the distance does, unless both get the same
  const Procrustes scaled = procrustes(X, Y * 2.5);
  CHECK(std::abs(scaled.residual) < 1e-10);
  CHECK(
      scaled.distance_squared == doctest::Approx(2.25 * sum_of_squares(centred(X))).epsilon(1e-10));
  const Procrustes even = procrustes(X, Y * 2.5, {.has_unit_trace = true});
  CHECK(even.distance_squared < 1e-20);
  CHECK(std::abs(sum_of_squares(even.x) / 40 - 1) < 1e-12);

  // Columns of 0 and a rotation in the wider space change nothing either
  const Tensor wide = matmul(pad(X, 1, 0, 3), qr(normal({9, 9}, 3)).q);
  const Procrustes widened = procrustes(X, wide);
  CHECK(widened.rotation.shape() == Shape({9, 9}));
  CHECK(std::abs(widened.residual) < 1e-10);
  CHECK(std::abs(procrustes(wide, X).residual) < 1e-10);
}

TEST_CASE("alignment: no rotation does better") {
  const Tensor X = normal({30, 4}, 1), Y = normal({30, 3}, 2, 0, 2);
  const Procrustes found = procrustes(X, Y);
  CHECK(found.residual > 0.3);
  CHECK(found.residual < 1);
  const Tensor identity = matmul(found.rotation, found.rotation, {.transpose_a = true});
  CHECK(close(
      identity, Tensor::of({4, 4}, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, DType::f64)));
  CHECK(std::abs(sum_of_squares(found.x - found.y) - found.distance_squared) < 1e-12);
  const Tensor x = centred(X);
  for (uint64_t seed = 10; seed < 30; ++seed) {
    const Tensor other = matmul(x, qr(normal({4, 4}, seed)).q);
    CHECK(sum_of_squares(other - found.y) > found.distance_squared);
  }
  // With the best scale c of X, |c X Q - Y|^2 = residual |Y|^2
  const double c = sum(found.x * found.y).item() / sum_of_squares(found.x);
  CHECK(
      sum_of_squares(found.x * c - found.y) ==
      doctest::Approx(found.residual * sum_of_squares(found.y)).epsilon(1e-10));
}

TEST_CASE("alignment: CKA by hand, and its invariances") {
  const Tensor x = Tensor::of({3, 1}, {1, 2, 3}, DType::f64);
  const Tensor y = Tensor::of({3, 1}, {1, 3, 2}, DType::f64);
  CHECK(std::abs(linear_cka(x, y) - 0.25) < 1e-12);
  CHECK(std::abs(linear_cka(x, -x) - 1) < 1e-12);

  for (const int64_t d : {5, 50}) {  // fewer and more columns than rows
    const Tensor X = normal({20, d}, 1), Y = normal({20, 8}, 2);
    const Tensor turned = matmul(X, qr(normal({d, d}, 3)).q) * -0.7 + 2.0;
    CHECK(std::abs(linear_cka(X, turned) - 1) < 1e-10);
    CHECK(std::abs(linear_cka(X, Y) - linear_cka(turned, Y)) < 1e-10);
    CHECK(std::abs(linear_cka(X, Y) - linear_cka(Y, X)) < 1e-12);
    CHECK(linear_cka(X, Y) > 0);
    CHECK(linear_cka(X, Y) < 1);
  }
  // Columns of 0 make the other product the smaller one, and change nothing
  const Tensor X = normal({20, 5}, 1), Y = normal({20, 8}, 2);
  CHECK(std::abs(linear_cka(pad(X, 1, 0, 40), Y) - linear_cka(X, Y)) < 1e-12);
}

TEST_CASE("alignment: clouds that are one point") {
  const Tensor X = normal({10, 3}, 1), point = Tensor::full({10, 2}, 7, DType::f64);
  CHECK(procrustes(point, point).residual == 0);
  CHECK(procrustes(X, point, {.has_unit_trace = true}).residual == 1);
  CHECK(linear_cka(point, point) == 1);
  CHECK(linear_cka(X, point) == 0);
  CHECK_THROWS_WITH_AS(
      procrustes(X, normal({9, 3}, 1)),
      "procrustes: needs two matrices with as many rows, got [10, 3] and [9, 3]", ShapeError);
  CHECK_THROWS_AS(linear_cka(X, normal({9, 3}, 1)), ShapeError);
}
