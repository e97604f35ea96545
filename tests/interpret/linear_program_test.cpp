// tests/interpret/linear_program_test.cpp: programs with known answers, and certificates of others.
#include "interpret/numerics/linear_program.h"

#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor f64(const Shape& shape, std::initializer_list<double> values) {
  return Tensor::of(shape, values, DType::f64);
}

double dot(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }

}  // namespace

TEST_CASE("linear_program: the diet of a textbook") {
  // max 5 x + 4 y + 3 z (Chvatal, chapter 2): 2x+3y+z <= 5, 4x+y+2z <= 11, 3x+4y+2z <= 8
  const LinearResult r = linear_program(
      {.c = f64({6}, {-5, -4, -3, 0, 0, 0}),
       .A = f64({3, 6}, {2, 3, 1, 1, 0, 0, 4, 1, 2, 0, 1, 0, 3, 4, 2, 0, 0, 1}),
       .b = f64({3}, {5, 11, 8})});
  CHECK(r.status == LinearStatus::optimal);
  CHECK(r.objective == doctest::Approx(-13));
  CHECK(r.x.to_vector()[0] == doctest::Approx(2));
  CHECK(r.x.to_vector()[1] == doctest::Approx(0));
  CHECK(r.x.to_vector()[2] == doctest::Approx(1));
  CHECK(r.gap < 1e-12);
  CHECK(r.primal_residual < 1e-12);
}

TEST_CASE("linear_program: bounds, free variables, dependent rows") {
  // min x - 2 y + z, x free, 0 <= y <= 3, -1 <= z <= 1, x + y + z = 2, twice
  const LinearProgram p{
      .c = f64({3}, {1, -2, 1}),
      .A = f64({2, 3}, {1, 1, 1, 2, 2, 2}),
      .b = f64({2}, {2, 4}),
      .lower = f64({3}, {-kInfinity, 0, -1}),
      .upper = f64({3}, {kInfinity, 3, 1})};
  const LinearResult r = linear_program(p);
  CHECK(r.status == LinearStatus::optimal);
  CHECK(r.objective == doctest::Approx(-7));  // y = 3; x + z = -1
  CHECK(r.gap < 1e-9);
  CHECK(r.primal_residual < 1e-12);
}

TEST_CASE("linear_program: no solution, with the vector that proves it") {
  // x + y = -1 with x, y >= 0
  const LinearProgram p{.c = f64({2}, {1, 1}), .A = f64({1, 2}, {1, 1}), .b = f64({1}, {-1})};
  const LinearResult r = linear_program(p);
  CHECK(r.status == LinearStatus::infeasible);
  CHECK(r.gap < 0);
  // Farkas: y'A <= 0 but y'b > 0
  CHECK(r.y.to_vector()[0] * -1 > 0);
  CHECK(r.y.to_vector()[0] * 1 <= 0);
  const LinearResult bounded = linear_program(
      {.c = f64({2}, {0, 0}),
       .A = f64({1, 2}, {1, 1}),
       .b = f64({1}, {5}),
       .upper = f64({2}, {2, 2})});
  CHECK(bounded.status == LinearStatus::infeasible);
  CHECK(bounded.gap < 0);
}

TEST_CASE("linear_program: no minimum, with a ray") {
  const LinearProgram p{.c = f64({2}, {-1, 0}), .A = f64({1, 2}, {1, -1}), .b = f64({1}, {1})};
  const LinearResult r = linear_program(p);
  REQUIRE(r.status == LinearStatus::unbounded);
  CHECK(dot(p.c, r.ray) < 0);
  CHECK(std::abs(matmul(p.A, reshape(r.ray, {2, 1})).item()) < 1e-12);
  for (const double v : r.ray.to_vector()) CHECK(v >= 0);
}

TEST_CASE("linear_program: random programs meet their lower bound; degenerate ones end") {
  Rng rng(3);
  for (int round = 0; round < 20; ++round) {
    const int64_t m = 5 + round, n = 40;
    const Tensor A = Tensor::normal({m, n}, rng, 0, 1, DType::f64);
    // Feasible with many zeros (degenerate), and bounded: c = A'y + d with d >= 0
    Tensor x = Tensor::uniform({n, 1}, rng, 0, 1, DType::f64);
    for (int64_t j = 0; j < n; ++j) {
      if (j % 8 != 0) x.mutable_data<double>()[j] = 0;
    }
    const Tensor y = Tensor::normal({m, 1}, rng, 0, 1, DType::f64);
    const Tensor d = Tensor::uniform({n, 1}, rng, 0, 1, DType::f64);
    const LinearProgram p{
        .c = reshape(matmul(A, y, {.transpose_a = true}) + d, {n}),
        .A = A,
        .b = reshape(matmul(A, x), {m})};
    const LinearResult r = linear_program(p);
    CAPTURE(m);
    CHECK(r.status == LinearStatus::optimal);
    CHECK(r.objective <= dot(p.c, reshape(x, {n})) + 1e-9);
    CHECK(std::abs(r.gap) < 1e-8);
    CHECK(r.primal_residual < 1e-8);
    for (const double v : r.x.to_vector()) CHECK(v >= -1e-9);
  }
}

TEST_CASE("linear_program: bad input") {
  const Tensor c = f64({2}, {1, 1}), A = f64({1, 2}, {1, 1}), b = f64({1}, {1});
  CHECK_THROWS_AS(linear_program({.c = b, .A = A, .b = b}), ShapeError);
  CHECK_THROWS_AS(linear_program({.c = to(c, DType::f32), .A = A, .b = b}), DTypeError);
  CHECK_THROWS_AS(linear_program({.c = f64({2}, {NAN, 1}), .A = A, .b = b}), ValueError);
  CHECK_THROWS_AS(
      linear_program(
          {.c = c, .A = A, .b = b, .lower = f64({2}, {0, 2}), .upper = f64({2}, {1, 1})}),
      ValueError);
}
