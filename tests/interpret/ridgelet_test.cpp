// tests/interpret/ridgelet_test.cpp: constants, low-pass and potential fields of ridgelets.
#include "interpret/transport/ridgelet.h"

#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

using namespace limpid;
using namespace limpid::interpret;

namespace {

constexpr double kPi = std::numbers::pi;

void sine(std::span<const double> x, std::span<double> y) {
  y[0] = std::sin(2 * kPi * x[0]) * std::exp(-2 * x[0] * x[0]);
}

std::vector<double> values_of(
    const RidgeletFunction& f, std::span<const double> x, size_t m, size_t p = 1) {
  std::vector<double> values(x.size() / m * p);
  for (size_t k = 0; k < x.size() / m; ++k) {
    f(x.subspan(k * m, m), std::span(values).subspan(k * p, p));
  }
  return values;
}

struct Errors {
  double low_passed, f;
};

// Of the dual at the sample points
Errors errors(
    const RidgeletFunction& f, RidgeUnit unit, int64_t m, double half_width, int64_t side,
    const RidgeletGrid& grid) {
  const RidgeletSamples s = sample_grid(f, m, 1, half_width, side);
  const DualPair pair = dual_pair(unit, m);
  const std::vector<double> dual = ridgelet_dual(ridgelet_transform(s, pair, grid), s.x);
  return {
      relative_l2(dual, low_passed(s, pair, grid.frequency, s.x)),
      relative_l2(dual, values_of(f, s.x, static_cast<size_t>(m)))};
}

}  // namespace

TEST_CASE("ridgelet: K of every pair is the integral over the two spectra") {
  const double gaussian2 = 4 * kPi * kPi * std::sqrt(kPi) / 2;
  struct Row {
    RidgeUnit unit;
    int64_t m;
    const char* psi;
    double K;
  };
  for (const Row& row : std::vector<Row>{
           {RidgeUnit::gaussian, 1, "-G''", 2 * kPi},
           {RidgeUnit::relu, 1, "G''''", -2 * std::sqrt(2 * kPi)},
           {RidgeUnit::tanh, 1, "G'''", 5.86018514},
           {RidgeUnit::gaussian, 2, "G''''", gaussian2},
           {RidgeUnit::relu, 2, "-G''''", 4 * kPi * kPi}}) {
    const DualPair pair = dual_pair(row.unit, row.m);
    CAPTURE(row.psi);
    CHECK(pair.psi.text() == row.psi);
    CHECK(std::abs(pair.K - row.K) <= 1e-8);  // the digits given for tanh
    // Simpson's rule in steps of 0.0035
    CHECK(relative_error(admissibility(row.unit, pair.psi, row.m), pair.K) <= 1e-10);
  }
  for (int64_t m = 3; m <= 12; ++m) {
    for (const RidgeUnit unit : {RidgeUnit::gaussian, RidgeUnit::relu, RidgeUnit::tanh}) {
      const DualPair pair = dual_pair(unit, m);
      CHECK(relative_error(admissibility(unit, pair.psi, m) / pair.K, 1) <= 1e-8);
    }
  }
  // The low-pass in closed form
  for (const double r : {0.3, 1.0, 2.5}) {
    const auto share = [&](RidgeUnit unit, int64_t m) {
      const DualPair pair = dual_pair(unit, m);
      return admissibility(unit, pair.psi, m, r) / pair.K;
    };
    CHECK(relative_error(share(RidgeUnit::gaussian, 1), std::exp(-r * r)) <= 1e-10);
    CHECK(relative_error(share(RidgeUnit::relu, 1), std::exp(-r * r / 2)) <= 1e-10);
    CHECK(relative_error(share(RidgeUnit::relu, 2), std::erfc(r / std::sqrt(2.0))) <= 1e-10);
  }
}

TEST_CASE("ridgelet: psi is the derivative of the Gaussian that it says (finite differences)") {
  for (int order = 0; order <= 6; ++order) {
    const Ridgelet psi{order, -1};
    constexpr double h = 1e-5;
    for (const double z : {-2.3, -0.4, 0.0, 1.7}) {
      const double slope = (psi(z + h) - psi(z - h)) / (2 * h);
      CHECK(std::abs(slope - psi.derivative()(z)) <= 1e-7);  // h^2 times some 100
    }
  }
}

