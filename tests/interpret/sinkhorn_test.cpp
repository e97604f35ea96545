// tests/interpret/sinkhorn_test.cpp: entropic transport against Gaussians and the plain iteration.
#include "interpret/numerics/sinkhorn.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/numerics/assignment.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/squared_distances.h"
#include "tests/reference/sinkhorn.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Positive masses that sum to 1.
std::vector<double> random_masses(int64_t n, uint64_t seed) {
  std::vector<double> masses(static_cast<size_t>(n));
  Rng(seed).uniform(std::span<double>(masses), 0.1, 1);
  const double total = std::accumulate(masses.begin(), masses.end(), 0.0);
  for (double& mass : masses) mass /= total;
  return masses;
}

// N(mean, deviation^2) on a grid of 161 points that reaches 8 deviations to both sides.
struct Grid {
  Tensor points;
  std::vector<double> masses;
};
Grid gaussian_grid(double mean, double deviation) {
  Grid grid;
  std::vector<double> x;
  for (int k = -80; k <= 80; ++k) {
    const double z = k / 10.0;
    x.push_back(mean + deviation * z);
    grid.masses.push_back(std::exp(-z * z / 2));
  }
  const double total = std::accumulate(grid.masses.begin(), grid.masses.end(), 0.0);
  for (double& mass : grid.masses) mass /= total;
  grid.points = Tensor::of({161, 1}, x, DType::f64);
  return grid;
}

}  // namespace

TEST_CASE("Sinkhorn: closed form of two Gaussians") {
  struct Expected {
    double epsilon, value, debiased, transport;
  };
  // N(0, 1) and N(1, 1.5^2), W2^2 = 1.25
  const auto closed_form = [](double e) {
    const auto tau = [e](double r) { return (std::sqrt(e * e + 16 * r * r) - e) / (4 * r); };
    const auto chi = [&](double r) {
      return -2 * r * tau(r) - e / 2 * std::log(1 - tau(r) * tau(r));
    };
    const double s1 = 1, s2 = 1.5, gap = 1;
    return Expected{
        e, gap * gap + s1 * s1 + s2 * s2 + chi(s1 * s2),
        gap * gap + chi(s1 * s2) - chi(s1 * s1) / 2 - chi(s2 * s2) / 2,
        gap * gap + s1 * s1 + s2 * s2 - 2 * s1 * s2 * tau(s1 * s2)};
  };
  const Expected one = closed_form(1), tenth = closed_form(0.1);
  CHECK(std::abs(one.value - 2.340877) < 1e-6);
  CHECK(std::abs(one.debiased - 1.246606) < 1e-6);
  CHECK(std::abs(one.transport - 1.708619) < 1e-6);
  CHECK(std::abs(tenth.value - 1.470477) < 1e-6);
  CHECK(std::abs(tenth.debiased - 1.249965) < 1e-6);

  const Grid x = gaussian_grid(0, 1), y = gaussian_grid(1, 1.5);
  for (const Expected& expected : {one, tenth}) {
    const SinkhornDivergence found = sinkhorn_divergence(
        x.points, y.points, {.epsilon = expected.epsilon, .marginal_tolerance = 1e-9}, x.masses,
        y.masses);
    CHECK(found.converged());
    // What the grid of 161 points leaves open
    CHECK(std::abs(found.between.value - expected.value) < 4e-5);
    CHECK(std::abs(found.between.transport - expected.transport) < 4e-5);
    CHECK(std::abs(found.value - expected.debiased) < 4e-5);
  }
}

