// tests/optim/optimizer_test.cpp: the first steps of each optimiser by their formulas.
//
// Closed forms are computed in f64 by the test with the formulas of the papers. Optimiser and test
// may round in another order: a few units of 2^-53 each step, far below the tolerance of 1e-12.
#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/optim/adam.h"
#include "framework/optim/rmsprop.h"
#include "framework/optim/sgd.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>

namespace limpid {
namespace {

using Values = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The gradients of five steps, for two parameters in one tensor.
const std::vector<Values> kGradients = {{0.5, -2}, {0.25, 1}, {-1, 3}, {2, -0.5}, {-0.125, 4}};
const Values kStart = {1, -3};
const Values kRates = {0.1, 0.05, 0.2, 0.01, 0.3};

// Runs the five steps. The formula maps (w, g, lr, t) and a state of its own to the new w; it
// must agree after every step.
template <class Formula>
void check_steps(
    const std::function<std::unique_ptr<Optimizer>(NamedParameters)>& make, Formula formula_of) {
  Tensor w = leaf(kStart);
  const auto optimizer = make({{"w", w}});
  std::vector<Formula> formulas(2, formula_of);  // one state per element
  Values expected = kStart;
  for (size_t step = 0; step < kGradients.size(); ++step) {
    w.set_gradient(Tensor::of({2}, kGradients[step], DType::f64));
    optimizer->step(kRates[step]);
    for (size_t i = 0; i < 2; ++i) {
      expected[i] = formulas[i](
          expected[i], kGradients[step][i], kRates[step], static_cast<double>(step + 1));
    }
    CHECK(close(w, Tensor::of({2}, expected, DType::f64)));
  }
}

// v = mu v + g + wd w; w = w - lr v, or with Nesterov w - lr (g + wd w + mu v)
struct SgdFormula {
  double momentum, decay;
  bool nesterov = false;
  double v = 0;
  double operator()(double w, double g, double lr, double) {
    g += decay * w;
    v = momentum * v + g;
    return nesterov ? w - lr * (g + momentum * v) : w - lr * v;
  }
};

// PyTorch's documentation of torch.optim.RMSprop, not centred; buffer only with momentum
struct RmsPropFormula {
  double alpha, epsilon, decay, momentum, square = 0, buffer = 0;
  double operator()(double w, double g, double lr, double) {
    g += decay * w;
    square = alpha * square + (1 - alpha) * g * g;
    const double scaled = g / (std::sqrt(square) + epsilon);
    if (momentum == 0) return w - lr * scaled;
    buffer = momentum * buffer + scaled;
    return w - lr * buffer;
  }
};

// Kingma and Ba, algorithm 1; coupled decay enters g, decoupled decay shrinks w
struct AdamFormula {
  double beta1, beta2, epsilon, coupled, decoupled, m = 0, v = 0;
  double operator()(double w, double g, double lr, double t) {
    g += coupled * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const double m_hat = m / (1 - std::pow(beta1, t));
    const double v_hat = v / (1 - std::pow(beta2, t));
    return w - lr * decoupled * w - lr * m_hat / (std::sqrt(v_hat) + epsilon);
  }
};

auto sgd(const SgdOptions& o) {
  return [o](NamedParameters p) { return std::make_unique<Sgd>(std::move(p), o); };
}
auto adam(const AdamOptions& o) {
  return [o](NamedParameters p) { return std::make_unique<Adam>(std::move(p), o); };
}
auto rmsprop(const RmsPropOptions& o) {
  return [o](NamedParameters p) { return std::make_unique<RmsProp>(std::move(p), o); };
}

// One optimiser of each kind, with all options in use.
const std::vector<std::function<std::unique_ptr<Optimizer>(NamedParameters)>> kKinds = {
    sgd({.momentum = 0.9, .weight_decay = 0.01}),
    sgd({.momentum = 0.9, .weight_decay = 0.01, .nesterov = true}),
    rmsprop({.weight_decay = 0.01, .momentum = 0.9}),
    adam({.weight_decay = 0.01}),
    adam({.weight_decay = 0.01, .decouples_decay = true}),
};

}  // namespace

TEST_CASE("Sgd: steps by the formula, with momentum and decay on and off") {
  check_steps(sgd({.momentum = 0}), SgdFormula{0, 0});
  check_steps(sgd({}), SgdFormula{0.9, 0});
  check_steps(sgd({.momentum = 0.5, .weight_decay = 0.1}), SgdFormula{0.5, 0.1});

  // By hand: v = 2, w = 1 - 0.2 = 0.8; v = 0.9 2 + 2 = 3.8, w = 0.8 - 0.38 = 0.42
  Tensor w = leaf({1});
  Sgd optimizer({{"w", w}});
  for (const double expected : {0.8, 0.42}) {
    w.set_gradient(Tensor::of({1}, {2}, DType::f64));
    optimizer.step(0.1);
    CHECK(w.item() == doctest::Approx(expected).epsilon(1e-14));
  }
}

TEST_CASE("Sgd: Nesterov's steps by the formula") {
  check_steps(sgd({.nesterov = true}), SgdFormula{0.9, 0, true});
  check_steps(
      sgd({.momentum = 0.5, .weight_decay = 0.1, .nesterov = true}), SgdFormula{0.5, 0.1, true});

  // By hand: v = 2, w = 1 - 0.1 (2 + 1.8) = 0.62; v = 3.8, w = 0.62 - 0.1 (2 + 3.42) = 0.078
  Tensor w = leaf({1});
  Sgd optimizer({{"w", w}}, {.nesterov = true});
  for (const double expected : {0.62, 0.078}) {
    w.set_gradient(Tensor::of({1}, {2}, DType::f64));
    optimizer.step(0.1);
    CHECK(w.item() == doctest::Approx(expected).epsilon(1e-14));
  }
}

TEST_CASE("RmsProp: steps by the formula") {
  check_steps(rmsprop({}), RmsPropFormula{0.99, 1e-8, 0, 0});
  check_steps(rmsprop({.alpha = 0}), RmsPropFormula{0, 1e-8, 0, 0});
  check_steps(
      rmsprop({.alpha = 0.5, .epsilon = 0.1, .weight_decay = 0.2}),
      RmsPropFormula{0.5, 0.1, 0.2, 0});
  check_steps(
      rmsprop({.weight_decay = 0.1, .momentum = 0.9}), RmsPropFormula{0.99, 1e-8, 0.1, 0.9});

  // The first step is 10 lr: |g| / sqrt(0.01 g^2); epsilon = 1 outside the root: 3 / (0.3 + 1)
  for (const auto& [epsilon, expected] : {std::pair{1e-12, 10.0}, {1.0, 3 / 1.3}}) {
    Tensor w = leaf({0});
    RmsProp optimizer({{"w", w}}, {.epsilon = epsilon});
    w.set_gradient(Tensor::of({1}, {-3}, DType::f64));
    optimizer.step(0.1);
    CHECK(w.item() == doctest::Approx(0.1 * expected).epsilon(1e-11));
  }
}

TEST_CASE("Adam and AdamW: steps by the formula") {
  check_steps(adam({}), AdamFormula{0.9, 0.999, 1e-8, 0, 0});
  check_steps(adam({.beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1}), AdamFormula{0.5, 0.9, 0.1, 0, 0});
  check_steps(adam({.weight_decay = 0.1}), AdamFormula{0.9, 0.999, 1e-8, 0.1, 0});
  check_steps(
      adam({.weight_decay = 0.1, .decouples_decay = true}), AdamFormula{0.9, 0.999, 1e-8, 0, 0.1});
  check_steps(adam({.beta1 = 0, .beta2 = 0}), AdamFormula{0, 0, 1e-8, 0, 0});

  // The first step is lr g / (|g| + epsilon): lr, whatever the size of the gradient
  for (const double g : {1e-4, 3.0, -1e5}) {
    Tensor w = leaf({0});
    Adam optimizer({{"w", w}});
    w.set_gradient(Tensor::of({1}, {g}, DType::f64));
    optimizer.step(0.01);
    CHECK(w.item() == doctest::Approx(-0.01 * g / (std::abs(g) + 1e-8)).epsilon(1e-9));
  }
}

TEST_CASE("optimisers: f32 follows f64") {
  for (const auto& make : kKinds) {
    Tensor narrow = leaf(kStart, DType::f32), wide = leaf(kStart);
    const auto a = make({{"w", narrow}}), b = make({{"w", wide}});
    for (const Values& g : kGradients) {
      narrow.set_gradient(Tensor::of({2}, g));
      wide.set_gradient(Tensor::of({2}, g, DType::f64));
      a->step(0.1);
      b->step(0.1);
    }
    CHECK(close(narrow, wide, 1e-6));  // five steps of a few roundings of 2^-24 = 6e-8
  }
}

TEST_CASE("optimisers: parameters without a gradient are not touched, not even by decay") {
  for (const auto& make : kKinds) {
    Tensor used = leaf({1, 2}), idle = leaf({3, 4});
    const uint64_t writes = idle.buffer().writes();
    const auto optimizer = make({{"used", used}, {"idle", idle}});
    for (int step = 0; step < 3; ++step) {
      used.set_gradient(Tensor::ones({2}, DType::f64));
      optimizer->step(0.1);
    }
    CHECK(idle.to_vector() == Values{3, 4});
    CHECK(idle.buffer().writes() == writes);
    CHECK(used.to_vector() != Values{1, 2});
    optimizer->clear_gradients();
    CHECK_FALSE(used.gradient().defined());
    const Values before = used.to_vector();
    optimizer->step(0.1);
    CHECK(used.to_vector() == before);
  }
}

TEST_CASE("optimisers: converge on an ill-conditioned quadratic") {
  // L = 1/2 sum c (w - a)^2 with c = 1, 4, 25; the minimum is a. Sgd: lr 0.03, momentum 0.9
  // contracts by sqrt(0.9) a step, 0.9^250 = 4e-12 after 500. Adam: at a constant rate it circles
  // within about lr, so the rate falls linearly to 0.
  const Tensor c = Tensor::of({3}, {1, 4, 25}, DType::f64);
  const Tensor a = Tensor::of({3}, {3, -2, 0.5}, DType::f64);
  for (const bool is_adam : {false, true}) {
    Tensor w = leaf({0, 0, 0});
    std::unique_ptr<Optimizer> optimizer = sgd({.momentum = 0.9})({{"w", w}});
    if (is_adam) optimizer = adam({.beta2 = 0.99})({{"w", w}});
    constexpr int kSteps = 500;
    for (int step = 0; step < kSteps; ++step) {
      optimizer->clear_gradients();
      backward(sum(c * (w - a) * (w - a)) * 0.5);
      const double left = 1 - static_cast<double>(step) / kSteps;
      optimizer->step(is_adam ? 0.1 * left : 0.03);
    }
    CHECK(max_error(w, a) < (is_adam ? 1e-3 : 1e-9));
  }
}

TEST_CASE("optimisers: options and rates outside their range") {
  Tensor w = leaf({1});
  const NamedParameters p = {{"w", w}};
  for (const double bad : {-0.1, 1.0, kNan, kInfinity}) {
    CHECK_THROWS_AS(Sgd(p, {.momentum = bad}), ValueError);
    CHECK_THROWS_AS(Adam(p, {.beta1 = bad}), ValueError);
    CHECK_THROWS_AS(Adam(p, {.beta2 = bad}), ValueError);
    CHECK_THROWS_AS(RmsProp(p, {.alpha = bad}), ValueError);
    CHECK_THROWS_AS(RmsProp(p, {.momentum = bad}), ValueError);
  }
  for (const double bad : {-1e-9, kNan, kInfinity}) {
    CHECK_THROWS_AS(Sgd(p, {.weight_decay = bad}), ValueError);
    CHECK_THROWS_AS(Adam(p, {.weight_decay = bad}), ValueError);
    CHECK_THROWS_AS(Adam(p, {.epsilon = bad}), ValueError);
    CHECK_THROWS_AS(RmsProp(p, {.epsilon = bad}), ValueError);
    CHECK_THROWS_AS(RmsProp(p, {.weight_decay = bad}), ValueError);
  }
  CHECK_THROWS_AS(Adam(p, {.epsilon = 0}), ValueError);
  CHECK_THROWS_WITH_AS(
      RmsProp(p, {.epsilon = 0}),
      "RmsProp: needs 0 <= alpha, momentum < 1, epsilon > 0 and weight decay >= 0, got 0.99, 0, 0, "
      "0",
      ValueError);
  CHECK_THROWS_WITH_AS(
      Sgd(p, {.momentum = 0, .nesterov = true}), "Sgd: nesterov needs momentum > 0", ValueError);
  CHECK_THROWS_WITH_AS(
      Sgd(p, {.momentum = 2}), "Sgd: needs 0 <= momentum < 1 and weight decay >= 0, got 2, 0",
      ValueError);

  // A rate that is no number: nothing moves, the step is not counted
  for (const auto& make : kKinds) {
    const auto optimizer = make(p);
    w.set_gradient(Tensor::ones({1}, DType::f64));
    CHECK_THROWS_WITH_AS(optimizer->step(kNan), "step: the learning rate is nan", ValueError);
    CHECK_THROWS_AS(optimizer->step(kInfinity), ValueError);
    CHECK(w.item() == 1);
    CHECK(optimizer->state()[0].second.item() == 0);
  }
}

TEST_CASE("optimisers: state has names, shapes and types, and starts at zero") {
  Tensor w = leaf({1, 2}), b = leaf({3}, DType::f32);
  const NamedParameters p = {{"fc.weight", w}, {"fc.bias", b}};
  const auto names = [](const Optimizer& optimizer) {
    std::vector<std::string> out;
    for (const auto& [name, tensor] : optimizer.state()) out.push_back(name);
    return out;
  };
  using Names = std::vector<std::string>;
  CHECK(names(Sgd(p)) == Names{"steps", "momentum.fc.weight", "momentum.fc.bias"});
  CHECK(
      names(RmsProp(p)) ==
      Names{
          "steps", "square.fc.weight", "momentum.fc.weight", "square.fc.bias", "momentum.fc.bias"});
  CHECK(
      names(Adam(p)) ==
      Names{"steps", "mean.fc.weight", "square.fc.weight", "mean.fc.bias", "square.fc.bias"});
  const Adam optimizer(p);
  const auto state = optimizer.state();
  CHECK(state[0].second.dtype() == DType::i64);
  CHECK(state[1].second.shape() == Shape({2}));
  CHECK(state[1].second.dtype() == DType::f64);
  CHECK(state[3].second.dtype() == DType::f32);
  for (const auto& [name, tensor] : state) {
    for (const double value : tensor.to_vector()) CHECK(value == 0);
  }
}

TEST_CASE("optimisers: state restored by assign goes on with the same bits") {
  Rng rng(1);
  const Tensor start = Tensor::normal({1000}, rng, 0, 1);
  std::vector<Tensor> gradients;
  for (int step = 0; step < 6; ++step) gradients.push_back(Tensor::normal({1000}, rng, 0, 1));
  for (const auto& make : kKinds) {
    Tensor w = start.clone().require_gradient();
    const auto whole = make({{"w", w}});
    Tensor saved;
    std::vector<Tensor> saved_state;
    for (size_t step = 0; step < gradients.size(); ++step) {
      if (step == 3) {
        saved = w.clone();
        for (const auto& [name, tensor] : whole->state()) saved_state.push_back(tensor.clone());
      }
      w.set_gradient(gradients[step]);
      whole->step(0.01);
    }

    Tensor again = saved.require_gradient();
    const auto resumed = make({{"w", again}});
    auto slots = resumed->state();
    for (size_t i = 0; i < slots.size(); ++i) slots[i].second.assign(saved_state[i]);
    for (size_t step = 3; step < gradients.size(); ++step) {
      again.set_gradient(gradients[step]);
      resumed->step(0.01);
    }
    CHECK(bitwise_equal(again, w));
    CHECK_FALSE(bitwise_equal(again, start));
  }
}

TEST_CASE("optimisers: the same bits at any thread count") {
  Rng rng(2);
  const Tensor start = Tensor::normal({50001}, rng, 0, 1);  // several parallel blocks
  const Tensor g = Tensor::normal({50001}, rng, 0, 1);
  for (const auto& make : kKinds) {
    Tensor first;
    for (const int threads : {1, 2, 3, 5}) {
      const parallel::ThreadLimit limit(threads);
      Tensor w = start.clone().require_gradient();
      const auto optimizer = make({{"w", w}});
      for (int step = 0; step < 2; ++step) {
        w.set_gradient(g);
        optimizer->step(0.1);
      }
      if (threads == 1) first = w;
      CHECK(bitwise_equal(w, first));
    }
  }
}

TEST_CASE("optimisers: the step writes in place and is not recorded") {
  Tensor w = leaf({1, 2});
  const Tensor handle = w;
  Adam optimizer({{"w", w}});
  w.set_gradient(Tensor::ones({2}, DType::f64));
  optimizer.step(0.1);
  CHECK(handle.to_vector() == w.to_vector());
  CHECK(w.to_vector() != Values{1, 2});
  CHECK(w.node()->state == Node::State::leaf);
}

TEST_CASE("clip_gradients: one factor for all, the norm before as result") {
  Tensor a = leaf({0, 0}), b = leaf({0}), c = leaf({0});
  NamedParameters p = {{"a", a}, {"b", b}, {"c", c}};
  const auto set = [&] {
    a.set_gradient(Tensor::of({2}, {3, 4}, DType::f64));
    b.set_gradient(Tensor::of({1}, {12}, DType::f64));  // norm sqrt(9 + 16 + 144) = 13
  };
  set();
  CHECK(clip_gradients(p, 13) == 13);  // at the limit: untouched, bit for bit
  CHECK(a.gradient().to_vector() == Values{3, 4});
  CHECK(clip_gradients(p, 6.5) == 13);
  CHECK(close(a.gradient(), Tensor::of({2}, {1.5, 2}, DType::f64)));
  CHECK(close(b.gradient(), Tensor::of({1}, {6}, DType::f64)));
  CHECK_FALSE(c.gradient().defined());
  CHECK(clip_gradients(p, 100) == doctest::Approx(6.5).epsilon(1e-14));
  CHECK_FALSE(a.gradient().requires_gradient());

  set();
  for (const double bad : {0.0, -1.0, kNan}) CHECK_THROWS_AS(clip_gradients(p, bad), ValueError);
  CHECK_THROWS_WITH_AS(
      clip_gradients(p, 0), "clip_gradients: needs a positive limit, got 0", ValueError);
  CHECK(a.gradient().to_vector() == Values{3, 4});
  NamedParameters none;
  CHECK(clip_gradients(none, 1) == 0);
}

}  // namespace limpid