TEST_CASE("ridgelet: Gaussian units rebuild f * N(0, 2/A^2) (check 27)") {
  const auto error = [](double A, int64_t radii, int64_t side) {
    return errors(
        sine, RidgeUnit::gaussian, 1, 3, side,
        {.frequency = A, .radii = radii, .offset_step = 0.5});
  };
  // The midpoint rule of 200 cells of a; its error falls with the square of their size
  const Errors at10 = error(10, 200, 160), at20 = error(20, 200, 240);
  CHECK(std::abs(at10.low_passed / 6.6e-6 - 1) <= 0.02);
  CHECK(std::abs(at20.low_passed / 2.5e-6 - 1) <= 0.02);
  CHECK(std::abs(error(10, 400, 160).low_passed / at10.low_passed - 0.25) <= 0.01);
  CHECK(std::abs(at10.f - 0.3486) <= 5e-5);
  CHECK(std::abs(error(30, 600, 300).f - 0.049) <= 5e-4);
  CHECK(std::abs(error(60, 1200, 500).f - 0.012) <= 5e-4);

  // And the low-pass by itself, against the convolution with that normal law
  const RidgeletSamples s = sample_grid(sine, 1, 1, 3, 200);
  const DualPair pair = dual_pair(RidgeUnit::gaussian, 1);
  const std::vector<double> low = low_passed(s, pair, 10, s.x);
  std::vector<double> blurred(low.size(), 0);
  for (size_t k = 0; k < low.size(); ++k) {
    for (size_t i = 0; i < low.size(); ++i) {
      const double u = s.x[k] - s.x[i];
      blurred[k] += s.mass[i] * std::exp(-25 * u * u) * 5 / std::sqrt(kPi);
    }
  }
  CHECK(relative_l2(low, blurred) <= 1e-7);  // f is cut off at 1.5e-8
}

TEST_CASE("ridgelet: unbounded units and tanh are admissible (check 28)") {
  const RidgeletGrid grid{.frequency = 30, .radii = 600, .offset_step = 0.25};
  const Errors relu = errors(sine, RidgeUnit::relu, 1, 3, 300, grid);
  const Errors tanh = errors(sine, RidgeUnit::tanh, 1, 3, 300, grid);
  CHECK(std::abs(relu.f / 0.025 - 1) <= 0.2);
  CHECK(std::abs(tanh.f / 0.042 - 1) <= 0.2);
  // relu^ falls like 1 / z^2 only, so a sum in steps of b repeats some of it: less with finer steps
  CHECK(relu.low_passed <= 1e-3);
  const RidgeletGrid finer{.frequency = 30, .radii = 600, .offset_step = 0.125};
  CHECK(errors(sine, RidgeUnit::relu, 1, 3, 300, finer).low_passed <= relu.low_passed / 4);
  CHECK(tanh.low_passed <= 1e-6);
}

TEST_CASE("ridgelet: R[grad V] = -a R_psi'[V] (check 29)") {
  // V = (1 + x_1 + ...) exp(-|x|^2) in one and two dimensions
  for (const int64_t m : {1, 2}) {
    CAPTURE(m);
    const auto V = [](std::span<const double> x, std::span<double> y) {
      double sum = 1, squared = 0;
      for (const double v : x) sum += v, squared += v * v;
      y[0] = sum * std::exp(-squared);
    };
    const auto gradient = [](std::span<const double> x, std::span<double> y) {
      double sum = 1, squared = 0;
      for (const double v : x) sum += v, squared += v * v;
      for (size_t k = 0; k < x.size(); ++k) y[k] = (1 - 2 * x[k] * sum) * std::exp(-squared);
    };
    const RidgeletGrid grid{
        .frequency = 4, .radii = 16, .offset = 0, .offset_step = 0.5, .directions = 6};
    const DualPair pair = dual_pair(RidgeUnit::gaussian, m);
    const int64_t side = m == 1 ? 200 : 60;
    const RidgeletSpectrum field =
        ridgelet_transform(sample_grid(gradient, m, m, 5, side), pair, grid);
    const RidgeletSpectrum potential =
        ridgelet_transform(sample_grid(V, m, 1, 5, side), pair, pair.psi.derivative(), grid);
    const size_t N = field.offsets.size(), R = field.radii.size();
    const size_t rows = R * static_cast<size_t>(field.direction_count());
    double worst = 0, largest = 0;
    for (size_t k = 0; k < field.values.size(); ++k) {
      const size_t c = k / (rows * N), row = k / N % rows;
      const double a =
          field.radii[row % R] * field.directions[row / R * static_cast<size_t>(m) + c];
      worst = std::max(worst, std::abs(field.values[k] + a * potential.values[row * N + k % N]));
      largest = std::max(largest, std::abs(field.values[k]));
    }
    CHECK(largest > 0.1);
    CHECK(worst <= 1e-6);
  }
}

TEST_CASE("ridgelet: two inputs") {
  const auto f = [](std::span<const double> x, std::span<double> y) {
    y[0] = (x[0] + x[0] * x[1] - 0.3) * std::exp(-x[0] * x[0] - 2 * x[1] * x[1]);
  };
  // Midpoints in steps of 1/8 across the corner of |r| dr at 0
  for (const RidgeUnit unit : {RidgeUnit::gaussian, RidgeUnit::relu, RidgeUnit::tanh}) {
    const Errors e = errors(
        f, unit, 2, 3, 20,
        {.frequency = 6, .radii = 96, .offset = 0, .offset_step = 0.25, .directions = 16});
    CHECK(e.low_passed <= 5e-3);
    CHECK(e.f > 10 * e.low_passed);
  }
}

