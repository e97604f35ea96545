// tests/interpret/layer_transport_test.cpp: clouds whose distances are known.
#include "interpret/transport/layer_transport.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "interpret/transport/class_scatter.h"
#include "interpret/transport/euler_steps.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Features are f32: figures that are 0 in exact arithmetic are about 1e-7 of the data
constexpr double kRounding = 1e-5;

LayerFeatures step(const std::string& name, const Tensor& values, const char* type = "Linear") {
  return {
      .name = name,
      .type = type,
      .shape = {values.size(1)},
      .pooling = 1,
      .values = to(values, DType::f32)};
}

Tensor turned_by(double angle, const Tensor& X) {
  const double c = std::cos(angle), s = std::sin(angle);
  return matmul(X, Tensor::of({2, 2}, {c, s, -s, c}, DType::f64));
}

}  // namespace

TEST_CASE("separation: scatter of two classes by hand") {
  // Classes {0, 2} and {10, 12}: S_b = 25, S_w = 1
  const Tensor X = Tensor::of({4, 1}, {0, 2, 10, 12}, DType::f64);
  const std::vector<int64_t> labels = {3, 3, 7, 7};
  CHECK(separation_share(X, labels) == doctest::Approx(25.0 / 26).epsilon(1e-12));
  CHECK(separation_fuzziness(X, labels) == doctest::Approx(1.0 / 25).epsilon(1e-12));
  // Variance across the axis of the class means does not count in D, but does in the share
  const Tensor wide = Tensor::of({4, 2}, {0, 5, 2, -5, 10, 5, 12, -5}, DType::f64);
  CHECK(separation_fuzziness(wide, labels) == doctest::Approx(1.0 / 25).epsilon(1e-12));
  CHECK(separation_share(wide, labels) == doctest::Approx(25.0 / 51).epsilon(1e-12));
  const Tensor same = Tensor::of({4, 1}, {0, 2, 0, 2}, DType::f64);
  CHECK(std::isnan(separation_fuzziness(same, labels)));
  CHECK(separation_share(Tensor::zeros({4, 1}, DType::f64), labels) == 0);
  CHECK_THROWS_AS(separation_share(X, std::vector<int64_t>{1}), ShapeError);
}

TEST_CASE("network_transport: a turned, wider and scaled copy is no distance away") {
  const Tensor X = normal({80, 3}, 1);
  const Tensor Q = qr(normal({5, 5}, 2)).q;
  const Tensor Y = matmul(pad(X, 1, 0, 2), Q) * 7.0 + 4.0;
  const NetworkTransport t =
      network_transport({step("input", X), step("wide", Y)}, {}, {.samples = 40, .repeats = 2});
  const LayerTransport& l = t.layers[1];
  CHECK(l.alignment == "rotated");
  CHECK(l.kinetic.median < kRounding);
  CHECK(l.w2_previous.median < std::sqrt(kRounding));
  CHECK(l.residual < kRounding);
  CHECK(l.cka_previous == doctest::Approx(1).epsilon(1e-5));
  CHECK(l.gromov < kRounding);
  CHECK(l.sigma / t.layers[0].sigma == doctest::Approx(7).epsilon(1e-5));
  CHECK(l.rank == 3);
  CHECK(l.directions == doctest::Approx(t.layers[0].directions).epsilon(1e-4));
  CHECK(l.floor.median > 0.1);
  CHECK(std::isnan(l.class_separation.median));
}

TEST_CASE("network_transport: layers of one width keep their axes, and twist is seen") {
  // A turn by 1.2 rad moves every point past others; an axis-wise stretch keeps partners
  const Tensor X = normal({120, 2}, 3);
  const Tensor stretched = X * Tensor::of({1, 2}, {3, 1}, DType::f64);
  const auto layer = [&](const Tensor& Y) {
    return network_transport({step("input", X), step("same", Y)}, {}, {.samples = 60, .repeats = 1})
        .layers[1];
  };
  const LayerTransport turned = layer(turned_by(1.2, X));
  CHECK(turned.alignment == "same axes");
  CHECK(turned.twist.median < 0.3);
  CHECK(turned.kinetic.median == doctest::Approx(2 - 2 * std::cos(1.2)).epsilon(0.02));
  const LayerTransport monotone = layer(stretched);
  CHECK(monotone.twist.median == doctest::Approx(1).epsilon(1e-5));
  CHECK(
      monotone.w2_previous.median * monotone.w2_previous.median ==
      doctest::Approx(monotone.kinetic.median).epsilon(1e-5));
}

