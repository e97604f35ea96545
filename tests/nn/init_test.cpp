// tests/nn/init_test.cpp: initial weights have the variance that the papers ask for.
#include "framework/nn/init.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/reduce.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace limpid {

TEST_CASE("init: variances follow fan_in and fan_out, uniform values keep their bound") {
  const Shape shape = {40, 30, 3, 3};  // fan_in 270, fan_out 360; 10,800 values
  struct Kind {
    Tensor (*make)(const Shape&, Rng&);
    double variance;
    bool is_uniform;
  };
  const Kind kinds[] = {
      {kaiming_normal, 2.0 / 270, false},
      {kaiming_uniform, 2.0 / 270, true},
      {xavier_normal, 2.0 / 630, false},
      {xavier_uniform, 2.0 / 630, true}};
  for (const Kind& kind : kinds) {
    Rng rng(3);
    const Tensor w = kind.make(shape, rng);
    const double found = variance(w, {0, 1, 2, 3}).item();
    // The variance of 10,800 normal values has a relative deviation of sqrt(2 / 10,800) = 1.4 %
    CHECK(found == doctest::Approx(kind.variance).epsilon(0.06));
    CHECK(std::abs(mean(w).item()) < 4 * std::sqrt(kind.variance / 10800));
    const double bound = std::sqrt(3 * kind.variance) * (1 + 1e-6);
    const auto inside = [&](float x) { return std::abs(static_cast<double>(x)) <= bound; };
    CHECK(std::ranges::all_of(w.values<float>(), inside) == kind.is_uniform);
    Rng again(3);
    CHECK(kind.make(shape, again).to_vector() == w.to_vector());
    CHECK_THROWS_AS(kind.make({5}, rng), ShapeError);
    CHECK_THROWS_AS(kind.make({5, 0}, rng), ShapeError);
  }
}

TEST_CASE("freeze: parameters that fit a pattern leave the graph, the others stay") {
  Rng rng(1);
  const auto net = make_model("mlp:4", {.input = {3}, .classes = 2}, rng);
  CHECK(freeze(*net, "fc1.*") == std::vector<std::string>{"fc1.weight", "fc1.bias"});
  for (const auto& [name, tensor] : parameters(*net)) {
    CHECK(tensor.requires_gradient() == name.starts_with("fc2"));
  }
  CHECK(freeze(*net, "fc?.bias").size() == 2);
  CHECK_THROWS_AS(freeze(*net, "fc3*"), ValueError);
}

TEST_CASE("autoencoder: outputs are shaped like the flattened input") {
  Rng rng(1);
  const auto net = make_model("autoencoder:5", {.input = {1, 4, 6}, .classes = 10}, rng);
  Pass pass;
  CHECK((*net)(Tensor::ones({2, 1, 4, 6}), pass).shape() == Shape{2, 24});
  CHECK(parameter_count(*net) == 24 * 128 + 128 + 128 * 5 + 5 + 5 * 128 + 128 + 128 * 24 + 24);
  CHECK_THROWS_AS(make_model("autoencoder:0", {.input = {4}, .classes = 2}, rng), ValueError);
}

}  // namespace limpid
