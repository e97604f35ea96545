// tests/ops/gates_test.cpp: passes that go by the gates of another pass.
#include "framework/tensor/gates.h"

#include "framework/autograd/grad.h"
#include "framework/autograd/recompute.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <functional>

using namespace limpid;

namespace {

struct Kinked {
  const char* name;
  std::function<Tensor(const Tensor&)> op;
  bool is_linear = true;  // between its kinks
};

Tensor number(double value) { return Tensor::scalar(value, DType::f64); }

const Kinked kKinked[] = {
    {"relu", relu},
    {"relu6", [](const Tensor& x) { return relu6(6 * x); }},
    {"abs", [](const Tensor& x) { return abs(x); }},
    {"maximum", [](const Tensor& x) { return maximum(x, number(0.5)); }},
    {"minimum", [](const Tensor& x) { return minimum(number(0.5), x); }},
    {"clamp", [](const Tensor& x) { return clamp(x, -0.5, 0.5); }},
    {"leaky relu", [](const Tensor& x) { return leaky_relu(x, 0.1); }},
    {"elu", [](const Tensor& x) { return elu(x, 0.7); }, false},
    {"max", [](const Tensor& x) { return max(x, 1); }},
    {"max-pool", [](const Tensor& x) { return max_pool2d(x, {.size = 3, .stride = 2}); }},
    {"hinge", [](const Tensor& x) { return hinge(x, Tensor::ones(x.shape(), x.dtype())); }},
    {"huber", [](const Tensor& x) { return huber(x, number(0) * x, 0.5); }, false},
};

Tensor images(uint64_t seed) { return normal({2, 3, 5, 5}, seed); }

Tensor slope(const Tensor& y, const Tensor& x, ReluRule rule = ReluRule::standard) {
  return grad(y, x, {.relu = rule, .seed = Tensor::ones(y.shape(), y.dtype())});
}

}  // namespace

TEST_CASE("gates: held over the same input, value and gradient are the same bits") {
  for (const Kinked& kinked : kKinked) {
    INFO(kinked.name);
    const Tensor x = images(1).require_gradient();
    const auto run = [&] { return kinked.op(x); };
    Gates gates;
    const Tensor y = gates.record(run), again = gates.hold(run), plain = run();
    CHECK(gates.size() > 0);
    CHECK(bitwise_equal(y, plain));
    CHECK(bitwise_equal(y, again));
    CHECK(bitwise_equal(slope(y, x), slope(plain, x)));
    CHECK(bitwise_equal(slope(again, x), slope(plain, x)));
  }
}

TEST_CASE("gates: held over other inputs, a piecewise linear op is linear") {
  const Tensor x = images(1), step = images(2);
  for (const Kinked& kinked : kKinked) {
    if (!kinked.is_linear) continue;
    INFO(kinked.name);
    Gates gates;
    const Tensor middle = gates.record([&] { return kinked.op(x); });
    const auto at = [&](double h) { return gates.hold([&] { return kinked.op(x + h * step); }); };
    CHECK(close(at(1) + at(-1), 2 * middle));
    CHECK(!close(kinked.op(x + step) + kinked.op(x - step), 2 * middle));  // a kink lies between
  }
}

TEST_CASE("gates: a rectifier by hand, and its rules while gates are recorded") {
  const Tensor x = Tensor::of({4}, {1, -1, 2, -2}, DType::f64).require_gradient();
  const Tensor other = Tensor::of({4}, {-3, 3, 4, -4}, DType::f64).require_gradient();
  const Tensor sign = Tensor::of({4}, {1, 1, -1, -1}, DType::f64);
  Gates gates;
  const Tensor y = gates.record([&] { return relu(x); });
  const Tensor z = gates.hold([&] { return relu(other); });
  CHECK(bitwise_equal(z.detach(), Tensor::of({4}, {-3, 0, 4, 0}, DType::f64)));
  CHECK(bitwise_equal(slope(z, other), Tensor::of({4}, {1, 0, 1, 0}, DType::f64)));
  CHECK(bitwise_equal(
      grad(y, x, {.relu = ReluRule::guided, .seed = sign}),
      Tensor::of({4}, {1, 0, 0, 0}, DType::f64)));
  CHECK(bitwise_equal(relu(other).detach(), Tensor::of({4}, {0, 3, 4, 0}, DType::f64)));
}

