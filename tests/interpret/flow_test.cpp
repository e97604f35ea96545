// tests/interpret/flow_test.cpp: shallow, composed and continuous denoising as transport.
#include "interpret/transport/flow.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "interpret/numerics/wasserstein.h"
#include "interpret/transport/porous_medium.h"
#include "tests/interpret/laws.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Squared W2 of N(0, A) and N(0, B)
double bures_square(const Tensor& A, const Tensor& B) {
  const Tensor zero = Tensor::zeros({A.size(0)}, DType::f64);
  return gaussian_transport(zero, A, zero, B).w2_squared;
}

// The variance that composition gives four points whose own variance is exactly 1
double variance_after(int64_t n, double t) {
  const std::vector<double> taus = equal_steps(t, n);
  const Tensor x = column({-1, 1});
  const Flow flow = compose_normal(normal_in_1d(0, 1), x, taus);
  CHECK(composed_variance(1, taus) == doctest::Approx(mean_variance(flow.at(-1))).epsilon(1e-12));
  return mean_variance(flow.at(-1));
}

}  // namespace

TEST_CASE("flow: n layers on N(0, 1), t = 0.25 (check 6)") {
  const std::pair<int64_t, double> expected[] = {{1, 0.64},         {2, 0.58901383},
                                                 {4, 0.55229577},   {10, 0.52360221},
                                                 {100, 0.50257239}, {1000, 0.50025966}};
  for (const auto& [n, variance] : expected) {
    CAPTURE(n);
    CHECK(std::abs(variance_after(n, 0.25) - variance) < 1e-8);
  }
}

TEST_CASE("flow: layers are an Euler broken line of order 1 (check 7)") {
  const double constant = 0.375 * std::numbers::ln2;
  CHECK(1000 * (variance_after(1000, 0.25) - 0.5) == doctest::Approx(constant).epsilon(0.01));
  const Flow flow = compose_normal(normal_in_1d(0, 1), column({1}), equal_steps(0.25, 4000));
  CHECK(flow.at(-1).item() == doctest::Approx(std::sqrt(0.5)).epsilon(1e-4));
}

TEST_CASE("flow: deeper is further with the same noise (check 8)") {
  CHECK(variance_after(1, 0.4) == doctest::Approx(0.510204).epsilon(1e-6));
  CHECK(variance_after(1, 0.1) == doctest::Approx(0.826446).epsilon(1e-6));
  for (const double t : {0.1, 0.4}) {
    double last = 1;
    for (const int64_t n : {1, 2, 4, 8, 16, 64}) {
      const double variance = variance_after(n, t);
      CHECK(variance < last);
      last = variance;
    }
    const Flow limit = continuous_flow(normal_in_1d(0, 1), column({-1, 1}), t, 1);
    CHECK(mean_variance(limit.at(-1)) == doctest::Approx(1 - 2 * t).epsilon(1e-7));
    CHECK(last > 1 - 2 * t);
  }
}

TEST_CASE("flow: the continuous flow of a mixture keeps the distribution function (check 9)") {
  const MixtureLaw law = two_bumps();
  Tensor x = Tensor::empty({81, 1}, DType::f64);
  for (int64_t i = 0; i < 81; ++i) {
    x.mutable_data<double>()[i] = -4 + 0.1 * static_cast<double>(i);
  }
  const auto worst = [&](Stepper stepper, int64_t steps) {
    const Flow flow =
        continuous_flow(law, x, 0.4, 1, {.ode = {.stepper = stepper, .steps = steps}});
    double largest = 0;
    for (int64_t i = 0; i < 81; ++i) {
      const double before = two_bumps_cdf(x.data<double>()[i], 0);
      const double after = two_bumps_cdf(flow.at(-1).data<double>()[i], -0.8);
      largest = std::max(largest, std::abs(after - before));
    }
    return largest;
  };
  const double ten = worst(Stepper::rk4, 10);
  CHECK(ten == doctest::Approx(2.5e-6).epsilon(0.03));
  for (int64_t n = 10; n <= 40; n *= 2) {
    const double ratio = worst(Stepper::rk4, n) / worst(Stepper::rk4, 2 * n);
    CHECK(ratio > 14);
    CHECK(ratio < 16);
  }
  CHECK(worst(Stepper::euler, 10) == doctest::Approx(5.85e-3).epsilon(0.005));
  CHECK(worst(Stepper::euler, 10) / worst(Stepper::euler, 20) == doctest::Approx(2).epsilon(0.05));
  CHECK(worst(Stepper::rk45, 1) < 1e-8);
}

