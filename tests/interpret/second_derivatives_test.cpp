// tests/interpret/second_derivatives_test.cpp: gradients of gradients, op by op, in closed form.
// form.
//
// With y = f(x, w), gx = dx of <g, y> and a given v, each row states d<v, gx> by g, w and x.
#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <functional>

namespace limpid {
namespace {

constexpr double kTolerance = 1e-11;

struct Setting {
  Rng rng{31};
  Tensor normal(const Shape& shape) { return Tensor::normal(shape, rng, 0, 1, DType::f64); }
  Tensor leaf(const Shape& shape) { return normal(shape).require_gradient(); }
};

// d<v, gx> by the leaves, with gx = dy/dx under the seed g.
std::vector<Tensor> second(
    const Tensor& y, const Tensor& x, const Tensor& g, const Tensor& v,
    const std::vector<Tensor>& leaves) {
  const Tensor gx = grad(y, x, {.create_graph = true, .seed = g});
  return grad(gx, leaves, {.seed = v});
}

Tensor zeros_like(const Tensor& x) { return Tensor::zeros(x.shape(), x.dtype()); }

// [C] as [1, C, 1, 1]
Tensor per_channel(const Tensor& t) { return reshape(t, {1, t.numel(), 1, 1}); }

}  // namespace

TEST_CASE("second derivatives: convolution, also depthwise with stride 2") {
  struct Row {
    Shape x, w;
    ConvOptions options;
  };
  for (const Row& row :
       {Row{{2, 4, 7, 6}, {4, 1, 3, 3}, {.stride = 2, .padding = 1, .groups = 4}},
        Row{{2, 3, 5, 5}, {4, 3, 3, 3}, {.padding = 1}},
        Row{{2, 4, 6, 6}, {6, 2, 3, 3}, {.stride = 2, .groups = 2}}}) {
    Setting s;
    const Tensor x = s.leaf(row.x), w = s.leaf(row.w), v = s.normal(row.x);
    const Tensor y = conv2d(x, w, row.options);
    const Tensor g = s.leaf(y.shape());
    const auto found = second(y, x, g, v, {g, w, x});
    CHECK(close(found[0], conv2d(v, w, row.options), kTolerance));
    CHECK(close(found[1], conv2d_weight(g, v, w.shape(), row.options), kTolerance));
    CHECK(bitwise_equal(found[2], zeros_like(x)));
  }
}

TEST_CASE("second derivatives: linear layer") {
  Setting s;
  const Tensor x = s.leaf({3, 4}), W = s.leaf({5, 4}), g = s.leaf({3, 5}), v = s.normal({3, 4});
  const auto found = second(matmul(x, W, {.transpose_b = true}), x, g, v, {g, W, x});
  CHECK(close(found[0], matmul(v, W, {.transpose_b = true}), kTolerance));
  CHECK(close(found[1], matmul(transpose(g), v), kTolerance));
  CHECK(bitwise_equal(found[2], zeros_like(x)));
}

TEST_CASE("second derivatives: rectifiers and pools are linear in g") {
  const std::vector<std::function<Tensor(const Tensor&)>> ops = {
      [](const Tensor& x) { return relu(x); },
      [](const Tensor& x) { return relu6(4 * x); },
      [](const Tensor& x) { return max_pool2d(x, {.size = 2, .stride = 2}); },
      [](const Tensor& x) { return avg_pool2d(x, {.size = 2, .stride = 2}); },
      [](const Tensor& x) { return global_avg_pool2d(x); },
      [](const Tensor& x) { return x + reshape(x, x.shape()); },
      [](const Tensor& x) {
        return concat({x, x}, 1);
      }};
  for (const auto& op : ops) {
    Setting s;
    const Tensor x = s.leaf({2, 3, 4, 4}), v = s.normal({2, 3, 4, 4});
    const Tensor y = op(x);
    const Tensor g = s.leaf(y.shape());
    const auto found = second(y, x, g, v, {g, x});
    CHECK(bitwise_equal(found[1], zeros_like(x)));
    // by g: the directional derivative of y along v
    const Tensor along = (op(x.detach() + 1e-7 * v) - op(x.detach() - 1e-7 * v)) / 2e-7;
    CHECK(close(found[0], along, 1e-7));
  }
}

TEST_CASE("second derivatives: batch norm with frozen statistics") {
  Setting s;
  const Tensor x = s.leaf({3, 2, 4, 4}), v = s.normal({3, 2, 4, 4}), g = s.leaf({3, 2, 4, 4});
  const Tensor gamma = s.leaf({2}), mean = s.normal({2}), variance = exp(s.normal({2}));
  const auto found = second(normalize(x, mean, variance, gamma, {}, 1e-5), x, g, v, {g, gamma, x});
  const Tensor scale = per_channel(pow(variance + 1e-5, -0.5));
  CHECK(close(found[0], per_channel(gamma) * scale * v, kTolerance));
  CHECK(close(found[1], reshape(sum(v * scale * g, {0, 2, 3}), {2}), kTolerance));
  CHECK(bitwise_equal(found[2], zeros_like(x)));
}

TEST_CASE("second derivatives: batch norm with batch statistics") {
  Setting s;
  const Shape shape = {3, 2, 4, 4};
  const Tensor x = s.leaf(shape), v = s.normal(shape), g = s.leaf(shape);
  const Tensor gamma = s.leaf({2}), beta = s.leaf({2});
  const auto found = second(standardize(x, gamma, beta), x, g, v, {g, gamma, beta, x});

  // Per channel: h = (x - mean) s, P(u) = u - mean(u) - h mean(u h)
  const auto average = [](const Tensor& t) { return mean(t, {0, 2, 3}); };
  const Tensor scale = pow(variance(x.detach(), {0, 2, 3}) + 1e-5, -0.5);
  const Tensor h = (x.detach() - average(x.detach())) * scale;
  const auto project = [&](const Tensor& u) { return u - average(u) - h * average(u * h); };
  const Tensor a = average(v * h), b = average(g * h);
  const Tensor k = average(v * g) - average(v) * average(g) - a * b;
  CHECK(close(found[0], per_channel(gamma) * scale * project(v), kTolerance));
  const Tensor by_gamma = sum(scale * v * project(g.detach()), {0, 2, 3});
  CHECK(close(found[1], reshape(by_gamma, {2}), kTolerance));
  CHECK(bitwise_equal(found[2], zeros_like(beta)));
  const Tensor by_x =
      -per_channel(gamma) * scale * scale * (h * k + b * project(v) + a * project(g.detach()));
  CHECK(close(found[3], by_x, kTolerance));
}

TEST_CASE("second derivatives: batch norm in one pass and as a composition") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const NormGroups groups : {NormGroups::channel, NormGroups::image_and_channel}) {
      Rng rng(32);
      const auto leaf = [&](const Shape& shape) {
        return Tensor::normal(shape, rng, 0.5, 1, dtype).require_gradient();
      };
      const Tensor x = leaf({4, 3, 9, 7}), g = leaf({4, 3, 9, 7}), gamma = leaf({3});
      const Tensor v = Tensor::normal({4, 3, 9, 7}, rng, 0, 1, dtype);
      const Tensor y = standardize(x, gamma, {}, {.groups = groups});
      const Tensor gx = grad(y, x, {.create_graph = true, .seed = g});
      const std::vector<Tensor> leaves = {x, gamma};
      const auto fused = grad(gx, leaves, {.seed = v});
      const auto composed = grad(gx, leaves, {.create_graph = true, .seed = v});
      for (size_t i = 0; i < leaves.size(); ++i) {
        CHECK(close(fused[i], composed[i], dtype == DType::f32 ? 1e-5 : 1e-12));
      }
    }
  }
}

TEST_CASE("second derivatives: softmax and cross-entropy") {
  Setting s;
  const Tensor z = s.leaf({3, 4}), a = s.leaf({3, 1}), v = s.normal({3, 4});
  const Tensor y = one_hot(Tensor::of_integers({3}, {2, 0, 3}), 4, DType::f64);
  const Tensor losses = -sum(y * log_softmax(z), {1});  // [3, 1]
  const auto found = second(losses, z, a, v, {a, z});
  const Tensor p = softmax(z.detach());
  const auto row_sum = [](const Tensor& t) { return sum(t, {1}); };
  CHECK(close(found[0], row_sum(v * (p - y)), kTolerance));
  CHECK(close(found[1], a * (p * v - p * row_sum(p * v)), kTolerance));
}

}  // namespace limpid
