// framework/ops/loss.cpp: log-softmax with its own one-pass gradient; the rest are compositions.
#include "framework/ops/loss.h"

#include "framework/core/error.h"
#include "framework/kernels/softmax.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/gates.h"
#include "framework/tensor/record.h"

namespace limpid {
namespace {

// g - exp(out) sum_j g_j: in one pass when nothing is recorded, else with ops.
Tensor log_softmax_gradient(const Tensor& g, const Tensor& out) {
  const bool is_recorded = Recording::is_on() && (g.requires_gradient() || out.requires_gradient());
  if (is_recorded) return g - exp(out) * sum(g, {-1});
  Tensor dx = Tensor::empty(g.shape(), g.dtype());
  const AxisSplit split = split_at(g.shape(), g.rank() - 1);
  visit_float("log_softmax", g.dtype(), [&]<class T>() {
    kernels::log_softmax_input<T>(
        split.outer, split.size, g.data<T>(), out.data<T>(), dx.mutable_data<T>());
  });
  return dx;
}

}  // namespace

Tensor log_softmax(const Tensor& x) {
  const int last = resolve_axis("log_softmax", -1, x.shape());
  const AxisSplit split = split_at(x.shape(), last);
  check_shape(split.size > 0, "log_softmax", "the last dimension is empty (", x.shape(), ")");
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_float("log_softmax", x.dtype(), [&]<class T>() {
    kernels::log_softmax<T>(split.outer, split.size, x.data<T>(), y.mutable_data<T>());
  });
  return record("log_softmax", y, wrt(x, log_softmax_gradient));
}

Tensor softmax(const Tensor& x) { return exp(log_softmax(x)); }

namespace {

// Scores [N, K] with N labels in [0, K), N at least 1.
void check_labels(const char* op, const Tensor& scores, const Tensor& labels) {
  check_shape(
      scores.rank() == 2 && labels.rank() == 1 && scores.size(0) == labels.size(0), op,
      "needs logits [N, K] and labels [N] (", scores.shape(), ", ", labels.shape(), ")");
  check_dtype(
      labels.dtype() == DType::i64, op, "labels must be i64, got ", name_of(labels.dtype()));
  check_shape(labels.numel() > 0, op, "the batch is empty (", scores.shape(), ")");
  for (const int64_t label : labels.values<int64_t>()) {
    check_value(
        label >= 0 && label < scores.size(1), op, "label ", label, " is not in [0, ",
        scores.size(1), ")");
  }
}

void check_same(const char* op, const Tensor& a, const Tensor& b) {
  check_shape(a.shape() == b.shape(), op, "shapes differ (", a.shape(), ", ", b.shape(), ")");
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels) {
  check_labels("cross_entropy", logits, labels);
  return -mean(select(log_softmax(logits), labels.values<int64_t>()));
}

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& o) {
  check_labels("cross_entropy", logits, labels);
  check_value(
      o.label_smoothing >= 0 && o.label_smoothing < 1, "cross_entropy",
      "needs 0 <= label smoothing < 1, got ", o.label_smoothing);
  const int64_t classes = logits.size(1);
  const Tensor weights =
      o.class_weights.defined() ? o.class_weights : Tensor::ones({classes}, logits.dtype());
  check_shape(
      weights.shape() == Shape({classes}), "cross_entropy", "needs one weight per class, got ",
      weights.shape(), " for ", logits.shape());

  // q = t w, with t the smoothed target [N, K]
  const Tensor exact = one_hot(labels, classes, logits.dtype());
  const double share = o.label_smoothing / static_cast<double>(classes);
  const Tensor q = affine(exact, 1 - o.label_smoothing, share) * weights;
  return -sum(q * log_softmax(logits)) / sum(exact * weights);
}

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target) {
  check_same("soft_cross_entropy", logits, target);
  return -mean(sum(target * log_softmax(logits), {-1}));
}

Tensor nll(const Tensor& log_probabilities, const Tensor& labels) {
  check_labels("nll", log_probabilities, labels);
  return -mean(select(log_probabilities, labels.values<int64_t>()));
}

Tensor l1(const Tensor& a, const Tensor& b) {
  check_same("l1", a, b);
  return mean(abs(a - b));
}

// With c = min(|d|, delta): d^2/2 inside and delta (|d| - delta/2) outside are c (|d| - c/2)
Tensor huber(const Tensor& a, const Tensor& b, double delta) {
  check_same("huber", a, b);
  check_value(delta > 0, "huber", "needs delta > 0, got ", delta);
  const Tensor size = abs(a - b);
  const Tensor inside = minimum(size, Tensor::scalar(delta, a.dtype()));
  return mean(inside * (size - 0.5 * inside));
}

Tensor bce_with_logits(const Tensor& x, const Tensor& t) {
  check_same("bce_with_logits", x, t);
  return mean(softplus(x) - x * t);
}

Tensor kl_divergence(const Tensor& log_q, const Tensor& log_p) {
  check_same("kl_divergence", log_q, log_p);
  return mean(sum(exp(log_p) * (log_p - log_q), {-1}));
}

Tensor hinge(const Tensor& x, const Tensor& t) {
  check_same("hinge", x, t);
  const Tensor margin = 1 - x * t;
  const Tensor gate = gate_of("hinge", margin.shape(), [&] { return margin; });
  return mean(mask(margin, gate));
}

Tensor mse(const Tensor& a, const Tensor& b) {
  check_same("mse", a, b);
  const Tensor difference = a - b;
  return mean(difference * difference);
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, double epsilon) {
  check_shape(
      a.shape() == b.shape(), "cosine_similarity", "shapes differ (", a.shape(), ", ", b.shape(),
      ")");
  const Tensor u = flatten(a);
  const Tensor v = flatten(b);
  const auto dot = [](const Tensor& s, const Tensor& t) { return sum(s * t, {1}); };
  return dot(u, v) / sqrt((dot(u, u) + epsilon) * (dot(v, v) + epsilon));
}

}  // namespace limpid
