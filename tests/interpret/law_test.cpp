// tests/interpret/law_test.cpp: densities, scores and exact denoising maps.
#include "interpret/transport/law.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "interpret/numerics/wasserstein.h"
#include "tests/interpret/laws.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <span>

using namespace limpid;
using namespace limpid::interpret;

namespace {

Tensor skew_noise() { return Tensor::of({2, 2}, {1, 0.8, 0.8, 1}, DType::f64); }

double largest_gap(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    largest = std::max(largest, std::abs(a.data<double>()[i] - b.data<double>()[i]));
  }
  return largest;
}

Tensor moved(const Tensor& points, int64_t axis, double by) {
  Tensor result = points.clone();
  const int64_t m = points.size(1);
  for (int64_t i = 0; i < points.size(0); ++i) result.mutable_data<double>()[i * m + axis] += by;
  return result;
}

// Score and Hessian against central differences of what is one order lower
void check_derivatives(const Law& law, const Tensor& points, double shift) {
  const double e = 1e-5;
  const int64_t q = points.size(0), m = points.size(1);
  const LocalDensity local = law.at(points, shift, Order::hessian);
  for (int64_t a = 0; a < m; ++a) {
    const LocalDensity up = law.at(moved(points, a, e), shift, Order::score);
    const LocalDensity down = law.at(moved(points, a, -e), shift, Order::score);
    for (int64_t i = 0; i < q; ++i) {
      const auto difference = [&](const Tensor& u, const Tensor& d, int64_t at) {
        return (u.data<double>()[at] - d.data<double>()[at]) / (2 * e);
      };
      CHECK(
          local.score.data<double>()[i * m + a] ==
          doctest::Approx(difference(up.log_density, down.log_density, i)).epsilon(1e-7));
      for (int64_t b = 0; b < m; ++b) {
        CHECK(
            local.hessian.data<double>()[(i * m + a) * m + b] ==
            doctest::Approx(difference(up.score, down.score, i * m + b)).epsilon(1e-6));
      }
    }
  }
}

}  // namespace

TEST_CASE("law: the DAE of N(0, 1) at t = 0.5 is 2/3 x (check 1)") {
  const MixtureLaw law = normal_in_1d(0, 1);
  const Tensor y = column({-3, -0.1, 0, 2.5});
  const Tensor map = law.dae(y, 0.5);
  for (int64_t i = 0; i < 4; ++i) {
    CHECK(std::abs(map.data<double>()[i] - 2.0 / 3 * y.data<double>()[i]) < 1e-12);
  }
  // N(m, s): (s x + t m) / (s + t)
  const double at = normal_in_1d(-1, 2).dae(column({0.7}), 0.3).item();
  CHECK(at == doctest::Approx((2 * 0.7 - 0.3) / 2.3).epsilon(1e-14));
}

TEST_CASE("law: the DAE of a mixture (check 4)") {
  const MixtureLaw law = two_bumps();
  const Tensor y = column({-3, 0, 2});
  const Tensor map = law.dae(y, 0.5);
  const double expected[] = {-2.63577009, 0.12596094, 1.73900289};
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(std::abs(map.data<double>()[i] - expected[i]) < 1e-7);
    // Tweedie: y + t times the slope of the log density
    const double yi = y.data<double>()[i], e = 1e-5;
    const double slope = (law.log_density(column({yi + e}), 0.5).item() -
                          law.log_density(column({yi - e}), 0.5).item()) /
                         (2 * e);
    CHECK(map.data<double>()[i] == doctest::Approx(yi + 0.5 * slope).epsilon(1e-8));
  }
}

TEST_CASE("law: two atoms make a tanh unit (check 5)") {
  const KernelLaw atoms(column({-1, 1}), 0);
  CHECK(std::abs(atoms.dae(column({0.3}), 0.4).item() - 0.6351489524) < 1e-10);
  for (const double y : {-2.0, -0.1, 0.0, 0.9}) {
    CHECK(std::abs(atoms.dae(column({y}), 0.4).item() - std::tanh(y / 0.4)) < 1e-13);
  }
  // Where repeated application of one map ends: h + t = 0.5 and 1.2
  const auto fixed_point = [](double h, double t, double y) {
    const KernelLaw law(column({-1, 1}), h);
    Tensor at = column({y});
    for (int i = 0; i < 4000; ++i) at = law.dae(at, t);
    return at.item();
  };
  CHECK(std::abs(fixed_point(0.1, 0.4, 0.2) - 0.9575040) < 1e-7);
  CHECK(std::abs(fixed_point(0.1, 0.4, -3) + 0.9575040) < 1e-7);
  CHECK(std::abs(fixed_point(0.7, 0.5, 2)) < 1e-7);
}

