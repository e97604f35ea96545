// tests/interpret/ridgelet_units_test.cpp: units drawn from a spectrum, read out, laid over it.
#include "interpret/transport/ridgelet_units.h"

#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <numbers>

using namespace limpid;
using namespace limpid::interpret;

namespace {

constexpr double kPi = std::numbers::pi;

void sine(std::span<const double> x, std::span<double> y) {
  y[0] = std::sin(2 * kPi * x[0]) * std::exp(-2 * x[0] * x[0]);
}

struct Sine {
  explicit Sine(RidgeUnit unit, double A = 12)
      : samples(sample_grid(sine, 1, 1, 2.5, 150)),
        spectrum(ridgelet_transform(
            samples, dual_pair(unit, 1), {.frequency = A, .radii = 200, .offset_step = 0.5})) {
    for (const double x : samples.x) {
      y.push_back(0);
      sine({&x, 1}, {&y.back(), 1});
    }
  }
  double error(const RidgeUnits& units) const {
    return relative_l2(values_of(units, samples.x), y);
  }
  RidgeletSamples samples;
  RidgeletSpectrum spectrum;
  std::vector<double> y;
};

std::unique_ptr<Module> network(
    const std::string& architecture, const Shape& input, int64_t outputs) {
  Rng rng(3);
  auto net = make_model(architecture, {.input = input, .classes = outputs}, rng);
  convert(*net, DType::f64);
  return net;
}

}  // namespace

