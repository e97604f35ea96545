// tests/nn/attention_test.cpp: attention against plain loops, and the transformer block.
#include "framework/nn/attention.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/nn/finite_difference.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

using namespace limpid;

namespace {

std::map<std::string, std::vector<double>> values_of(Module& module) {
  std::map<std::string, std::vector<double>> values;
  for (const auto& [name, tensor] : parameters(module)) values[name] = tensor.to_vector();
  return values;
}

// y[o] = sum_i x[i] w[o, i] + b[o]
std::vector<double> linear(
    const double* x, size_t in, const double* w, const double* b, size_t out) {
  std::vector<double> y(out);
  for (size_t o = 0; o < out; ++o) {
    y[o] = b[o];
    for (size_t i = 0; i < in; ++i) y[o] += x[i] * w[o * in + i];
  }
  return y;
}

}  // namespace

TEST_CASE("MultiheadAttention equals the formula in plain loops") {
  constexpr size_t N = 2, T = 3, E = 4, h = 2, d = E / h;
  Rng rng(5);
  MultiheadAttention attention(E, h, rng);
  convert(attention, DType::f64);
  const Tensor x = Tensor::normal({N, T, E}, rng, 0, 1, DType::f64);
  Pass pass;
  const Tensor y = attention(x, pass);
  REQUIRE(y.shape() == Shape({N, T, E}));

  auto p = values_of(attention);
  for (size_t n = 0; n < N; ++n) {
    std::vector<std::vector<double>> qkv;  // [T][3 E]
    for (size_t t = 0; t < T; ++t) {
      qkv.push_back(linear(
          x.data<double>() + (n * T + t) * E, E, p["in_proj_weight"].data(),
          p["in_proj_bias"].data(), 3 * E));
    }
    for (size_t t = 0; t < T; ++t) {
      std::vector<double> heads(E, 0);
      for (size_t head = 0; head < h; ++head) {
        std::vector<double> weight(T);
        double total = 0;
        for (size_t s = 0; s < T; ++s) {
          double score = 0;
          for (size_t k = 0; k < d; ++k) {
            score += qkv[t][head * d + k] * qkv[s][E + head * d + k];
          }
          weight[s] = std::exp(score / std::sqrt(static_cast<double>(d)));
          total += weight[s];
        }
        for (size_t s = 0; s < T; ++s) {
          for (size_t k = 0; k < d; ++k) {
            heads[head * d + k] += weight[s] / total * qkv[s][2 * E + head * d + k];
          }
        }
      }
      const std::vector<double> expected =
          linear(heads.data(), E, p["out_proj.weight"].data(), p["out_proj.bias"].data(), E);
      for (size_t k = 0; k < E; ++k) {
        CHECK(y.data<double>()[(n * T + t) * E + k] == doctest::Approx(expected[k]).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("attention does not know the order of its tokens") {
  Rng rng(8);
  TransformerEncoderLayer layer(8, 2, 16, rng);
  convert(layer, DType::f64);
  const Tensor x = Tensor::normal({1, 3, 8}, rng, 0, 1, DType::f64);
  const Tensor turned = concat({slice(x, 1, 1, 3), slice(x, 1, 0, 1)}, 1);
  Pass pass;
  const Tensor y = layer(x, pass);
  const Tensor z = layer(turned, pass);
  const Tensor back = concat({slice(z, 1, 2, 3), slice(z, 1, 0, 2)}, 1);
  for (int64_t i = 0; i < y.numel(); ++i) {
    CHECK(back.data<double>()[i] == doctest::Approx(y.data<double>()[i]).epsilon(1e-12));
  }
}

TEST_CASE("attention under the guided rule: its weights are constants") {
  Rng rng(9);
  constexpr int64_t T = 3, E = 4;
  MultiheadAttention attention(E, 1, rng);
  convert(attention, DType::f64);
  Tensor x = Tensor::normal({1, T, E}, rng, 0, 1, DType::f64);
  x.require_gradient();
  Pass pass;
  const Tensor y = attention(x, pass);
  const Tensor g = Tensor::normal({1, T, E}, rng, 0, 1, DType::f64);

  // y = A V W_o' + b_o with A fixed: dx = A' g W_o W_v
  const NamedTensors p = parameters(attention);
  const Tensor projected = matmul(x.detach(), p[0].second, {.transpose_b = true}) + p[1].second;
  const auto part = [&](int64_t i) { return slice(projected, 2, i * E, (i + 1) * E); };
  const Tensor A = softmax(matmul(part(0), part(1), {.transpose_b = true}) / 2);
  const Tensor value_weight = slice(p[0].second, 0, 2 * E, 3 * E);
  const Tensor expected =
      matmul(matmul(matmul(transpose(A), g), p[2].second), value_weight).detach();
  const Tensor guided = grad(y, x, {.relu = ReluRule::guided, .seed = g});
  CHECK(close(guided, expected));
  CHECK_FALSE(close(grad(y, x, {.seed = g}), expected));
  CHECK(bitwise_equal(
      grad(y, x, {.relu = ReluRule::guided, .scope = ReluScope::relu_only, .seed = g}),
      grad(y, x, {.seed = g})));
}

TEST_CASE("the transformer block: names, size and errors") {
  Rng rng(2);
  TransformerEncoderLayer layer(8, 2, 16, rng);
  // attention 3*8*8 + 24 + 8*8 + 8, feed-forward 8*16 + 16 + 16*8 + 8, norms 2 * 16
  CHECK(parameter_count(layer) == 192 + 24 + 64 + 8 + 128 + 16 + 128 + 8 + 32);
  CHECK(parameters(layer).front().first == "self_attn.in_proj_weight");
  CHECK_THROWS_AS(MultiheadAttention(8, 3, rng), ValueError);
  Pass pass;
  CHECK_THROWS_AS(layer(Tensor::zeros({1, 3, 6}), pass), ShapeError);
}
