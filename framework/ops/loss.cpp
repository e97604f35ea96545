// framework/ops/loss.cpp: log-softmax with its own one-pass gradient; the rest are compositions.
#include "framework/ops/loss.h"

#include "framework/core/error.h"
#include "framework/kernels/softmax.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
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

Tensor cross_entropy(const Tensor& logits, const Tensor& labels) {
  check_shape(
      logits.rank() == 2 && labels.rank() == 1 && logits.size(0) == labels.size(0), "cross_entropy",
      "needs logits [N, K] and labels [N] (", logits.shape(), ", ", labels.shape(), ")");
  check_dtype(
      labels.dtype() == DType::i64, "cross_entropy", "labels must be i64, got ",
      name_of(labels.dtype()));
  check_shape(labels.numel() > 0, "cross_entropy", "the batch is empty (", logits.shape(), ")");
  for (const int64_t label : labels.values<int64_t>()) {
    check_value(
        label >= 0 && label < logits.size(1), "cross_entropy", "label ", label, " is not in [0, ",
        logits.size(1), ")");
  }
  return -mean(select(log_softmax(logits), labels.values<int64_t>()));
}

Tensor mse(const Tensor& a, const Tensor& b) {
  check_shape(a.shape() == b.shape(), "mse", "shapes differ (", a.shape(), ", ", b.shape(), ")");
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