TEST_CASE("law: derivatives agree with differences, for every law and shape of noise") {
  const Tensor y = normal({6, 2}, 3, 0, 1.5);
  check_derivatives(three_blobs(), y, 0.4);
  check_derivatives(three_blobs(), y, -0.3);
  check_derivatives(three_blobs(NoiseShape(skew_noise())), y, 0.4);
  check_derivatives(KernelLaw(normal({9, 2}, 5), 0.3), y, 0.2);
  check_derivatives(KernelLaw(normal({9, 2}, 5), 0.3, NoiseShape(skew_noise())), y, -0.1);
}

TEST_CASE("law: a shift adds covariance, so the density is that of the sum") {
  const NoiseShape noise(skew_noise());
  const Tensor y = normal({5, 2}, 7);
  const Tensor shifted = normal_in_2d(1, 4, noise).log_density(y, 0.5);
  const Tensor S = Tensor::of({2, 2}, {1.5, 0.4, 0.4, 4.5}, DType::f64);
  const Tensor direct = normal_law(Tensor::zeros({2}, DType::f64), S).log_density(y);
  CHECK(largest_gap(shifted, direct) < 1e-13);
  // and by hand
  const double at = direct.data<double>()[0];
  const double a = y.data<double>()[0], b = y.data<double>()[1], det = 1.5 * 4.5 - 0.16;
  const double form = (4.5 * a * a - 0.8 * a * b + 1.5 * b * b) / det;
  CHECK(at == doctest::Approx(-std::log(2 * std::numbers::pi) - std::log(det) / 2 - form / 2));
}

TEST_CASE("law: the map is the posterior mean, its Jacobian the posterior covariance over t D") {
  // Bayes by hand for the empirical law of three points
  const Tensor x = Tensor::of({3, 2}, {0, 0, 1, 2, -1, 1}, DType::f64);
  const Tensor y = Tensor::of({1, 2}, {0.4, 0.9}, DType::f64);
  const double t = 0.7;
  double sum = 0, mean[2] = {0, 0}, weight[3], square[2][2] = {};
  for (int i = 0; i < 3; ++i) {
    const double* xi = x.data<double>() + 2 * i;
    weight[i] = std::exp(-(std::pow(xi[0] - 0.4, 2) + std::pow(xi[1] - 0.9, 2)) / (2 * t));
    sum += weight[i];
  }
  for (int i = 0; i < 3; ++i) {
    for (int a = 0; a < 2; ++a) mean[a] += weight[i] / sum * x.data<double>()[2 * i + a];
  }
  for (int i = 0; i < 3; ++i) {
    for (int a = 0; a < 2; ++a) {
      for (int b = 0; b < 2; ++b) {
        square[a][b] += weight[i] / sum * (x.data<double>()[2 * i + a] - mean[a]) *
                        (x.data<double>()[2 * i + b] - mean[b]);
      }
    }
  }
  const KernelLaw law(x, 0);
  const Tensor map = law.dae(y, t), jacobian = law.dae_jacobian(y, t);
  for (int a = 0; a < 2; ++a) {
    CHECK(map.data<double>()[a] == doctest::Approx(mean[a]).epsilon(1e-13));
    for (int b = 0; b < 2; ++b) {
      CHECK(jacobian.data<double>()[2 * a + b] == doctest::Approx(square[a][b] / t).epsilon(1e-12));
    }
  }
}

TEST_CASE("law: with noise of shape D the normal map is S (S + t D)^-1") {
  const NoiseShape noise(skew_noise());
  const MixtureLaw law = normal_in_2d(1, 4, noise);
  // S (S + D)^-1 for S = diag(1, 4): (S + D)^-1 = [[5, -.8], [-.8, 2]] / 9.36
  const double expected[] = {5 / 9.36, -0.8 / 9.36, -3.2 / 9.36, 8 / 9.36};
  const Tensor J = law.dae_jacobian(Tensor::of({1, 2}, {3, -1}, DType::f64), 1);
  for (int i = 0; i < 4; ++i) CHECK(J.data<double>()[i] == doctest::Approx(expected[i]));
  const Tensor map = law.dae(Tensor::of({1, 2}, {3, -1}, DType::f64), 1);
  CHECK(map.data<double>()[0] == doctest::Approx(3 * expected[0] - expected[1]));
  CHECK(map.data<double>()[1] == doctest::Approx(3 * expected[2] - expected[3]));
}

