// tests/autograd/rules_test.cpp: guided and deconv backward passes on nets worked out by hand.
//
// At a rectifier with output r and upstream gradient g, standard passes g where r > 0, guided where
// r > 0 and g > 0, deconv where g > 0.
#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"
#include "tests/support/gradcheck.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;

namespace {

constexpr ReluRule kRules[] = {ReluRule::standard, ReluRule::guided, ReluRule::deconv};

// d(sum y)/dx under each rule.
std::vector<Tensor> by_rule(const Tensor& y, const Tensor& x, ReluScope scope = ReluScope::all) {
  std::vector<Tensor> maps;
  for (const ReluRule rule : kRules) {
    maps.push_back(
        grad(y, x, {.relu = rule, .scope = scope, .seed = Tensor::ones(y.shape(), y.dtype())}));
  }
  return maps;
}

}  // namespace

TEST_CASE("rules: one rectifier") {
  const Tensor x = leaf({1, -1, 2});
  const Tensor y = relu(x) * row({1, 5, -3});  // upstream gradient 1, 5, -3
  const std::vector<Tensor> maps = by_rule(y, x);
  CHECK(bitwise_equal(maps[0], row({1, 0, -3})));
  CHECK(bitwise_equal(maps[1], row({1, 0, 0})));
  CHECK(bitwise_equal(maps[2], row({1, 5, 0})));
}

TEST_CASE("rules: two rectifiers in a row") {
  // a = relu(x) = 2, 1/2, 3;  b = relu(a - 1) = 1, 0, 2;  y = (-b1, 4 b2, b3)
  const Tensor x = leaf({2, 0.5, 3});
  const Tensor y = relu(relu(x) - 1) * row({-1, 4, 1});
  const std::vector<Tensor> maps = by_rule(y, x);
  CHECK(bitwise_equal(maps[0], row({-1, 0, 1})));
  CHECK(bitwise_equal(maps[1], row({0, 0, 1})));
  CHECK(bitwise_equal(maps[2], row({0, 4, 1})));
}

TEST_CASE("rules: a sign change between two rectifiers stops guided and deconv") {
  // b = relu(3 - a): the upstream gradient of a is -1 where b > 0
  const Tensor x = leaf({2, 4, -1});
  const Tensor y = relu(3 - relu(x));
  const std::vector<Tensor> maps = by_rule(y, x);
  CHECK(bitwise_equal(maps[0], row({-1, 0, 0})));
  CHECK(bitwise_equal(maps[1], row({0, 0, 0})));
  CHECK(bitwise_equal(maps[2], row({0, 0, 0})));
}

TEST_CASE("rules: a residual connection adds its gradient unruled") {
  const Tensor x = leaf({1, -1, 2});
  const Tensor y = (x + relu(x)) * row({1, 5, -3});
  const std::vector<Tensor> maps = by_rule(y, x);
  CHECK(bitwise_equal(maps[0], row({2, 5, -6})));
  CHECK(bitwise_equal(maps[1], row({2, 5, -3})));
  CHECK(bitwise_equal(maps[2], row({2, 10, -3})));
}

TEST_CASE("rules: one tensor through two rectifiers, each with a sign of its own") {
  const Tensor x = leaf({1, -2});
  const Tensor y = relu(x) * row({3, 3}) - relu(x) * row({1, 1});
  const std::vector<Tensor> maps = by_rule(y, x);
  CHECK(bitwise_equal(maps[0], row({2, 0})));
  CHECK(bitwise_equal(maps[1], row({3, 0})));
  CHECK(bitwise_equal(maps[2], row({3, 3})));
}

TEST_CASE("rules: a small network by hand") {
  // h = relu(W x), W = [1 -1; 2 1; -1 0], x = (1, 2): W x = (-1, 4, -1), h = (0, 4, 0)
  // y = v . h, v = (1, -1, 2): upstream (1, -1, 2)
  //   standard keeps h2: W' (0, -1, 0) = (-2, -1)
  //   guided keeps nothing;  deconv keeps 1 and 3: W' (1, 0, 2) = (-1, -1)
  const Tensor x = Tensor::of({2, 1}, {1, 2}, DType::f64).require_gradient();
  const Tensor W = Tensor::of({3, 2}, {1, -1, 2, 1, -1, 0}, DType::f64);
  const Tensor v = Tensor::of({1, 3}, {1, -1, 2}, DType::f64);
  const std::vector<Tensor> maps = by_rule(matmul(v, relu(matmul(W, x))), x);
  CHECK(bitwise_equal(maps[0], Tensor::of({2, 1}, {-2, -1}, DType::f64)));
  CHECK(bitwise_equal(maps[1], Tensor::of({2, 1}, {0, 0}, DType::f64)));
  CHECK(bitwise_equal(maps[2], Tensor::of({2, 1}, {-1, -1}, DType::f64)));
}