TEST_CASE("ridgelet: the same bits at any thread count") {
  const RidgeletSamples s = sample_grid(sine, 1, 1, 3, 100);
  for (const RidgeUnit unit : {RidgeUnit::gaussian, RidgeUnit::relu, RidgeUnit::tanh}) {
    const auto run = [&](int threads) {
      const parallel::ThreadLimit limit(threads);
      const RidgeletSpectrum t =
          ridgelet_transform(s, dual_pair(unit, 1), {.frequency = 8, .radii = 150});
      std::vector<double> all = ridgelet_dual(t, s.x);
      all.insert(all.end(), t.values.begin(), t.values.end());
      return all;
    };
    CHECK(run(1) == run(3));
  }
}

TEST_CASE("ridgelet: of data, by importance and by density") {
  // Uniform on [-1, 1]: both weights differ by the factor 2, except near the ends
  const int64_t n = 2000;
  Rng rng(5);
  const Tensor X = Tensor::uniform({n, 1}, rng, -1, 1, DType::f64);
  std::vector<double> y;
  for (const double x : X.to_vector()) y.push_back(std::exp(-20 * x * x));
  const Tensor Y = Tensor::of({n, 1}, y, DType::f64);
  const auto bump = [](std::span<const double> x, std::span<double> v) {
    v[0] = std::exp(-20 * x[0] * x[0]);
  };
  const RidgeletSamples exact = sample_grid(bump, 1, 1, 1, 200);
  const RidgeletSamples importance = sample_data(X, Y, DataWeight::importance);
  const RidgeletSamples density = sample_data(X, Y, DataWeight::density);
  const Ridgelet psi = dual_pair(RidgeUnit::gaussian, 1).psi;
  for (const double a : {1.0, 4.0}) {
    const std::vector<double> at{a};
    const double T = ridgelet_at(exact, psi, at, 0.3)[0];
    // f holds about 400 points: one part in 20
    CHECK(std::abs(ridgelet_at(importance, psi, at, 0.3)[0] / T - 1) <= 0.1);
    CHECK(std::abs(ridgelet_at(density, psi, at, 0.3)[0] * 2 / T - 1) <= 0.1);
  }
}

TEST_CASE("ridgelet: bad input") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto failed = [](auto&& f) { return failure<ValueError>(f); };
  const DualPair pair = dual_pair(RidgeUnit::gaussian, 1);
  const RidgeletSamples s = sample_grid(sine, 1, 1, 3, 20);
  CHECK(contains(failed([&] { sample_grid(sine, 1, 1, 3, 0); }), "sample_grid: an empty grid: 0"));
  CHECK(contains(failed([&] { sample_grid(sine, 1, 1, nan, 9); }), "an empty grid"));
  CHECK(contains(failed([&] { sample_grid(sine, 3, 1, 1, 9); }), "1 or 2 inputs, got 3"));
  const auto broken = [&](std::span<const double>, std::span<double> y) { y[0] = nan; };
  CHECK(contains(failed([&] { sample_grid(broken, 1, 1, 1, 9); }), "the function is nan"));
  CHECK(contains(failed([&] { ridgelet_transform({}, pair, {}); }), "holds no points"));
  RidgeletSamples damaged = s;
  damaged.mass[7] = nan;
  CHECK(contains(failed([&] { ridgelet_transform(damaged, pair, {}); }), "holds NaN or infinity"));
  CHECK(contains(
      failed([&] { ridgelet_transform(s, pair, {.frequency = 5, .radii = 0}); }), "empty grid"));
  CHECK(
      contains(failed([&] { ridgelet_transform(s, pair, {.frequency = nan}); }), "frequency nan"));
  CHECK(contains(
      failed([&] { ridgelet_transform(s, pair, {.offset_step = 1e-9}); }), "at most 134217728"));
  CHECK(contains(failed([] { dual_pair(RidgeUnit::relu, 0); }), "1 to 12 inputs"));
  CHECK(contains(failed([] { ridge_unit_named("sigmoid"); }), "gaussian, relu, tanh"));
  CHECK(contains(failed([] { admissibility(RidgeUnit::tanh, {2, 1}, 1); }), "different parities"));
  CHECK(contains(
      failed([] {
        admissibility(RidgeUnit::relu, {2, 1}, 1);
      }),
      "too few vanishing moments"));
  CHECK(contains(
      failed([&] { low_passed({.x = {1}, .mass = {1}}, pair, 1, s.x); }), "samples on a grid"));
  CHECK(failure<ShapeError>([&] {
          ridgelet_transform(s, dual_pair(RidgeUnit::gaussian, 2), {});
        }) != "");
  const Tensor none = Tensor::zeros({0, 1}, DType::f64);
  CHECK(contains(failed([&] { sample_data(none, none, DataWeight::density); }), "no points"));
}