TEST_CASE("law: least loss is m t - t^2 I (check 3), and no other map does better") {
  // N(0, 1), t = 0.5: 1/3
  const MixtureLaw unit = normal_in_1d(0, 1);
  CHECK(0.5 - 0.25 * functionals(unit, 0.5).fisher == doctest::Approx(1.0 / 3).epsilon(1e-12));
  // A mixture in the plane, by 40,000 draws: the spread of the mean is below 1 %
  const MixtureLaw law = three_blobs();
  const double t = 0.3;
  const int64_t n = 40'000;
  const Tensor x = law.sample(n, Rng(1));
  Tensor y = x.clone();
  const Tensor noise = normal({n, 2}, 2, 0, std::sqrt(t));
  for (int64_t i = 0; i < 2 * n; ++i) y.mutable_data<double>()[i] += noise.data<double>()[i];
  const auto loss = [&](const Tensor& map) {
    double sum = 0;
    for (int64_t i = 0; i < 2 * n; ++i) {
      sum += std::pow(map.data<double>()[i] - x.data<double>()[i], 2) / static_cast<double>(n);
    }
    return sum;
  };
  const double least = loss(law.dae(y, t));
  CHECK(least == doctest::Approx(2 * t - t * t * functionals(law, t).fisher).epsilon(0.02));
  CHECK(loss(law.dae(y, 1.1 * t)) > least);
  CHECK(loss(law.dae(y, 0.9 * t)) > least);
}

TEST_CASE("law: draws have the mean and the covariance, noise included") {
  const NoiseShape noise(skew_noise());
  const auto check = [&](const Law& law, double shift) {
    CAPTURE(law.name());
    const Tensor x = law.sample(50'000, Rng(4), shift);
    CHECK(largest_gap(moments_of(x).mean, law.mean()) < 0.03);
    CHECK(largest_gap(moments_of(x).covariance, law.covariance(shift)) < 0.06);
  };
  check(three_blobs(), 0.5);
  check(three_blobs(noise), -0.2);
  check(KernelLaw(normal({20, 2}, 1), 0.4, noise), 0.3);
}

TEST_CASE("law: the bandwidth by leave-one-out likelihood") {
  // 400 draws of N(0, 1): the optimal h is near Silverman's, (4 / 3n)^(2/5) = 0.102
  const Tensor x = normal({400, 1}, 11);
  const Bandwidth best = choose_bandwidth(x);
  CHECK(best.value > 0.02);
  CHECK(best.value < 0.4);
  CHECK(!best.is_at_end);
  // The score of the grid is the likelihood of at_own_points()
  for (size_t g = 0; g < best.grid.size(); g += 8) {
    const Tensor log_p = KernelLaw(x, best.grid[g]).at_own_points(0, Order::density).log_density;
    double sum = 0;
    for (const double v : log_p.values<double>()) sum += v / 400;
    CHECK(best.score[g] == doctest::Approx(sum).epsilon(1e-10));
  }
  CHECK(best.log_likelihood >= best.score[0]);
  // Doubled points want no width at all
  const Tensor doubled = concat({x, x}, 0);
  CHECK(choose_bandwidth(doubled).is_at_end);
}

TEST_CASE("law: the same bits at any thread count") {
  const KernelLaw law(normal({300, 2}, 1), 0.1);
  const Tensor y = normal({200, 2}, 2);
  const Tensor many = law.dae(y, 0.2);
  const parallel::ThreadLimit one(1);
  CHECK(largest_gap(many, law.dae(y, 0.2)) == 0);
}

TEST_CASE("law: what is refused, in one line") {
  const MixtureLaw law = two_bumps();
  const Tensor hole = column({1, std::numeric_limits<double>::quiet_NaN(), 2});
  CHECK_THROWS_WITH_AS(
      law.score(hole), "law: row 1 of the points holds NaN or infinity", ValueError);
  CHECK_THROWS_AS(law.score(column({0}), -1), ValueError);
  CHECK_THROWS_AS(law.score(normal({3, 2}, 1)), ShapeError);
  CHECK_THROWS_AS(law.dae(column({0}), -0.1), ValueError);
  CHECK_THROWS_AS(KernelLaw(hole, 0.1), ValueError);
  CHECK_THROWS_AS(KernelLaw(column({1}), -0.1), ValueError);
  CHECK_THROWS_AS(KernelLaw(column({1, 2}), 0).log_density(column({0})), ValueError);
  CHECK_THROWS_AS(KernelLaw(column({1}), 0.1).at_own_points(0, Order::density), ValueError);
  CHECK_THROWS_AS(choose_bandwidth(column({1, 2})), ValueError);
  CHECK_THROWS_WITH_AS(
      choose_bandwidth(column({2, 2, 2, 2})),
      "bandwidth: all points are equal, which no kernel width fits best", ValueError);
  CHECK_THROWS_AS(normal_in_1d(0, 0), NumericError);
  CHECK_THROWS_AS(fitted_normal(column({1})), ValueError);
  CHECK_THROWS_AS(normal_in_2d(1, 1, NoiseShape(diagonal(1, 0))), NumericError);
  CHECK_THROWS_AS(
      functionals(normal_law(
          Tensor::zeros({3}, DType::f64),
          Tensor::of({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, DType::f64))),
      ValueError);
}
