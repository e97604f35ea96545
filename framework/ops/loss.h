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

struct CrossEntropyOptions {
  double label_smoothing = 0;  // s: the target is (1 - s) at the label and s / K everywhere
  Tensor class_weights = {};   // [K], or undefined: all 1
};
/// The same with a smoothed target t (Szegedy et al. 2016) and weights w: with q = t w,
/// sum_n sum_k -q[n,k] log_softmax[n,k] / sum_n w[labels[n]], as PyTorch averages it.
/// Throws ValueError unless 0 <= s < 1.
Tensor cross_entropy(
    const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options);

/// Mean over the batch of -sum_k target[n,k] log_softmax(logits)[n,k]: targets [N, K] are
/// distributions, and may require a gradient.
Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target);

/// Mean over the batch of -log_probabilities[n, labels[n]].
Tensor nll(const Tensor& log_probabilities, const Tensor& labels);

/// mean |a - b|.
Tensor l1(const Tensor& a, const Tensor& b);

/// Mean of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), d = a - b (Huber 1964).
Tensor huber(const Tensor& a, const Tensor& b, double delta = 1);

/// Mean of softplus(x) - x t: the binary cross-entropy of logits x against targets t in [0, 1].
Tensor bce_with_logits(const Tensor& x, const Tensor& t);

/// Mean over rows of sum_k p (log p - log q): log_q, log_p [N, K] are log-probabilities.
Tensor kl_divergence(const Tensor& log_q, const Tensor& log_p);

/// Mean of max(0, 1 - x t) for scores x and targets t of -1 or 1.
Tensor hinge(const Tensor& x, const Tensor& t);

/// mean (a - b)^2 over all elements.
Tensor mse(const Tensor& a, const Tensor& b);

/// Cosine of the angle between rows: a, b [N, ...] -> [N, 1],
/// sum a b / sqrt((sum a^2 + epsilon) (sum b^2 + epsilon)).
/// epsilon keeps rows of zeros finite (value and gradient 0); it is our choice.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, double epsilon = 1e-12);

}  // namespace limpid