TEST_CASE("rules: gelu is open where its input is positive, and keeps its slope") {
  const Tensor x = leaf({1, -1, 2, -3, 0});
  const Tensor y = gelu(x) * row({1, 5, -3, -1, 1});  // upstream gradient 1, 5, -3, -1, 1
  const std::vector<Tensor> maps = by_rule(y, x);
  const std::vector<Tensor> plain = by_rule(0.5 * x * (1 + erf(x / std::sqrt(2.0))), x);
  CHECK(close(maps[0], plain[0] * row({1, 5, -3, -1, 1})));
  CHECK(close(maps[1], plain[0] * row({1, 0, 0, 0, 0})));
  CHECK(close(maps[2], plain[0] * row({1, 5, 0, 0, 1})));
  CHECK(bitwise_equal(
      grad(
          y, x,
          {.relu = ReluRule::guided, .scope = ReluScope::relu_only, .seed = row({1, 1, 1, 1, 1})}),
      maps[0]));
}

TEST_CASE("rules: relu6 follows them unless the scope is relu only") {
  const Tensor x = leaf({1, 7, -1, 2});
  const Tensor y = relu6(x) * row({-1, 2, 3, 4});
  const std::vector<Tensor> maps = by_rule(y, x);
  CHECK(bitwise_equal(maps[0], row({-1, 0, 0, 4})));
  CHECK(bitwise_equal(maps[1], row({0, 0, 0, 4})));
  CHECK(bitwise_equal(maps[2], row({0, 2, 3, 4})));
  for (const Tensor& map : by_rule(y, x, ReluScope::relu_only)) {
    CHECK(bitwise_equal(map, maps[0]));
  }

  // In one net with relu, the scope separates the two
  const Tensor both = relu6(relu(x)) * row({-1, 2, 3, -4});
  CHECK(bitwise_equal(
      grad(
          both, x,
          {.relu = ReluRule::guided, .scope = ReluScope::relu_only, .seed = row({1, 1, 1, 1})}),
      row({0, 0, 0, 0})));
  CHECK(bitwise_equal(
      grad(
          relu6(x) * row({-1, 2, 3, -4}), x,
          {.relu = ReluRule::guided, .scope = ReluScope::relu_only, .seed = row({1, 1, 1, 1})}),
      row({-1, 0, 0, -4})));
}

TEST_CASE("rules: other ops with zero gradients are not rectifiers") {
  const Tensor x = leaf({1, -1, 2});
  const Tensor y = mask(x, row({1, 1, -1})) * row({-1, -2, -3});
  for (const Tensor& map : by_rule(y, x)) CHECK(bitwise_equal(map, row({-1, -2, 0})));
}

TEST_CASE("rules: a pass leaves no trace on the next one") {
  Rng rng(5);
  const Tensor x = Tensor::normal({2, 2, 6, 6}, rng, 0, 1, DType::f64).require_gradient();
  const Tensor w = Tensor::normal({3, 2, 3, 3}, rng, 0, 1, DType::f64);
  const Tensor y =
      sum(relu(conv2d(relu(conv2d(x, w)), Tensor::normal({2, 3, 3, 3}, rng, 0, 1, DType::f64))) *
          Tensor::normal({2, 2, 2, 2}, rng, 0, 1, DType::f64));
  const Tensor plain = grad(y, x);
  const Tensor guided = grad(y, x, {.relu = ReluRule::guided});
  CHECK_FALSE(bitwise_equal(plain, guided));
  CHECK(bitwise_equal(grad(y, x, {.relu = ReluRule::guided}), guided));
  CHECK(bitwise_equal(grad(y, x, {.create_graph = true, .relu = ReluRule::guided}), guided));
  CHECK(bitwise_equal(grad(y, x), plain));
  CHECK(backward_rules().relu == ReluRule::standard);
}

TEST_CASE("rules: guided, deconv and standard agree where all gradients are positive") {
  const Tensor x = leaf({1, 2, 3});
  const std::vector<Tensor> maps = by_rule(relu(relu(x) * 2.0), x);
  CHECK(bitwise_equal(maps[0], row({2, 2, 2})));
  CHECK(bitwise_equal(maps[1], maps[0]));
  CHECK(bitwise_equal(maps[2], maps[0]));
}

