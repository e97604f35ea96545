// framework/nn/attention.cpp: attention as two batched products and a softmax.
#include "framework/nn/attention.h"

#include "framework/core/error.h"
#include "framework/nn/init.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"

#include <cmath>

namespace limpid {
namespace {

// The weights as they are. Under the guided and deconv rules they are constants in the backward
// pass, as in layer-wise relevance propagation (Ali et al., ICML 2022): of the two ways back, the
// one through Q and K has no rectifier that the rule could act on.
Tensor constant_under_rules(const Tensor& weights) {
  const auto gate = [](const Tensor& g) {
    const BackwardRules& rules = backward_rules();
    const bool passes = rules.relu == ReluRule::standard || rules.scope == ReluScope::relu_only;
    return passes ? g : Tensor::zeros(g.shape(), g.dtype());
  };
  return record("attention", weights.detach(), wrt(weights, gate));
}

}  // namespace

MultiheadAttention::MultiheadAttention(int64_t width, int64_t heads, Rng& rng)
    : width_(width),
      heads_(heads),
      in_proj_weight_(uniform_by_fan_in({3 * width, width}, width, rng)),
      in_proj_bias_(Tensor::zeros({3 * width})),
      out_proj_(width, width, rng) {
  check_value(
      heads >= 1 && width % heads == 0, "MultiheadAttention", heads,
      " heads do not divide a width of ", width);
  in_proj_weight_.require_gradient();
  in_proj_bias_.require_gradient();
}

void MultiheadAttention::visit(Visitor& v) {
  v.parameter("in_proj_weight", in_proj_weight_);
  v.parameter("in_proj_bias", in_proj_bias_);
  v.child("out_proj", out_proj_);
}

Tensor MultiheadAttention::forward(const Tensor& x, Pass& pass) {
  check_shape(
      x.rank() == 3 && x.size(2) == width_, "MultiheadAttention", "needs tokens [N, T, ", width_,
      "], got ", x.shape());
  const int64_t N = x.size(0);
  const int64_t T = x.size(1);
  const int64_t d = width_ / heads_;

  // Project, then bring the heads in front: [3, N, h, T, d]
  const Tensor projected = matmul(x, in_proj_weight_, {.transpose_b = true}) + in_proj_bias_;
  const Tensor parts = permute(reshape(projected, {N, T, 3, heads_, d}), {2, 0, 3, 1, 4});
  const auto part = [&](int64_t i) {
    return reshape(slice(parts, 0, i, i + 1), {N, heads_, T, d});
  };

  // Attend (eq. 1)
  const Tensor scores = matmul(part(0), part(1), {.transpose_b = true});  // [N, h, T, T]
  const Tensor weights = constant_under_rules(softmax(scores / std::sqrt(static_cast<double>(d))));
  const Tensor heads = matmul(weights, part(2));  // [N, h, T, d]
  return out_proj_(reshape(permute(heads, {0, 2, 1, 3}), {N, T, width_}), pass);
}

int64_t MultiheadAttention::macs(const Shape& input, const Shape&) const {
  const int64_t tokens = input[0] * input[1];
  return tokens * (3 * width_ * width_ + 2 * input[1] * width_);  // out_proj counts itself
}

TransformerEncoderLayer::TransformerEncoderLayer(
    int64_t width, int64_t heads, int64_t hidden, Rng& rng)
    : norm1_(width),
      self_attn_(width, heads, rng),
      norm2_(width),
      linear1_(width, hidden, rng),
      linear2_(hidden, width, rng) {}

void TransformerEncoderLayer::visit(Visitor& v) {
  v.child("self_attn", self_attn_);
  v.child("linear1", linear1_);
  v.child("linear2", linear2_);
  v.child("norm1", norm1_);
  v.child("norm2", norm2_);
}

Tensor TransformerEncoderLayer::forward(const Tensor& x, Pass& pass) {
  const Tensor attended = x + self_attn_(norm1_(x, pass), pass);
  return attended + linear2_(gelu(linear1_(norm2_(attended, pass), pass)), pass);
}

}  // namespace limpid