TEST_CASE(
    "network_transport: a straight path is a geodesic; Benamou and Brenier bound the action") {
  const Tensor X = normal({100, 2}, 4);
  std::vector<LayerFeatures> steps = {step("input", X)};
  for (int k = 1; k <= 4; ++k) {
    steps.push_back(
        step("l" + std::to_string(k), X * Tensor::of({1, 2}, {1 + 0.5 * k, 1}, DType::f64)));
  }
  const NetworkTransport t = network_transport(steps, {}, {.samples = 50, .repeats = 1});
  CHECK(t.path.geodesicity <= 1 + kRounding);
  CHECK(t.path.geodesicity > 0.98);
  CHECK(t.path.action >= t.path.w2 * t.path.w2 * (1 - kRounding));
  double shares = 0;
  for (const LayerTransport& l : t.layers) shares += l.share;
  CHECK(shares == doctest::Approx(1));
}

TEST_CASE("network_transport: identical points, one unit, dead units, copies") {
  const LayerFeatures same = step("same", Tensor::ones({20, 3}, DType::f64));
  LayerFeatures unit = step("unit", normal({20, 1}, 5));
  LayerFeatures half = step("half", pad(normal({20, 2}, 6), 1, 0, 2));
  const NetworkTransport t =
      network_transport({step("input", normal({20, 3}, 7)), same, unit, half}, {}, {.repeats = 1});
  CHECK(t.layers[1].sigma == 0);
  CHECK(t.layers[1].dead == 1);
  CHECK(t.layers[1].duplicates == 19);
  CHECK(t.layers[1].directions == 0);
  CHECK(t.layers[1].entropy == -INFINITY);
  CHECK(t.layers[2].directions == doctest::Approx(1).epsilon(1e-9));
  CHECK(t.layers[3].dead == 0.5);
  CHECK(t.layers[3].duplicates == 0);
  for (const LayerTransport& l : t.layers) CHECK_FALSE(std::isnan(l.w2_input.median));
  CHECK_THROWS_AS(network_transport({step("input", normal({7, 3}, 8))}, {}), ValueError);
  CHECK_THROWS_AS(
      network_transport({step("input", normal({20, 3}, 8))}, std::vector<int64_t>{1}), ValueError);
}

TEST_CASE("movement_between: nothing for a turned copy, 2 for what has nothing in common") {
  const Tensor X = normal({60, 4}, 9);
  const Tensor Q = qr(normal({4, 4}, 10)).q;
  const std::vector<double> moved = movement_between(
      {step("a", X), step("b", X)},
      {step("a", matmul(X, Q) * 2.0), step("b", normal({60, 4}, 11))});
  CHECK(moved[0] < kRounding);
  CHECK(moved[1] > 0.8);
  CHECK(moved[1] < 2);
}

TEST_CASE("euler_steps: equal fields can be merged, opposed ones undo each other") {
  const Tensor X = normal({30, 3}, 12), f = normal({30, 3}, 13);
  const std::vector<LayerFeatures> steps = {
      step("input", X, ""),
      step("stem", X, "Linear"),
      step("b1", X + f, "BasicBlock"),
      step("b2", X + f + f, "BasicBlock"),
      step("b3", X + f * 1.1, "BasicBlock"),
      step("head", slice(X, 1, 0, 2), "Linear")};
  const std::vector<EulerStep> euler = euler_steps(steps);
  REQUIRE(euler.size() == 3);
  CHECK(std::isnan(euler[0].doubling));
  CHECK(euler[1].doubling < kRounding);
  CHECK(euler[1].turn == doctest::Approx(1).epsilon(1e-6));
  CHECK(euler[2].turn == doctest::Approx(-1).epsilon(1e-6));
  CHECK(euler[2].doubling == doctest::Approx(19).epsilon(1e-4));  // |-0.9 f - f| / |0.1 f|
  const std::vector<std::string> advice = euler_advice(euler);
  REQUIRE(advice.size() == 2);
  CHECK(advice[0].find("b2") == 0);
  CHECK(advice[1].find("more blocks") != std::string::npos);
}
