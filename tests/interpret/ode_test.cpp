// tests/interpret/ode_test.cpp: orders of convergence, and what is refused.
#include "interpret/numerics/ode.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// The oscillator x'' = -x as a system, from (1, 0): (cos t, -sin t)
void oscillator(double, std::span<const double> x, std::span<double> v) {
  v[0] = x[1];
  v[1] = -x[0];
}

double error_of(const OdeOptions& options) {
  const std::array<double, 2> start = {1, 0}, times = {0, 2};
  const auto end = solve_ode(oscillator, start, times, options).states.back();
  return std::hypot(end[0] - std::cos(2), end[1] + std::sin(2));
}

}  // namespace

TEST_CASE("ode: the error falls by 2 and by 16 when steps are halved") {
  const auto ratio = [](Stepper stepper) {
    return error_of({.stepper = stepper, .steps = 200}) /
           error_of({.stepper = stepper, .steps = 400});
  };
  CHECK(ratio(Stepper::euler) == doctest::Approx(2).epsilon(0.02));
  CHECK(ratio(Stepper::rk4) == doctest::Approx(16).epsilon(0.02));
}

TEST_CASE("ode: adaptive steps keep the tolerance, and cost more for a smaller one") {
  CHECK(error_of({}) < 1e-7);
  CHECK(error_of({.relative = 1e-12, .absolute = 1e-14}) < 1e-11);
  const std::array<double, 2> start = {1, 0}, times = {0, 2};
  const OdeResult coarse = solve_ode(oscillator, start, times, {.relative = 1e-4});
  const OdeResult fine = solve_ode(oscillator, start, times, {.relative = 1e-10});
  CHECK(fine.evaluations > 2 * coarse.evaluations);
}

TEST_CASE("ode: a field that depends on time, there and back, with stops on the way") {
  // x' = 2 t x: exp(t^2)
  const OdeField field = [](double t, std::span<const double> x, std::span<double> v) {
    v[0] = 2 * t * x[0];
  };
  const std::array<double, 1> start = {1};
  const std::array<double, 4> there = {0, 0.5, 0.5, 1.5};
  const OdeResult up = solve_ode(field, start, there);
  REQUIRE(up.states.size() == 4);
  for (size_t i = 0; i < there.size(); ++i) {
    CHECK(up.states[i][0] == doctest::Approx(std::exp(there[i] * there[i])).epsilon(1e-7));
  }
  const std::array<double, 2> back = {1.5, 0};
  const double end = solve_ode(field, up.states.back(), back).states.back()[0];
  CHECK(end == doctest::Approx(1).epsilon(1e-7));
}

TEST_CASE("ode: a solution that explodes is stopped, by the step or by the count") {
  // x' = x^2 from 1: 1 / (1 - t)
  const OdeField field = [](double, std::span<const double> x, std::span<double> v) {
    v[0] = x[0] * x[0];
  };
  const std::array<double, 1> start = {1};
  const std::array<double, 2> times = {0, 2};
  CHECK_THROWS_AS(solve_ode(field, start, times), NumericError);
  CHECK_THROWS_AS(solve_ode(field, start, times, {.max_steps = 3}), NumericError);
  CHECK_THROWS_AS(
      solve_ode(field, start, times, {.stepper = Stepper::rk4, .steps = 1000}), NumericError);
}

TEST_CASE("ode: what is refused") {
  const std::array<double, 2> start = {1, 0}, times = {0, 1};
  const std::array<double, 3> zigzag = {0, 1, 0.5};
  const std::array<double, 2> hole = {1, std::numeric_limits<double>::quiet_NaN()};
  CHECK_THROWS_AS(solve_ode(oscillator, start, {}), ValueError);
  CHECK_THROWS_AS(solve_ode(oscillator, start, zigzag), ValueError);
  CHECK_THROWS_AS(solve_ode(oscillator, hole, times), ValueError);
  CHECK_THROWS_AS(solve_ode(oscillator, start, hole), ValueError);
  CHECK_THROWS_AS(solve_ode(oscillator, start, times, {.steps = 0}), ValueError);
  CHECK_THROWS_AS(solve_ode(oscillator, start, times, {.relative = 0}), ValueError);
}