TEST_CASE("ridgelet units: oracle sampling follows |T|, and its weights are unbiased") {
  const Sine f(RidgeUnit::gaussian);
  const RidgeUnits many = oracle_units(f.spectrum, 20'000, 1);
  CHECK(many.size() == 20'000);
  // Share of units with |a| <= 4 against the share of int |T|
  const int64_t N = std::ssize(f.spectrum.offsets);
  double inside = 0, all = 0, share = 0;
  for (int64_t i = 0; i < std::ssize(f.spectrum.radii); ++i) {
    for (int64_t j = 0; j < N; ++j) {
      const double T = f.spectrum.size_at(0, i, j);
      all += T;
      if (std::abs(f.spectrum.radii[static_cast<size_t>(i)]) <= 4) inside += T;
    }
  }
  for (const double a : many.a) share += std::abs(a) <= 4 ? 1.0 / 20'000 : 0;
  CHECK(std::abs(share - inside / all) <= 4 * 0.5 / std::sqrt(20'000.0));  // 4 deviations
  // Monte Carlo: the error against the dual itself halves with four times as many units
  const std::vector<double> dual = ridgelet_dual(f.spectrum, f.samples.x);
  const auto gap = [&](int64_t count) {
    double squared = 0;
    for (uint64_t seed = 0; seed < 8; ++seed) {
      const RidgeUnits u = oracle_units(f.spectrum, count, seed);
      squared += std::pow(relative_l2(values_of(u, f.samples.x), dual), 2) / 8;
    }
    return std::sqrt(squared);
  };
  const double few = gap(500), more = gap(8000);
  CHECK(few / more > 3);  // 4 in the mean
  CHECK(few / more < 5.3);
}

TEST_CASE("ridgelet units: least squares is never worse than Monte Carlo, and repeats") {
  for (const RidgeUnit unit : {RidgeUnit::gaussian, RidgeUnit::relu, RidgeUnit::tanh}) {
    const Sine f(unit);
    RidgeUnits u = oracle_units(f.spectrum, 60, 4);
    const double drawn = f.error(u);
    fit_outer(u, f.samples.x, f.y);
    CHECK(f.error(u) < drawn);
    CHECK(f.error(u) < 0.2);
    CHECK(oracle_units(f.spectrum, 60, 4).a == u.a);
    CHECK(oracle_units(f.spectrum, 60, 5).a != u.a);
    for (const RandomUnits kind : {RandomUnits::box, RandomUnits::placed, RandomUnits::layer}) {
      RidgeUnits random = random_units(f.spectrum, kind, 2.5, 60, 4);
      fit_outer(random, f.samples.x, f.y);
      CAPTURE(std::string(name_of(unit)));
      CAPTURE(std::string(name_of(kind)));
      CHECK(f.error(random) < 1.001);  // the constant alone gives 1
    }
  }
}

TEST_CASE("ridgelet units: more than two inputs by Monte Carlo") {
  // f = exp(-|x|^2 / 2) in three dimensions, at normal points: importance weights are exact
  const int64_t n = 4000;
  Rng rng(2);
  RidgeletSamples s{.dimension = 3, .outputs = 1, .x = std::vector<double>(3 * n), .mass = {}};
  rng.normal(std::span(s.x), 0, 1);
  s.mass.assign(n, std::pow(2 * kPi, 1.5) / n);  // f / p = (2 pi)^(3/2)
  const DualPair pair = dual_pair(RidgeUnit::gaussian, 3);
  const RidgeUnits u = monte_carlo_units(s, pair, 3, 12, 20'000, 7);
  const std::vector<double> places{0, 0, 0, 1, 0, 0, 0, -1, 1, 2, 0, 0};
  const std::vector<double> dual = values_of(u, places);
  // psi = G'''' and |a| <= 3: f * N(0, 2 I / 9), as in one dimension
  for (size_t k = 0; k < dual.size(); ++k) {
    const double squared = std::array{0.0, 1.0, 2.0, 4.0}[k];
    const double exact = std::pow(11 / 9.0, -1.5) * std::exp(-squared / (2 * 11 / 9.0));
    CHECK(std::abs(dual[k] - exact) <= 0.06);  // 20,000 places
  }
  const RidgeUnits oracle = oracle_units(u, 4000, 1);
  CHECK(oracle.size() == 4000);
  CHECK(relative_l2(values_of(oracle, places), dual) <= 0.3);
}

TEST_CASE("ridgelet units: read out of networks, moved and cut") {
  const auto net = network("mlp:7", {2}, 3);
  RidgeUnits u = units_of(*net);
  CHECK(u.dimension == 2);
  CHECK(u.outputs == 3);
  CHECK(u.size() == 7);
  Rng rng(8);
  const Tensor x = Tensor::normal({20, 2}, rng, 0, 2, DType::f64);
  Pass pass;
  const std::vector<double> y = (*net)(x, pass).to_vector();
  CHECK(relative_l2(values_of(u, x.to_vector()), y) <= 1e-14);

  // As a network of raw inputs
  const std::vector<double> mean{0.3, -1}, deviation{2, 0.5};
  std::vector<double> raw = x.to_vector();
  for (size_t k = 0; k < raw.size(); ++k) raw[k] = raw[k] * deviation[k % 2] + mean[k % 2];
  CHECK(relative_l2(values_of(moved_units(u, mean, deviation), raw), y) <= 1e-14);

  const std::vector<double> v = principal_direction(u), at{1.5};
  CHECK(std::abs(v[0] * v[0] + v[1] * v[1] - 1) <= 1e-14);
  const std::vector<double> point{1.5 * v[0], 1.5 * v[1]};
  CHECK(relative_l2(values_of(slice_along(u, v), at), values_of(u, point)) <= 1e-13);
  const double second = values_of(one_output(u, 1), point)[0];
  CHECK(second == values_of(u, point)[1]);

  const auto why = [](const std::string& architecture, const Shape& input) {
    const auto other = network(architecture, input, 2);
    return failure<ValueError>([&] { units_of(*other); });
  };
  CHECK(contains(why("mlp:4-4", {2}), "the network is Linear, ReLU, Linear, ReLU, Linear"));
  CHECK(contains(why("lenet5", {1, 28, 28}), "a single hidden layer"));
  CHECK(failure<ValueError>([&] { one_output(u, 3); }) != "");
}

TEST_CASE("ridgelet units: agreement is 1 for the spectrum itself and falls for others") {
  const Sine f(RidgeUnit::relu);
  const UnitAgreement own = compare_units(f.spectrum, oracle_units(f.spectrum, 50'000, 3), 2.5);
  const UnitAgreement other = compare_units(
      f.spectrum,
      [&] {
        RidgeUnits u = random_units(f.spectrum, RandomUnits::placed, 2.5, 50'000, 3);
        u.c.assign(50'000, 1);
        return u;
      }(),
      2.5);
  CHECK(own.units == 50'000);
  CHECK(own.bins > 100);
  CHECK(own.spearman > 0.95);
  CHECK(own.places > 0.95);
  CHECK(other.spearman < own.spearman - 0.2);
  CHECK(failure<ValueError>([&] { compare_units(f.spectrum, {}, 2.5, 1); }) != "");
}

TEST_CASE("ridgelet units: a flow without training") {
  // x' = -x w(x): over time 1 the inner points shrink by the Euler factor (1 - 1/4)^4
  const auto velocity = [](double) {
    return [](std::span<const double> x, std::span<double> v) {
      v[0] = -x[0] * box_window(x, 4, 0.25);
    };
  };
  const DualPair pair = dual_pair(RidgeUnit::relu, 1);
  const std::vector<RidgeUnits> layers = synthesise_flow(
      velocity, pair, {.frequency = 8, .radii = 100, .offset_step = 0.5},
      {.duration = 1, .layers = 4, .width = 60, .half_width = 4, .side = 120}, 1);
  CHECK(layers.size() == 4);
  const std::vector<double> x{-2.5, -1, 0, 0.5, 2.5};
  const std::vector<double> y = run_flow(layers, x);
  for (size_t k = 0; k < x.size(); ++k) CHECK(std::abs(y[k] - x[k] * std::pow(0.75, 4)) <= 0.02);
}