TEST_CASE("rules: a recorded guided gradient can be differentiated") {
  // For each rule, r(x, w) = d(loss)/dx is a function like any other
  Rng rng(6);
  const std::vector<Tensor> inputs = {
      Tensor::normal({2, 3}, rng, 0, 1, DType::f64), Tensor::normal({3, 4}, rng, 0, 1, DType::f64),
      Tensor::normal({4, 2}, rng, 0, 1, DType::f64)};
  for (const ReluRule rule : kRules) {
    CAPTURE(static_cast<int>(rule));
    const Function map = [rule](Inputs t) {
      const Tensor x = t[0].requires_gradient() ? t[0] : t[0].detach().require_gradient();
      const Tensor h = relu(matmul(relu(matmul(x, t[1])), t[2]));
      return grad(sum(h * h * h), x, {.create_graph = true, .relu = rule});
    };
    CHECK(max_error(map(inputs), Tensor::zeros({2, 3}, DType::f64)) > 0.01);
    CHECK(gradient_error(map, inputs) < 1e-6);
    CHECK(gradient_error(map, inputs, {.order = 2}) < 1e-6);
  }
}

TEST_CASE("rules: a guided pass over a recorded guided gradient meets no rectifier in it") {
  // y = relu(x)^3 / 3: both passes give relu(x)^2, whose derivative is 2 relu(x) under any rule
  const Tensor x = leaf({2, -1, 3});
  const Tensor r = relu(x);
  const Tensor map =
      grad(sum(r * r * r) / 3.0, x, {.create_graph = true, .relu = ReluRule::guided});
  CHECK(close(map.detach(), row({4, 0, 9})));
  for (const ReluRule rule : {ReluRule::standard, ReluRule::guided}) {
    CHECK(close(grad(sum(map), x, {.relu = rule}), row({4, 0, 6})));
  }
}

TEST_CASE("rules: the statistics of a batch held constant") {
  Rng rng(7);
  const Tensor x = Tensor::normal({4, 3, 2, 2}, rng, 1, 2, DType::f64).require_gradient();
  const Tensor gamma = Tensor::normal({3}, rng, 0, 1, DType::f64).require_gradient();
  const Tensor g = Tensor::normal(x.shape(), rng, 0, 1, DType::f64);
  const auto held = [&](const Tensor& at, bool records) {
    const Tensor y = standardize(at, gamma, Tensor());
    return grad(y, at, {.create_graph = records, .holds_statistics = true, .seed = g});
  };
  const auto as_evaluated = [&](const Tensor& at) {  // g gamma s
    return scale_shift(g, gamma.detach() * moments(at).scale, Tensor());
  };
  CHECK(max_error(held(x, false), as_evaluated(x)) < 1e-15);

  // Its derivatives: s is a function of x
  const Tensor v = Tensor::normal(x.shape(), rng, 0, 1, DType::f64);
  const Tensor product = sum(v * held(x, true));
  const Tensor by_x = grad(product, x);
  const Tensor by_gamma = grad(product, gamma);
  const double h = 1e-6;  // f64: the difference is good to about 1e-9
  for (int64_t i = 0; i < x.numel(); ++i) {
    std::vector<double> up = x.to_vector(), down = up;
    up[static_cast<size_t>(i)] += h;
    down[static_cast<size_t>(i)] -= h;
    const auto value = [&](const std::vector<double>& at) {
      return sum(v * as_evaluated(Tensor::of(x.shape(), at, DType::f64))).item();
    };
    CHECK(std::abs((value(up) - value(down)) / (2 * h) - by_x.data<double>()[i]) < 1e-8);
  }
  const Tensor unit = scale_shift(v * g, moments(x).scale, Tensor());
  for (int64_t c = 0; c < 3; ++c) {
    CHECK(std::abs(sum(slice(unit, 1, c, c + 1)).item() - by_gamma.data<double>()[c]) < 1e-12);
  }
  // And the third order
  const Tensor w = Tensor::normal(x.shape(), rng, 0, 1, DType::f64);
  const Tensor curved = sum(w * grad(product, x, {.create_graph = true}));
  const Tensor third = grad(curved, x);
  for (int64_t i = 0; i < x.numel(); i += 5) {
    const auto slope = [&](double step) {
      std::vector<double> at = x.to_vector();
      at[static_cast<size_t>(i)] += step;
      const Tensor moved = Tensor::of(x.shape(), at, DType::f64).require_gradient();
      return sum(w * grad(sum(v * held(moved, true)), moved)).item();
    };
    CHECK(std::abs((slope(h) - slope(-h)) / (2 * h) - third.data<double>()[i]) < 1e-7);
  }

  // Instance norm has the same statistics in evaluation: the rule is not for it
  const NormOptions instance{.groups = NormGroups::image_and_channel};
  const Tensor y = standardize(x, gamma, Tensor(), instance);
  CHECK(bitwise_equal(grad(y, x, {.holds_statistics = true, .seed = g}), grad(y, x, {.seed = g})));
}
