// framework/ops/loss.h: what training minimises, and similarity of vectors.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

/// y[..., i] = x[..., i] - log sum_j exp(x[..., j]) over the last dimension.
/// Gradient: g - exp(y) sum_j g_j. Throws ShapeError if that dimension is empty.
Tensor log_softmax(const Tensor& x);
/// exp(log_softmax(x)).
Tensor softmax(const Tensor& x);

/// Mean over the batch of -log_softmax(logits)[n, labels[n]], in nats.
/// logits [N, K], labels [N] i64. Throws ShapeError for an empty batch, ValueError for a label
/// outside [0, K).
Tensor cross_entropy(const Tensor& logits, const Tensor& labels);

/// mean (a - b)^2 over all elements.
Tensor mse(const Tensor& a, const Tensor& b);

/// Cosine of the angle between rows: a, b [N, ...] -> [N, 1],
/// sum a b / sqrt((sum a^2 + epsilon) (sum b^2 + epsilon)).
/// epsilon keeps rows of zeros finite (value and gradient 0); it is our choice.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, double epsilon = 1e-12);

}  // namespace limpid