TEST_CASE("gates: networks in training, held over the same batch, give the same bits") {
  for (const char* name : {"convnet:4x2:batch:max", "lenet5", "resnet8", "mobilenet_v2:0.25"}) {
    INFO(name);
    Rng rng(3);
    const auto net = make_model(name, {.input = {1, 28, 28}, .classes = 3}, rng);
    const Tensor x = Tensor::normal({4, 1, 28, 28}, rng, 0, 1);
    const auto run = [&] {
      Rng dropout(5);
      Pass pass(Mode::train, &dropout);
      return (*net)(x, pass);
    };
    Gates gates;
    const Tensor y = gates.record(run);
    CHECK(bitwise_equal(y, gates.hold(run)));
    CHECK(bitwise_equal(y, gates.hold(run)));  // as often as one likes
  }
}

TEST_CASE("gates: another network, another shape and gates left over are refused") {
  const Tensor x = images(1);
  const auto refused = [](const Gates& gates, auto f) {
    CHECK_THROWS_AS(gates.hold(f), GraphError);
    CHECK(GateScope::current() == nullptr);
  };
  Gates gates;
  gates.record([&] { return abs(relu(x)); });
  CHECK(gates.size() == 2);
  refused(gates, [&] { return relu(abs(x)); });                  // another order
  refused(gates, [&] { return relu(x); });                       // one left over
  refused(gates, [&] { return relu(abs(relu(x))); });            // one too many
  refused(gates, [&] { return abs(relu(slice(x, 0, 0, 1))); });  // half the batch
  refused(gates, [&] { return x; });
  gates.record([&] { return max_pool2d(x, {.size = 3, .stride = 2}); });
  CHECK(gates.size() == 1);
  refused(gates, [&] { return max_pool2d(x, {.size = 3, .stride = 1}); });

  Rng rng(3);
  const auto net = [&](const char* name) {
    return make_model(name, {.input = {3, 5, 5}, .classes = 2}, rng);
  };
  const auto one = net("mlp:4"), two = net("mlp:5"), three = net("mlp:4-4");
  convert(*one, DType::f64), convert(*two, DType::f64), convert(*three, DType::f64);
  Pass pass;
  gates.record([&] { return (*one)(x, pass); });
  refused(gates, [&] { return (*two)(x, pass); });
  refused(gates, [&] { return (*three)(x, pass); });
}

TEST_CASE("gates: the inner scope counts, and a scope ends with what it throws") {
  const Tensor x = images(1);
  Gates outer, inner;
  outer.record([&] {
    inner.record([&] { return relu(x); });
    CHECK_THROWS_AS(inner.hold([&]() -> Tensor { throw ValueError("x"); }), ValueError);
    return abs(inner.hold([&] { return relu(-x); }));
  });
  CHECK(outer.size() == 1);
  CHECK(inner.size() == 1);
  CHECK(GateScope::current() == nullptr);
}

TEST_CASE("gates: a checkpoint goes by held gates in its second run too") {
  const Tensor x = images(1), other = images(2).require_gradient();
  const Segment cube = [](const std::vector<Tensor>& t) { return relu(t[0]) * t[0] * t[0]; };
  Gates plain, cut;
  plain.record([&] { return cube({x}); });
  cut.record([&] { return checkpoint(cube, {x}); });
  const Tensor y = plain.hold([&] { return cube({other}); });
  const Tensor z = cut.hold([&] { return checkpoint(cube, {other}); });
  CHECK(bitwise_equal(y.detach(), z.detach()));
  CHECK(bitwise_equal(slope(y, other), slope(z, other)));
}
