// framework/nn/attention.h: self-attention and the transformer block around it.
//
// Vaswani et al., Attention Is All You Need, NeurIPS 2017. Letters: N batch, T tokens, E width of a
// token, h heads, d = E / h. Parameter names follow PyTorch.
#pragma once

#include "framework/nn/layers.h"

namespace limpid {

/// [N, T, E] -> [N, T, E]: with Q, K, V = x W' + b split into h heads of width d,
///   head = softmax(Q K' / sqrt(d)) V   (eq. 1),   y = concat(heads) W_o' + b_o.
class MultiheadAttention : public Module {
 public:
  /// Throws ValueError unless heads divides width.
  MultiheadAttention(int64_t width, int64_t heads, Rng& rng);
  const char* type() const override { return "MultiheadAttention"; }
  void visit(Visitor& v) override;
  int64_t macs(const Shape& input, const Shape& output) const override;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override;

  int64_t width_, heads_;
  Tensor in_proj_weight_;  // [3 E, E]: Q, K, V
  Tensor in_proj_bias_;    // [3 E]
  Linear out_proj_;
};

/// [N, T, E] -> [N, T, E] with the norms first (Xiong et al., ICML 2020):
///   x + attention(norm1(x)), then x + linear2(gelu(linear1(norm2(x)))).
class TransformerEncoderLayer : public Module {
 public:
  /// `hidden`: width of the feed-forward part.
  TransformerEncoderLayer(int64_t width, int64_t heads, int64_t hidden, Rng& rng);
  const char* type() const override { return "TransformerEncoderLayer"; }
  void visit(Visitor& v) override;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override;

  LayerNorm norm1_;
  MultiheadAttention self_attn_;
  LayerNorm norm2_;
  Linear linear1_, linear2_;
};

}  // namespace limpid