TEST_CASE("Sinkhorn: the plain iteration in logarithms ends at the same potentials") {
  struct Problem {
    int64_t n, m;
    double epsilon;
  };
  for (const auto [n, m, epsilon] :
       {Problem{20, 30, 1}, Problem{30, 20, 0.1}, Problem{45, 45, 0.02}, Problem{1, 5, 0.1},
        Problem{5, 1, 0.1}}) {
    INFO(n, " ", m, " ", epsilon);
    const Tensor C = squared_distances(normal({n, 2}, 1), normal({m, 2}, 2, 1));
    const std::vector<double> a = random_masses(n, 3), b = random_masses(m, 4);
    const SinkhornResult found = sinkhorn(
        C, a, b, {.epsilon = epsilon, .marginal_tolerance = 1e-13, .max_iterations = 100000});
    const reference::Potentials plain = reference::sinkhorn(C, a, b, epsilon, 20000);
    CHECK(found.status == SinkhornStatus::converged);
    CHECK(std::abs(found.value - plain.value) < 1e-10);
    // Potentials are unique up to a constant that moves from f to g
    const double shift = found.f.data<double>()[0] - plain.f[0];
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(std::abs(found.f.values<double>()[i] - shift - plain.f[i]) < 1e-8);
    }
    for (size_t j = 0; j < b.size(); ++j) {
      CHECK(std::abs(found.g.values<double>()[j] + shift - plain.g[j]) < 1e-8);
    }
  }
}

TEST_CASE("Sinkhorn: marginals, transport and value belong to one plan") {
  const Tensor C = squared_distances(normal({40, 3}, 1), normal({25, 3}, 2, 1));
  const std::vector<double> a = random_masses(40, 3), b = random_masses(25, 4);
  const double epsilon = 0.05;
  const SinkhornResult found = sinkhorn(C, a, b, {.epsilon = epsilon, .marginal_tolerance = 1e-4});
  const Tensor plan = sinkhorn_plan(C, a, b, found);
  const double* pi = plan.data<double>();
  double row_error = 0, column_error = 0, transport = 0, kl = 0;
  std::vector<double> columns(25);
  for (size_t i = 0; i < 40; ++i) {
    double row = 0;
    for (size_t j = 0; j < 25; ++j, ++pi) {
      row += *pi;
      columns[j] += *pi;
      transport += *pi * C.values<double>()[i * 25 + j];
      if (*pi > 0) kl += *pi * std::log(*pi / (a[i] * b[j]));
    }
    row_error += std::abs(row - a[i]);
  }
  for (size_t j = 0; j < 25; ++j) column_error += std::abs(columns[j] - b[j]);
  CHECK(found.marginal_error <= 1e-4);
  CHECK(found.marginal_error > 1e-12);
  CHECK(std::abs(row_error - found.marginal_error) < 1e-12);
  CHECK(column_error < 1e-12);
  CHECK(std::abs(transport - found.transport) < 1e-12);
  // Primal and dual differ by f' (a - row sums)
  CHECK(std::abs(transport + epsilon * kl - found.value) < 1e-4 * norm(found.f, {0}).item());
}

TEST_CASE("Sinkhorn: a small eps is the assignment") {
  const Tensor C = squared_distances(normal({30, 2}, 5), normal({30, 2}, 6, 1));
  const std::vector<int64_t> partner = least_cost_assignment(C);
  double exact = 0;
  for (int64_t i = 0; i < 30; ++i) {
    exact += C.data<double>()[i * 30 + partner[static_cast<size_t>(i)]] / 30;
  }
  const double epsilon = 0.01;
  const SinkhornResult found = sinkhorn(
      C, {}, {}, {.epsilon = epsilon, .marginal_tolerance = 1e-6, .max_iterations = 100000});
  CHECK(found.status == SinkhornStatus::converged);
  // 0 <= KL <= log n
  CHECK(found.value >= exact - 1e-5);  // potentials of about 5 times the marginal error
  CHECK(found.value <= exact + epsilon * std::log(30));
  CHECK(found.transport >= exact - 1e-5);
  CHECK(found.transport <= found.value + 1e-5);
}