TEST_CASE("flow: entropy falls by the Fisher information spent (check 10)") {
  const MixtureLaw law = two_bumps();
  const double before = functionals(law).entropy, after = functionals(law, -0.8).entropy;
  CHECK(std::abs(before - 1.963675) < 1e-6);
  CHECK(std::abs(after - 1.609208) < 1e-6);
  const OdeField fisher = [&](double t, std::span<const double>, std::span<double> v) {
    v[0] = functionals(law, -2 * t).fisher;
  };
  const double start[] = {0}, times[] = {0, 0.4};
  const double spent =
      solve_ode(fisher, start, times, {.stepper = Stepper::rk4, .steps = 20}).states.back()[0];
  CHECK(std::abs(spent - 0.35447) < 1e-4);
  CHECK(std::abs(spent - (before - after)) < 1e-6);
  // The same from particles: their spread is about 1 / sqrt(n)
  const Flow flow = continuous_flow(law, law.sample(2000, Rng(3)), 0.4, 4);
  CHECK(flow.energy.back() == doctest::Approx(spent).epsilon(0.05));
  CHECK(flow.entropy_change.back() == doctest::Approx(-spent).epsilon(0.05));
}

TEST_CASE("flow: the density solves the heat equation backwards (check 11)") {
  const MixtureLaw law = two_bumps();
  const auto density = [&](double x, double t) {
    return std::exp(law.log_density(column({x}), -2 * t).item());
  };
  // d mu / dt + d^2 mu / dx^2 by differences of width d
  const auto residual = [&](const auto& p, double t, double d) {
    double largest = 0;
    for (const double x : {-2.5, -1.0, 0.3, 1.7}) {
      const double rate = (p(x, t + d) - p(x, t - d)) / (2 * d);
      const double bend = (p(x + d, t) - 2 * p(x, t) + p(x - d, t)) / (d * d);
      largest = std::max(largest, std::abs(rate + bend));
    }
    return largest;
  };
  const double coarse = residual(density, 0.2, 0.02), fine = residual(density, 0.2, 0.01);
  CHECK(coarse / fine == doctest::Approx(4).epsilon(0.05));
  CHECK(residual(density, 0.2, 0.001) < 1e-4);

  // The shallow map: density p(x) / Phi'(x) at Phi(x), found by bisection
  const auto shallow = [&](double y, double t) {
    if (t <= 0) return density(y, t);
    double low = -30, high = 30;
    for (int i = 0; i < 80; ++i) {
      const double middle = (low + high) / 2;
      (law.dae(column({middle}), t).item() < y ? low : high) = middle;
    }
    return density(low, 0) / law.dae_jacobian(column({low}), t).item();
  };
  CHECK(residual(shallow, 0.2, 0.002) > 0.01);
}

