// tests/optim/lbfgs_test.cpp: known minima, the quasi-Newton formulas, and every way to stop.
#include "framework/optim/lbfgs.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

namespace limpid {
namespace {

using Values = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Sets the gradient and returns the value, in the manner of a closure over plain numbers.
template <class Slope>
double plain(Tensor w, double value, const Slope& slope_of) {
  Values slope(static_cast<size_t>(w.numel()));
  for (size_t i = 0; i < slope.size(); ++i) slope[i] = slope_of(i);
  w.set_gradient(Tensor::of(w.shape(), slope, w.dtype()));
  return value;
}

// sum_i 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2 over i = 0, stride, 2 stride, ...: stride 1 chains
// all variables, stride 2 couples pairs (More, Garbow and Hillstrom 1981, problem 21).
double rosenbrock(Tensor w, size_t stride) {
  const Values x = w.to_vector();
  Values g(x.size());
  double loss = 0;
  for (size_t i = 0; i + 1 < x.size(); i += stride) {
    const double valley = x[i + 1] - x[i] * x[i];
    loss += 100 * valley * valley + (1 - x[i]) * (1 - x[i]);
    g[i] += -400 * x[i] * valley - 2 * (1 - x[i]);
    g[i + 1] += 200 * valley;
  }
  return plain(w, loss, [&](size_t i) { return g[i]; });
}

Values start_of(size_t n) {
  Values x(n);
  for (size_t i = 0; i < n; ++i) x[i] = i % 2 == 0 ? -1.2 : 1;
  return x;
}

void report(const char* what, const LbfgsResult& r) {
  MESSAGE(
      std::string(what) << ": " << std::string(name_of(r.status)) << ", " << r.iterations
                        << " iterations, " << r.evaluations << " evaluations, loss " << r.loss
                        << ", gradient norm " << r.gradient_norm);
}

double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
Values minus(const Values& a, const Values& b) {
  Values c = a;
  for (size_t i = 0; i < a.size(); ++i) c[i] -= b[i];
  return c;
}

}  // namespace

TEST_CASE("lbfgs: Rosenbrock's valley in 2 and 10 dimensions to gradient norm 1e-8") {
  struct Row {
    const char* name;
    size_t n, stride;
  };
  for (const Row& row :
       {Row{"Rosenbrock 2-D", 2, 1}, Row{"Rosenbrock 10-D, pairs", 10, 2},
        Row{"Rosenbrock 10-D, chained", 10, 1}}) {
    Tensor w = leaf(start_of(row.n));
    const LbfgsResult r = minimise_lbfgs({{"w", w}}, [&] { return rosenbrock(w, row.stride); });
    report(row.name, r);
    CHECK(r.status == LbfgsStatus::converged);
    CHECK(r.gradient_norm <= 1e-8);
    CHECK(r.iterations <= 100);
    CHECK(r.evaluations <= 150);
    CHECK_FALSE(w.gradient().defined());

    // The figures are those of the point that was left
    CHECK(rosenbrock(w, row.stride) == r.loss);
    const Values g = w.gradient().to_vector();
    CHECK(std::sqrt(dot(g, g)) == doctest::Approx(r.gradient_norm).epsilon(1e-12));
    // Hessian at the minimum: smallest eigenvalue 0.4, so |x - 1| <= 2.5 |g|
    CHECK(max_error(w, Tensor::ones(w.shape(), DType::f64)) < 1e-7);
  }
}

TEST_CASE("lbfgs: logistic regression, the same minimum from anywhere") {
  // mean log(1 + exp(-y x w)) + 0.005 |w|^2 over 200 points of 20 features
  Rng rng(5);
  const Tensor x = Tensor::normal({200, 20}, rng, 0, 1, DType::f64);
  const Tensor truth = Tensor::normal({20, 1}, rng, 0, 1, DType::f64);
  const Tensor noise = Tensor::normal({200, 1}, rng, 0, 2, DType::f64);
  const Tensor y = sign(matmul(x, truth) + noise);  // [200, 1]
  const auto solve = [&](Tensor w, double tolerance) {
    return minimise_lbfgs(
        {{"w", w}},
        [&] {
          const Tensor wide = to(w, DType::f64);
          const Tensor loss = mean(softplus(-(y * matmul(x, wide)))) + 0.005 * sum(wide * wide);
          backward(loss);
          return loss.item();
        },
        {.gradient_tolerance = tolerance});
  };
  Tensor w = Tensor::zeros({20, 1}, DType::f64).require_gradient();
  const LbfgsResult r = solve(w, 1e-8);
  report("logistic 20-D", r);
  CHECK(r.status == LbfgsStatus::converged);
  CHECK(r.gradient_norm <= 1e-8);
  CHECK(r.iterations <= 40);

  // The gradient by loops
  const Values a = x.to_vector(), label = y.to_vector(), weight = w.to_vector();
  Values g(20);
  for (size_t n = 0; n < 200; ++n) {
    double z = 0;
    for (size_t d = 0; d < 20; ++d) z += a[n * 20 + d] * weight[d];
    const double pull = -label[n] / (1 + std::exp(label[n] * z)) / 200;
    for (size_t d = 0; d < 20; ++d) g[d] += pull * a[n * 20 + d];
  }
  for (size_t d = 0; d < 20; ++d) CHECK(std::abs(g[d] + 0.01 * weight[d]) < 2e-8);

  // Strong convexity 0.01: |w - w*| <= 100 |g|
  Tensor other = Tensor::normal({20, 1}, rng, 0, 5, DType::f64).require_gradient();
  CHECK(solve(other, 1e-8).status == LbfgsStatus::converged);
  CHECK(max_error(other, w) < 2e-6);
  Tensor narrow = Tensor::zeros({20, 1}).require_gradient();
  const LbfgsResult f32 = solve(narrow, 1e-5);
  report("logistic 20-D, f32 weights", f32);
  CHECK(f32.status == LbfgsStatus::converged);
  CHECK(max_error(narrow, w) < 2e-3);
}

TEST_CASE("lbfgs: steps along -H g of the dense formula, under the strong Wolfe conditions") {
  constexpr int64_t kHistory = 3;
  constexpr size_t kN = 4;
  std::vector<Values> xs, gs;
  Values losses;
  for (int64_t k = 0; k <= 8; ++k) {
    Tensor w = leaf(start_of(kN));
    const LbfgsResult r = minimise_lbfgs(
        {{"w", w}}, [&] { return rosenbrock(w, 1); }, {.history = kHistory, .max_iterations = k});
    CHECK(r.status == LbfgsStatus::max_iterations);
    CHECK(r.iterations == k);
    xs.push_back(w.to_vector());
    losses.push_back(rosenbrock(w, 1));
    gs.push_back(w.gradient().to_vector());
  }
  for (size_t k = 0; k + 1 < xs.size(); ++k) {
    // H = (I - rho s y') H (I - rho y s') + rho s s' (eq. 7.16) from gamma I, oldest pair first
    const size_t first = k > kHistory ? k - kHistory : 0;
    std::vector<Values> H(kN, Values(kN));
    double gamma = 1;
    if (k > 0) {
      const Values s = minus(xs[k], xs[k - 1]), y = minus(gs[k], gs[k - 1]);
      gamma = dot(s, y) / dot(y, y);
    }
    for (size_t i = 0; i < kN; ++i) H[i][i] = gamma;
    for (size_t p = first; p < k; ++p) {
      const Values s = minus(xs[p + 1], xs[p]), y = minus(gs[p + 1], gs[p]);
      const double rho = 1 / dot(s, y);
      Values Hy(kN);
      for (size_t i = 0; i < kN; ++i) Hy[i] = dot(H[i], y);
      const double yHy = dot(y, Hy);
      for (size_t i = 0; i < kN; ++i) {
        for (size_t j = 0; j < kN; ++j) {
          H[i][j] += rho * ((1 + rho * yHy) * s[i] * s[j] - s[i] * Hy[j] - Hy[i] * s[j]);
        }
      }
    }
    Values direction(kN);
    for (size_t i = 0; i < kN; ++i) direction[i] = -dot(H[i], gs[k]);
    const Values step = minus(xs[k + 1], xs[k]);
    const double cosine =
        dot(step, direction) / std::sqrt(dot(step, step) * dot(direction, direction));
    CHECK(cosine == doctest::Approx(1).epsilon(1e-10));

    // (3.7) with c1 = 1e-4 and c2 = 0.9, both sides multiplied by the step length
    const double slope = dot(gs[k], step);
    CHECK(slope < 0);
    CHECK(losses[k + 1] <= losses[k] + 1e-4 * slope);
    CHECK(std::abs(dot(gs[k + 1], step)) <= -0.9 * slope * (1 + 1e-12));
  }
}

TEST_CASE("lbfgs: several parameters, of both types; without a gradient they stay") {
  Tensor a = leaf({4, -3}), b = leaf({2}, DType::f32), idle = leaf({7}), frozen = Tensor::ones({1});
  const LbfgsResult r = minimise_lbfgs(
      {{"a", a}, {"b", b}, {"idle", idle}, {"frozen", frozen}},
      [&] {
        const Tensor wide = to(b, DType::f64);
        const Tensor loss = sum((a - 1.0) * (a - 1.0) * 3.0) + sum((wide + 0.5) * (wide + 0.5));
        backward(loss);
        return loss.item();
      },
      {.gradient_tolerance = 1e-6});
  CHECK(r.status == LbfgsStatus::converged);
  CHECK(close(a, Tensor::ones({2}), 1e-6));
  CHECK(close(b, Tensor::full({1}, -0.5), 1e-6));
  CHECK(idle.item() == 7);
  CHECK(frozen.item() == 1);
}

TEST_CASE("lbfgs: a start at the minimum, and a limit on the iterations") {
  Tensor w = leaf({1, 1});
  const auto evaluate = [&] { return rosenbrock(w, 1); };
  const LbfgsResult there = minimise_lbfgs({{"w", w}}, evaluate);
  CHECK(there.status == LbfgsStatus::converged);
  CHECK(there.iterations == 0);
  CHECK(there.evaluations == 1);

  w.assign(Tensor::of({2}, {-1.2, 1}, DType::f64));
  const LbfgsResult none = minimise_lbfgs({{"w", w}}, evaluate, {.max_iterations = 0});
  CHECK(none.status == LbfgsStatus::max_iterations);
  CHECK(none.loss == doctest::Approx(24.2).epsilon(1e-12));
  CHECK(w.to_vector() == Values{-1.2, 1});
  CHECK(std::string(name_of(LbfgsStatus::line_search_failed)) == "line search failed");
}

TEST_CASE("lbfgs: a loss without a minimum fails and leaves the last accepted point") {
  Tensor w = leaf({2});
  const LbfgsResult r = minimise_lbfgs(
      {{"w", w}}, [&] { return plain(w, -w.item(), [](size_t) { return -1.0; }); },
      {.max_trials = 12});
  CHECK(r.status == LbfgsStatus::line_search_failed);
  CHECK(r.evaluations == 13);
  CHECK(r.iterations == 0);
  CHECK(r.loss == -2);
  CHECK(w.item() == 2);
  CHECK_FALSE(w.gradient().defined());
}

TEST_CASE("lbfgs: steps back from where the loss is not finite") {
  // 100 w - log w from 0.5: the first trial, of length 1, lies at -0.5. Minimum at 0.01.
  Tensor w = leaf({0.5});
  const LbfgsResult r = minimise_lbfgs({{"w", w}}, [&] {
    const double x = w.item();
    return plain(w, 100 * x - std::log(x), [&](size_t) { return 100 - 1 / x; });
  });
  report("100 w - log w", r);
  CHECK(r.status == LbfgsStatus::converged);
  CHECK(w.item() == doctest::Approx(0.01).epsilon(1e-10));
}

TEST_CASE("lbfgs: a start that is not finite, and a closure that throws") {
  Tensor w = leaf({2});
  const NamedParameters p = {{"w", w}};
  const auto starts_with = [&](double loss, double slope) {
    return [&w, loss, slope] { return plain(w, loss, [&](size_t) { return slope; }); };
  };
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(
      minimise_lbfgs(p, starts_with(kNan, 1)),
      "minimise_lbfgs: starts at loss nan, gradient norm 1", NumericError);
  CHECK_THROWS_AS(minimise_lbfgs(p, starts_with(infinity, 1)), NumericError);
  CHECK_THROWS_AS(minimise_lbfgs(p, starts_with(1, kNan)), NumericError);
  CHECK_THROWS_AS(minimise_lbfgs(p, starts_with(1, -infinity)), NumericError);
  CHECK(w.item() == 2);

  int calls = 0;
  const auto fails_later = [&] {
    if (++calls == 2) throw std::runtime_error("later");
    return plain(w, w.item() * w.item(), [&](size_t) { return 2 * w.item(); });
  };
  CHECK_THROWS_AS(minimise_lbfgs(p, fails_later), std::runtime_error);
  CHECK(w.item() == 2);
}

TEST_CASE("lbfgs: options outside their range") {
  Tensor w = leaf({2});
  const auto run = [&](const LbfgsOptions& o) {
    return minimise_lbfgs(
        {{"w", w}}, [&] { return plain(w, 0, [](size_t) { return 0.0; }); }, o);
  };
  CHECK_THROWS_WITH_AS(
      run({.history = 0}),
      "minimise_lbfgs: needs history >= 1, iterations >= 0 and trials >= 1, got 0, 500, 40",
      ValueError);
  CHECK_THROWS_AS(run({.max_iterations = -1}), ValueError);
  CHECK_THROWS_AS(run({.max_trials = 0}), ValueError);
  CHECK_THROWS_WITH_AS(
      run({.sufficient_decrease = 0.9}),
      "minimise_lbfgs: needs tolerance >= 0 and 0 < c1 < c2 < 1, got 1e-08, 0.9, 0.9", ValueError);
  for (const double bad : {-1.0, kNan}) {
    CHECK_THROWS_AS(run({.gradient_tolerance = bad}), ValueError);
    CHECK_THROWS_AS(run({.sufficient_decrease = bad}), ValueError);
    CHECK_THROWS_AS(run({.curvature = bad}), ValueError);
  }
  CHECK_THROWS_AS(run({.curvature = 1}), ValueError);
  CHECK(run({}).status == LbfgsStatus::converged);
}

TEST_CASE("lbfgs: the same bits at any thread count") {
  // 1/2 sum c (w - 1)^2 over several parallel blocks, c from 1 to 20
  constexpr int64_t kN = 50001;
  Rng rng(6);
  const Tensor c = Tensor::uniform({kN}, rng, 1, 20, DType::f64);
  Tensor first;
  for (const int threads : {1, 2, 5}) {
    const parallel::ThreadLimit limit(threads);
    Tensor w = Tensor::zeros({kN}, DType::f64).require_gradient();
    const LbfgsResult r = minimise_lbfgs({{"w", w}}, [&] {
      const Tensor loss = 0.5 * sum(c * (w - 1.0) * (w - 1.0));
      backward(loss);
      return loss.item();
    });
    CHECK(r.status == LbfgsStatus::converged);
    if (threads == 1) first = w;
    CHECK(bitwise_equal(w, first));
  }
}

}  // namespace limpid