TEST_CASE("Sinkhorn divergence: 0 for one law, positive and symmetric for two") {
  const std::vector<double> a = random_masses(30, 1), b = random_masses(20, 2);
  const Tensor X = normal({30, 2}, 3), Y = normal({20, 2}, 4, 0.5);
  for (const double epsilon : {1.0, 0.5}) {
    const SinkhornOptions options{
        .epsilon = epsilon, .marginal_tolerance = 1e-11, .max_iterations = 100000};
    const SinkhornDivergence same = sinkhorn_divergence(X, X, options, a, a);
    CHECK(same.converged());
    CHECK(std::abs(same.value) < 1e-8);
    const double forth = sinkhorn_divergence(X, Y, options, a, b).value;
    const double back = sinkhorn_divergence(Y, X, options, b, a).value;
    CHECK(forth > 0.01);
    CHECK(std::abs(forth - back) < 1e-8);
    // The self term is that of the iteration for two sides
    const Tensor C = squared_distances_within(X);
    CHECK(std::abs(sinkhorn_self(C, a, options).value - sinkhorn(C, a, a, options).value) < 1e-8);
  }
}

TEST_CASE("Sinkhorn: an eps beyond all exponents is reported, not converged") {
  const Tensor C = squared_distances(normal({20, 2}, 5), normal({30, 2}, 6, 1));
  const std::vector<double> a = random_masses(20, 1), b = random_masses(30, 2);
  const SinkhornResult stopped = sinkhorn(C, a, b, {.epsilon = 1e-3, .max_iterations = 40});
  CHECK(std::string(name_of(stopped.status)) == "iteration_limit");
  CHECK(stopped.iterations == 40);
  CHECK(stopped.marginal_error > 1e-6);
  CHECK(stopped.marginal_error <= 2);  // the most that two laws can differ
  for (const double epsilon : {1e-7, 1e-12, 1e-30, 1e-300, 5e-324}) {
    CAPTURE(epsilon);
    const SinkhornResult found = sinkhorn(
        C, {}, {}, {.epsilon = epsilon, .marginal_tolerance = 1e-9, .max_iterations = 300});
    // Costs of about 1 have 16 digits: below 1e-12 potentials cannot say what pi should be
    if (epsilon < 1e-11) {
      CHECK(found.status == SinkhornStatus::iteration_limit);
      CHECK(found.marginal_error > 1e-9);
    }
    CHECK(std::isfinite(found.marginal_error));
    CHECK(std::isfinite(found.value));
    CHECK(std::isfinite(found.transport));
    for (const Tensor& t : {found.f, found.g}) {
      for (const double v : t.values<double>()) CHECK(std::isfinite(v));
    }
    const SinkhornResult self = sinkhorn_self(
        squared_distances_within(normal({20, 2}, 5)), {},
        {.epsilon = epsilon, .max_iterations = 300});
    CHECK(std::abs(self.transport) < 1e-3);  // every point stays where it is
  }
}

TEST_CASE("Sinkhorn: huge costs, one point, points without mass, any total") {
  const Tensor C = squared_distances(normal({8, 2}, 5), normal({6, 2}, 6, 1));
  const SinkhornOptions options{.epsilon = 0.2, .marginal_tolerance = 1e-12};
  const SinkhornResult plain = sinkhorn(C, {}, {}, options);
  const SinkhornResult huge =
      sinkhorn(C * 1e32, {}, {}, {.epsilon = 0.2e32, .marginal_tolerance = 1e-12});
  CHECK(huge.value == doctest::Approx(plain.value * 1e32).epsilon(1e-9));
  // One entry of 1e32 among costs of about 1 is never used
  Tensor spiked = C.clone();
  spiked.mutable_data<double>()[9] = 1e32;
  const SinkhornResult without = sinkhorn(spiked, {}, {}, options);
  CHECK(without.status == SinkhornStatus::converged);
  CHECK(without.transport < 100);

  const SinkhornResult one = sinkhorn(Tensor::of({1, 1}, {3}, DType::f64), {}, {}, options);
  CHECK(one.status == SinkhornStatus::converged);
  CHECK(std::abs(one.value - 3) < 1e-14);
  CHECK(std::abs(one.transport - 3) < 1e-14);

  const std::vector<double> a = {1, 2, 0, 3}, b = {0, 4, 2};
  const Tensor D = squared_distances(normal({4, 2}, 1), normal({3, 2}, 2));
  const SinkhornResult with_zeros = sinkhorn(D, a, b, options);
  Tensor part = Tensor::empty({3, 2}, DType::f64);
  for (const int64_t i : {0, 1, 3}) {
    for (const int64_t j : {1, 2}) {
      part.mutable_data<double>()[std::min<int64_t>(i, 2) * 2 + j - 1] =
          D.data<double>()[i * 3 + j];
    }
  }
  const SinkhornResult compact =
      sinkhorn(part, std::vector<double>{1, 2, 3}, std::vector<double>{4, 2}, options);
  CHECK(std::abs(with_zeros.value - compact.value) < 1e-10);
  CHECK(std::abs(with_zeros.transport - compact.transport) < 1e-10);
  const std::vector<double> columns = sum(sinkhorn_plan(D, a, b, with_zeros), {0}).to_vector();
  for (size_t j = 0; j < 3; ++j) CHECK(std::abs(columns[j] - b[j]) < 1e-10);
  // The potential of a point without mass still makes its row of pi / (a b) average to 1
  double row = 0;
  for (size_t j = 0; j < 3; ++j) {
    row += b[j] / 6 *
           std::exp(
               (with_zeros.f.values<double>()[2] + with_zeros.g.values<double>()[j] -
                D.values<double>()[6 + j]) /
               options.epsilon);
  }
  CHECK(std::abs(row - 1) < 1e-10);
}