TEST_CASE("flow: at the end all mass stands on the centres, by weight (check 12)") {
  const MixtureLaw law(
      Tensor::of({2}, {0.3, 0.7}, DType::f64), column({-1, 1}),
      Tensor::of({2, 1, 1}, {0.5, 0.5}, DType::f64));
  const Flow flow = continuous_flow(
      law, law.sample(20'000, Rng(0)), 0.24999, 1, {.ode = {.relative = 1e-4, .absolute = 1e-4}});
  CHECK(!flow.is_clamped);
  int64_t left = 0, off = 0;
  for (const double x : flow.at(-1).to_vector()) {
    left += x < 0 ? 1 : 0;
    off += std::abs(std::abs(x) - 1) > 0.03 ? 1 : 0;  // deviation left: 0.0045
  }
  CHECK(std::abs(static_cast<double>(left) / 20'000 - 0.3) < 0.0097);
  CHECK(off == 0);
}

TEST_CASE("flow: N(0, diag(1, 4)) takes a detour (check 13), N(0, 1) does not (check 14)") {
  const double variances[] = {1, 4};
  const NormalPath exact = normal_path(variances, 0.4);
  CHECK(std::abs(exact.length - 0.59292012) < 1e-8);
  CHECK(std::abs(exact.w2 - 0.59173920) < 1e-8);
  CHECK(std::abs(exact.length / exact.w2 - 1.001996) < 1e-6);
  CHECK(std::abs(exact.energy - 0.91629073) < 1e-8);
  CHECK(0.4 * exact.energy > exact.w2 * exact.w2);

  // Four points with exactly that covariance spend the same, and lose as much entropy
  const Flow flow = continuous_flow(normal_in_2d(1, 4), four_points(1, 4), 0.4, 4);
  CHECK(std::abs(flow.length.back() - 0.59292012) < 1e-7);
  CHECK(std::abs(flow.energy.back() - 0.91629073) < 1e-7);
  CHECK(std::abs(flow.entropy_change.back() + 0.91629073) < 1e-7);
  CHECK(
      bures_square(diagonal(1, 4), moments_of(flow.at(-1)).covariance) ==
      doctest::Approx(0.59173920 * 0.59173920).epsilon(1e-6));

  const double one[] = {1};
  const NormalPath geodesic = normal_path(one, 0.4);
  CHECK(std::abs(geodesic.length - 0.55278640) < 1e-8);
  CHECK(std::abs(geodesic.w2 - 0.55278640) < 1e-8);
  CHECK(std::abs(geodesic.energy - 0.80471896) < 1e-8);
}

TEST_CASE("flow: one exact layer pairs points optimally (check 15)") {
  const Tensor x = normal({60, 2}, 8, 0, 1.5);
  const MixtureLaw mixture = three_blobs();
  const KernelLaw kernel(normal({25, 2}, 9), 0.2), atoms(normal({25, 2}, 9), 0);
  for (const Law* law : std::initializer_list<const Law*>{&mixture, &kernel, &atoms}) {
    CAPTURE(law->name());
    const Tensor y = law->dae(x, 0.5);
    CHECK(paired_cost(x, y) > 0.01);
    CHECK(std::abs(paired_cost(x, y) - optimal_cost(x, y)) < 1e-10);
  }
}

TEST_CASE("flow: noise of another shape is optimal for its own cost only (check 16)") {
  const Tensor D = Tensor::of({2, 2}, {1, 0.8, 0.8, 1}, DType::f64);
  const NoiseShape noise(D);
  const auto after = [](const MixtureLaw& law) { return pushed_by_dae(law, 1).covariance(); };
  const Tensor x = four_points(1, 4);
  const MixtureLaw law = normal_in_2d(1, 4, noise), round = normal_in_2d(1, 4);
  const Tensor y = law.dae(x, 1);
  CHECK(std::abs(paired_cost(x, y) - 0.447530864) < 1e-9);
  CHECK(std::abs(bures_square(diagonal(1, 4), after(law)) - 0.381280380) < 1e-9);
  CHECK(std::abs(paired_cost(x, y, noise) - 0.314577398) < 1e-9);
  const Tensor& W = noise.inverse();
  const auto whitened = [&](const Tensor& S) {
    return matmul(matmul(W, S), W, {.transpose_b = true});
  };
  CHECK(
      std::abs(bures_square(whitened(diagonal(1, 4)), whitened(after(law))) - 0.314577398) < 1e-9);
  CHECK(std::abs(paired_cost(x, round.dae(x, 1)) - 0.41) < 1e-9);
  CHECK(std::abs(bures_square(diagonal(1, 4), after(round)) - 0.41) < 1e-9);
  // Pairs of a cloud: the identity is best by D^-1, and something else by |.|
  const Tensor cloud = law.sample(150, Rng(5));
  const Tensor moved = law.dae(cloud, 1);
  CHECK(std::abs(paired_cost(cloud, moved, noise) - optimal_cost(cloud, moved, noise)) < 1e-10);
  CHECK(paired_cost(cloud, moved) > 1.001 * optimal_cost(cloud, moved));
}

TEST_CASE("flow: a rotation is not optimal (check 17)") {
  const Tensor x = normal({60, 2}, 2);
  const double c = std::cos(1.2), s = std::sin(1.2);
  const Tensor y = matmul(x, Tensor::of({2, 2}, {c, s, -s, c}, DType::f64));
  CHECK(optimal_cost(x, y) < 0.2 * paired_cost(x, y));
}

TEST_CASE("flow: the log determinant is the entropy change of a layer") {
  // N(m, S) in closed form: log det A
  const MixtureLaw law = normal_in_2d(1, 4);
  const Flow flow = shallow_flow(law, normal({7, 2}, 1), 0.5);
  CHECK(flow.entropy_change.back() == doctest::Approx(std::log(1 / 1.5 * 4 / 4.5)));
  // with noise of another shape too
  const MixtureLaw skew =
      normal_in_2d(1, 4, NoiseShape(Tensor::of({2, 2}, {1, 0.8, 0.8, 1}, DType::f64)));
  const Flow bent = shallow_flow(skew, normal({7, 2}, 1), 1);
  CHECK(bent.entropy_change.back() == doctest::Approx(std::log(4 / 9.36)));
}

TEST_CASE("flow: the density along a path is the density where the path is") {
  const MixtureLaw law = three_blobs();
  const Flow flow = continuous_flow(law, normal({12, 2}, 6), 0.15, 3, {.tracks_density = true});
  const Tensor direct = law.log_density(flow.at(-1), -0.3);
  for (int64_t i = 0; i < 12; ++i) {
    const double integrated = flow.log_density.data<double>()[4 * i + 3];
    CHECK(integrated == doctest::Approx(direct.data<double>()[i]).epsilon(1e-6));
  }
}

TEST_CASE("flow: both variables give the same flow, also near its end") {
  const MixtureLaw law = two_bumps();
  const Tensor x = column({-3, -0.5, 1, 2.5});
  for (const double t : {0.2, 0.49}) {
    const Flow a = continuous_flow(law, x, t, 2, {.variable = FlowVariable::time});
    const Flow b = continuous_flow(law, x, t, 2, {.variable = FlowVariable::log_margin});
    CHECK(paired_cost(a.at(-1), b.at(-1)) < 1e-12);
    CHECK(a.energy.back() == doctest::Approx(b.energy.back()).epsilon(1e-6));
  }
  // N(0, 1) to t = t* (1 - 1e-5): variance 1e-5, which the variable t alone would miss
  const Flow end = continuous_flow(normal_in_1d(0, 1), column({-1, 1}), 0.499995, 1);
  CHECK(mean_variance(end.at(-1)) == doctest::Approx(1e-5).epsilon(1e-6));
  CHECK(end.evaluations < 2000);
  CHECK(continuous_flow(normal_in_1d(0, 1), column({1}), 0.5 - 1e-9, 1).is_clamped);
}

TEST_CASE("flow: a kernel density ends on its points") {
  const KernelLaw law(column({-1, 0.2, 1}), 0.1);
  const Flow flow = continuous_flow(law, column({-2, -0.9, 0.3, 0.9}), 0.0499999, 1);
  const double expected[] = {-1, -1, 0.2, 1};
  for (int64_t i = 0; i < 4; ++i) {
    CHECK(std::abs(flow.at(-1).data<double>()[i] - expected[i]) < 2e-3);
  }
}

TEST_CASE("flow: layers fitted to quadrature nodes are those in closed form") {
  // A mixture of two equal components is a normal law that does not know it
  const auto twice = [](const MixtureLaw& law) {
    return MixtureLaw(
        Tensor::of({2}, {0.4, 0.6}, DType::f64), concat({law.means(), law.means()}, 0),
        concat({law.covariances(), law.covariances()}, 0), law.noise());
  };
  const auto check = [&](const MixtureLaw& law, const Tensor& x, double t, int64_t n) {
    const std::vector<double> taus = equal_steps(t, n);
    const Flow exact = compose_normal(law, x, taus);
    const Flow nodes = compose_mixture(twice(law), x, taus);
    CHECK(std::sqrt(paired_cost(exact.at(-1), nodes.at(-1))) < 1e-5);
    CHECK(
        nodes.entropy_change.back() == doctest::Approx(exact.entropy_change.back()).epsilon(1e-4));
  };
  check(normal_in_1d(0.5, 1), column({-1.5, -0.5, 0.5, 1.5}), 0.25, 4);
  check(normal_in_1d(0.5, 1), column({-1.5, -0.5, 0.5, 1.5}), 0.25, 32);
  check(normal_in_2d(1, 0.5), normal({5, 2}, 3), 0.2, 2);
  check(
      normal_in_2d(1, 0.5, NoiseShape(Tensor::of({2, 2}, {1, 0.5, 0.5, 1}, DType::f64))),
      normal({5, 2}, 3), 0.2, 2);
}

TEST_CASE("flow: layers of a mixture approach its continuous flow with order 1") {
  const MixtureLaw law = two_bumps();
  const Tensor x = column({-3, -1, 0, 1, 2.5});
  const Tensor limit = continuous_flow(law, x, 0.1, 1).at(-1);
  const auto gap = [&](int64_t n) {
    return std::sqrt(paired_cost(compose_mixture(law, x, equal_steps(0.1, n)).at(-1), limit));
  };
  CHECK(gap(8) / gap(16) == doctest::Approx(2).epsilon(0.1));
  CHECK(gap(16) < 1e-3);
}

TEST_CASE("flow: layers fitted to particles, whose bandwidth is chosen anew, come close") {
  const MixtureLaw law = normal_in_1d(0, 1);
  const std::vector<double> taus = equal_steps(0.25, 4);
  const Tensor x = column({-1.5, -0.5, 0.5, 1.5});
  const Flow exact = compose_normal(law, x, taus);
  const Flow particles =
      compose_particles(law, law.sample(700, Rng(5)), x, taus, {.refits_bandwidth = true});
  CHECK(std::sqrt(paired_cost(exact.at(-1), particles.at(-1))) < 0.1);
  CHECK(std::sqrt(paired_cost(exact.at(-1), x)) > 0.25);
}

TEST_CASE("flow: particles with a fixed bandwidth contract past every t*, and never explode") {
  const Tensor x = normal({50, 2}, 3);
  const Flow flow = particle_flow(x, 2, 4, 0.3, {.stepper = Stepper::rk4, .steps = 20});
  double last = mean_variance(x);
  for (int64_t l = 1; l <= 4; ++l) {
    const double now = mean_variance(flow.at(l));
    CHECK(now < last);
    last = now;
  }
  CHECK(last < 0.5 * mean_variance(x));
}

TEST_CASE("flow: Barenblatt's profile descends the Tsallis entropy (check 30)") {
  for (const auto& [m, a] : {std::pair<int64_t, double>{1, 2}, {2, 3}, {3, 1.5}}) {
    CAPTURE(m);
    const Barenblatt profile(m, a);
    const double age = 2, t = 0.7;
    const OdeField field = [&](double now, std::span<const double> x, std::span<double> v) {
      const auto velocity =
          tsallis_velocity(profile.density(x, age - now), profile.gradient(x, age - now), a);
      std::ranges::copy(velocity, v.begin());
    };
    const std::vector<double> x0(static_cast<size_t>(m), 0.2);
    const double times[] = {0, t};
    const double x = solve_ode(field, x0, times).states.back()[0];
    CHECK(std::abs(x - 0.2 * std::pow(1 - t / age, profile.power())) < 1e-6);
  }
  // One dimension, a = 2: the power is 1/3, v = 2 grad p, and the mass is 1
  const Barenblatt profile(1, 2);
  CHECK(profile.power() == doctest::Approx(1.0 / 3));
  for (const double age : {0.5, 3.0}) {
    double mass = 0;
    const double R = profile.radius(age);
    for (int i = 0; i < 20'000; ++i) {
      const double x[] = {R * (-1 + (i + 0.5) / 10'000)};
      mass += profile.density(x, age) * R / 10'000;
    }
    CHECK(mass == doctest::Approx(1).epsilon(1e-6));
  }
  const double x[] = {0.4};
  const auto gradient = profile.gradient(x, 1.3);
  CHECK(tsallis_velocity(profile.density(x, 1.3), gradient, 2)[0] == 2 * gradient[0]);
}

TEST_CASE("flow: what is refused, in one line") {
  const MixtureLaw law = normal_in_1d(0, 1);
  const Tensor x = column({-1, 1});
  for (const double t : {0.5, 0.7}) {
    CHECK_THROWS_AS(continuous_flow(law, x, t, 1), ValueError);
  }
  CHECK_THROWS_WITH_AS(
      continuous_flow(law, x, 0.5, 1),
      "continuous_flow: the noise variance t = 0.5 reaches t* = 0.5, half the smallest variance of "
      "the normal law in 1 dimension, where the flow ends; choose t < t*",
      ValueError);
  CHECK_THROWS_AS(continuous_flow(KernelLaw(x, 0), x, 0.01, 1), ValueError);
  CHECK_THROWS_AS(continuous_flow(law, x, 0.1, 0), ValueError);
  CHECK_THROWS_AS(equal_steps(0, 3), ValueError);
  CHECK_THROWS_AS(equal_steps(1, 0), ValueError);
  CHECK_THROWS_AS(compose_normal(two_bumps(), x, equal_steps(0.1, 2)), ValueError);
  CHECK_THROWS_AS(particle_flow(x, 1, 1, 0), ValueError);
  CHECK_THROWS_AS(paired_cost(x, column({1})), ShapeError);
  const double variances[] = {1};
  CHECK_THROWS_AS(normal_path(variances, 0.5), ValueError);
  // Past t* the composition goes on, into atoms
  const Flow past = compose_normal(law, x, equal_steps(0.6, 100));
  CHECK(mean_variance(past.at(-1)) < 1e-12);
  // One point, and points that are all equal, are carried like any others
  CHECK(continuous_flow(law, column({1}), 0.4, 1).at(-1).item() == doctest::Approx(std::sqrt(0.2)));
  CHECK(mean_variance(particle_flow(column({2, 2, 2}), 1, 1, 0.1).at(-1)) == 0);
}
