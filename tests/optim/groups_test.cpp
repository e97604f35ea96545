// tests/optim/groups_test.cpp: parameters with a rate and a decay of their own.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/optim/adam.h"
#include "framework/optim/rmsprop.h"
#include "framework/optim/sgd.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>

namespace limpid {
namespace {

using Groups = std::vector<ParameterGroup>;
using Make = std::function<std::unique_ptr<Optimizer>(Groups, double decay)>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Every optimiser, with the weight decay of its options.
const std::vector<Make> kKinds = {
    [](Groups g, double wd) {
      return std::make_unique<Sgd>(std::move(g), SgdOptions{.weight_decay = wd, .nesterov = true});
    },
    [](Groups g, double wd) {
      return std::make_unique<Adam>(std::move(g), AdamOptions{.weight_decay = wd});
    },
    [](Groups g, double wd) {
      return std::make_unique<Adam>(
          std::move(g), AdamOptions{.weight_decay = wd, .decouples_decay = true});
    },
    [](Groups g, double wd) {
      return std::make_unique<RmsProp>(std::move(g), RmsPropOptions{.weight_decay = wd});
    },
};

const Tensor kStart = Tensor::of({3}, {1, -2, 0.5}, DType::f64);
const Tensor kGradient = Tensor::of({3}, {0.5, 1, -3}, DType::f64);

void five_steps(Optimizer& optimizer, std::initializer_list<Tensor> parameters, double lr) {
  for (int step = 0; step < 5; ++step) {
    for (Tensor w : parameters) w.set_gradient(kGradient);
    optimizer.step(lr);
  }
}

}  // namespace

TEST_CASE("groups: each group steps as an optimiser of its own would, bit for bit") {
  for (const Make& make : kKinds) {
    Tensor a = kStart.clone().require_gradient(), b = kStart.clone().require_gradient();
    const auto both = make(
        {{.parameters = {{"a", a}}, .rate_scale = 0.5},
         {.parameters = {{"b", b}}, .weight_decay = 0.25}},
        0.125);
    five_steps(*both, {a, b}, 0.125);

    Tensor a_alone = kStart.clone().require_gradient();
    five_steps(*make({{{{"a", a_alone}}}}, 0.125), {a_alone}, 0.0625);
    CHECK(bitwise_equal(a, a_alone));
    Tensor b_alone = kStart.clone().require_gradient();
    five_steps(*make({{{{"b", b_alone}}}}, 0.25), {b_alone}, 0.125);
    CHECK(bitwise_equal(b, b_alone));
    CHECK_FALSE(bitwise_equal(a, b));
  }
}

TEST_CASE("groups: scale 0 holds parameters still; decay 0 is not the decay of the options") {
  for (const Make& make : kKinds) {
    Tensor still = kStart.clone().require_gradient(), free = kStart.clone().require_gradient();
    const auto optimizer = make(
        {{.parameters = {{"still", still}}, .rate_scale = 0},
         {.parameters = {{"free", free}}, .weight_decay = 0}},
        0.5);
    five_steps(*optimizer, {still, free}, 0.125);
    CHECK(bitwise_equal(still, kStart));
    Tensor alone = kStart.clone().require_gradient();
    five_steps(*make({{{{"free", alone}}}}, 0), {alone}, 0.125);
    CHECK(bitwise_equal(free, alone));
  }
}

TEST_CASE("groups: state goes group after group and restores with the same bits") {
  for (const Make& make : kKinds) {
    Rng rng(3);
    Tensor a = Tensor::normal({700}, rng, 0, 1).require_gradient();
    Tensor b = Tensor::normal({30}, rng, 0, 1).require_gradient();
    const auto groups_of = [](const Tensor& x, const Tensor& y) {
      return Groups{
          {.parameters = {{"a", x}}, .weight_decay = 0.1},
          {.parameters = {{"b", y}}, .rate_scale = 3, .weight_decay = 0}};
    };
    const auto step = [](Optimizer& optimizer, Tensor x, Tensor y, uint64_t seed) {
      Rng noise(seed);
      x.set_gradient(Tensor::normal({700}, noise, 0, 1));
      y.set_gradient(Tensor::normal({30}, noise, 0, 1));
      optimizer.step(0.01);
    };
    const auto whole = make(groups_of(a, b), 0);
    for (const uint64_t seed : {1, 2}) step(*whole, a, b, seed);
    Tensor a2 = a.clone().require_gradient(), b2 = b.clone().require_gradient();
    const auto resumed = make(groups_of(a2, b2), 0);
    auto to = resumed->state();
    const auto from = whole->state();
    CHECK(to[1].first.substr(to[1].first.size() - 2) == ".a");
    CHECK(to.back().first.substr(to.back().first.size() - 2) == ".b");
    for (size_t i = 0; i < to.size(); ++i) to[i].second.assign(from[i].second);
    for (const uint64_t seed : {3, 4}) {
      step(*whole, a, b, seed);
      step(*resumed, a2, b2, seed);
    }
    CHECK(bitwise_equal(a, a2));
    CHECK(bitwise_equal(b, b2));
  }
}

TEST_CASE("decay_weights_only: matrices and filters decay, biases and norms do not") {
  NamedParameters all;
  for (const auto& [name, shape] : std::vector<std::pair<std::string, Shape>>{
           {"conv.weight", {2, 1, 3, 3}},
           {"norm.scale", {2}},
           {"fc.weight", {3, 2}},
           {"fc.bias", {3}}}) {
    all.emplace_back(name, Tensor::ones(shape, DType::f64).require_gradient());
  }
  const Groups groups = decay_weights_only(all);
  REQUIRE(groups.size() == 2);
  REQUIRE(groups[0].parameters.size() == 2);
  CHECK(groups[0].parameters[1].first == "fc.weight");
  CHECK_FALSE(groups[0].weight_decay.has_value());
  CHECK(groups[1].parameters[0].first == "norm.scale");
  CHECK(groups[1].weight_decay == 0);

  // With gradients of 0 only decay moves anything: 1 - 0.1 0.5
  Sgd optimizer(groups, {.momentum = 0, .weight_decay = 0.5});
  for (auto& [name, w] : all) w.set_gradient(Tensor::zeros(w.shape(), DType::f64));
  optimizer.step(0.1);
  for (const auto& [name, w] : all) {
    for (const double value : w.to_vector()) CHECK(value == (w.rank() > 1 ? 0.95 : 1));
  }
}

TEST_CASE("groups: scales and decays outside their range, and names listed twice") {
  Tensor w = kStart.clone().require_gradient();
  for (const double bad : {-1.0, kNan, std::numeric_limits<double>::infinity()}) {
    const Groups scale = {{.parameters = {{"w", w}}, .rate_scale = bad}};
    const Groups decay = {{.parameters = {{"w", w}}, .weight_decay = bad}};
    for (const Make& make : kKinds) {
      CHECK_THROWS_AS(make(scale, 0), ValueError);
      CHECK_THROWS_AS(make(decay, 0), ValueError);
    }
  }
  CHECK_THROWS_WITH_AS(
      Sgd(Groups{{.parameters = {{"w", w}}, .rate_scale = -1}}),
      "Optimizer: a group needs rate scale and weight decay >= 0, got -1, 0", ValueError);
  CHECK_THROWS_WITH_AS(
      Adam(Groups{{.parameters = {{"w", w}}}, {.parameters = {{"w", w}}}}),
      "Optimizer: 'w' is listed twice", ValueError);
}

}  // namespace limpid