TEST_CASE("Sinkhorn: the same bits at any thread count") {
  const Tensor C = squared_distances(normal({150, 4}, 5), normal({130, 4}, 6, 1));
  const SinkhornOptions options{.epsilon = 0.1};
  const parallel::ThreadLimit one(1);
  const SinkhornResult serial = sinkhorn(C, {}, {}, options);
  const parallel::ThreadLimit three(3);
  const SinkhornResult threaded = sinkhorn(C, {}, {}, options);
  CHECK(bitwise_equal(serial.f, threaded.f));
  CHECK(bitwise_equal(serial.g, threaded.g));
  CHECK(serial.transport == threaded.transport);
}

TEST_CASE("Sinkhorn: what it refuses") {
  const Tensor C = Tensor::ones({2, 2}, DType::f64);
  const std::vector<double> half = {0.5, 0.5};
  const auto with_cost = [&](double cost) {
    return sinkhorn(Tensor::of({1, 2}, {1, cost}, DType::f64), {}, {}, {.epsilon = 1});
  };
  CHECK_THROWS_WITH_AS(
      with_cost(std::nan("")), "sinkhorn: cost 0, 1 is nan; costs are at most 1e+300", ValueError);
  CHECK_THROWS_AS(with_cost(std::numeric_limits<double>::infinity()), ValueError);
  const auto with_masses = [&](const std::vector<double>& b) {
    return sinkhorn(C, half, b, {.epsilon = 1});
  };
  CHECK_THROWS_WITH_AS(
      with_masses({0.5, 0.501}),
      "sinkhorn: masses of a add up to 1 and of b to 1.001; they may differ by a share of 1e-06",
      ValueError);
  CHECK_NOTHROW(with_masses({0.5, 0.5 + 1e-8}));
  CHECK_THROWS_AS(with_masses({-1, 2}), ValueError);
  CHECK_THROWS_AS(with_masses({0, 0}), ValueError);
  CHECK_THROWS_AS(with_masses({1}), ShapeError);
  for (const double epsilon : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_AS(sinkhorn(C, {}, {}, {.epsilon = epsilon}), ValueError);
  }
  CHECK_THROWS_AS(sinkhorn(C, {}, {}, {.epsilon = 1, .max_iterations = 0}), ValueError);
  CHECK_THROWS_WITH_AS(
      sinkhorn_self(Tensor::of({2, 2}, {0, 1, 2, 0}, DType::f64), {}, {.epsilon = 1}),
      "sinkhorn_self: costs are not symmetric: 2 and 1 of 1 and 0", ValueError);
  CHECK_THROWS_AS(sinkhorn(to(C, DType::f32), {}, {}, {.epsilon = 1}), DTypeError);
}
