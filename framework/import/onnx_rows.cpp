// framework/import/onnx_rows.cpp: matrix products, normalisation, softmax and reductions.
#include "framework/core/error.h"
#include "framework/import/onnx_operators.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/norm.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

#include <algorithm>

namespace limpid::onnx {
namespace {

// ---- Products ----

/// y = alpha op(A) op(B) + beta C, with A [M, K], B [K, N] and C broadcast to [M, N].
Function make_gemm(Attributes& a) {
  const double alpha = a.real("alpha", 1);
  const double beta = a.real("beta", 1);
  if (a.opset() < 7) a.integer("broadcast", 0);  // C broadcasts in any case
  const MatmulOptions options{
      .transpose_a = a.integer("transA", 0) != 0, .transpose_b = a.integer("transB", 0) != 0};
  return [=](Operands in) {
    check_shape(
        in[0].rank() == 2 && in[1].rank() == 2, "gemm", "needs two matrices (", in[0].shape(), ", ",
        in[1].shape(), ")");
    Tensor y = matmul(in[0], in[1], options);
    if (alpha != 1) y = alpha * y;
    if (in.size() < 3 || !in[2].defined()) return y;
    const Tensor c = broadcast_to(in[2], y.shape());
    return y + (beta == 1 ? c : beta * c);
  };
}

/// x with leading dimensions of size 1 up to `rank`, these then repeated as in `leading`.
Tensor spread_leading(const Tensor& x, std::span<const int64_t> leading) {
  std::vector<int64_t> sizes(leading.begin(), leading.end());
  sizes.push_back(x.size(-2));
  sizes.push_back(x.size(-1));
  return broadcast_to(x, Shape(sizes));
}

/// numpy's matmul: leading dimensions broadcast, and a vector is a row (left) or a column (right)
/// whose extra dimension is dropped again.
Tensor numpy_matmul(const Tensor& left, const Tensor& right) {
  check_shape(
      left.rank() >= 1 && right.rank() >= 1, "matmul", "needs no scalars (", left.shape(), ", ",
      right.shape(), ")");
  Tensor a = left.rank() == 1 ? reshape(left, {1, left.numel()}) : left;
  Tensor b = right.rank() == 1 ? reshape(right, {right.numel(), 1}) : right;
  const bool shares_b = a.rank() > 2 && b.rank() == 2;
  if (!shares_b && (a.rank() > 2 || b.rank() > 2)) {
    const auto leading = [](const Tensor& t) {
      return Shape(t.shape().sizes().first(static_cast<size_t>(t.rank() - 2)));
    };
    const Shape common = broadcast("matmul", leading(a), leading(b));
    a = spread_leading(a, common.sizes());
    b = spread_leading(b, common.sizes());
  }
  const Tensor y = matmul(a, b);

  std::vector<int64_t> sizes(y.shape().sizes().begin(), y.shape().sizes().end());
  if (right.rank() == 1) sizes.pop_back();
  if (left.rank() == 1) sizes.erase(sizes.end() - (right.rank() == 1 ? 1 : 2));
  return reshape(y, Shape(sizes));
}

Function make_matmul(Attributes&) {
  return [](Operands in) { return numpy_matmul(in[0], in[1]); };
}

// ---- Normalisation ----

/// With the running statistics, always: an imported model runs as in inference.
Function make_batch_norm(Attributes& a) {
  const double epsilon = a.real("epsilon", 1e-5);
  a.real("momentum", 0.9);
  const bool is_training =
      a.opset() < 7 ? a.integer("is_test", 0) == 0 : a.integer("training_mode", 0) != 0;
  if (is_training) a.fail("training mode is not supported");
  if (a.integer("spatial", 1) != 1) a.fail("spatial = 0 is not supported");
  return [=](Operands in) { return normalize(in[0], in[3], in[4], in[1], in[2], epsilon); };
}

/// Over the dimensions from `axis` on, as one; scale and shift have their shape.
Function make_layer_norm(Attributes& a) {
  const double epsilon = a.real("epsilon", 1e-5);
  const int64_t axis = a.integer("axis", -1);
  if (a.integer("stash_type", 1) != 1) a.fail("stash_type: only 1, FLOAT, is supported");
  return [=](Operands in) {
    const Tensor& x = in[0];
    const AxisSplit split = split_at(x.shape(), resolve_axis("layer norm", axis, x.shape()));
    const int64_t features = split.size * split.inner;
    const auto as_row = [&](const Tensor& t) { return reshape(t, {features}); };
    const Tensor shift = in.size() > 2 && in[2].defined() ? as_row(in[2]) : Tensor();
    const Tensor rows = reshape(x, {split.outer, features});
    return reshape(layer_norm(rows, as_row(in[1]), shift, epsilon), x.shape());
  };
}

// ---- Softmax ----

/// kOp, which works on the last dimension, along another: that one changes places with the last.
template <Tensor (*kOp)(const Tensor&)>
Tensor along(const Tensor& x, int64_t axis) {
  const int d = resolve_axis("softmax", axis, x.shape());
  if (d == x.rank() - 1) return kOp(x);
  std::vector<int64_t> order;
  for (int64_t k = 0; k < x.rank(); ++k) order.push_back(k);
  std::swap(order[static_cast<size_t>(d)], order.back());
  return permute(kOp(permute(x, order)), order);
}

/// kOp over all dimensions from `axis` on, as one.
template <Tensor (*kOp)(const Tensor&)>
Tensor flattened(const Tensor& x, int64_t axis) {
  const AxisSplit split = split_at(x.shape(), resolve_axis("softmax", axis, x.shape()));
  return reshape(kOp(reshape(x, {split.outer, split.size * split.inner})), x.shape());
}

template <Tensor (*kOp)(const Tensor&)>
Function make_softmax(Attributes& a) {
  if (a.opset() < 13) {
    return [axis = a.integer("axis", 1)](Operands in) { return flattened<kOp>(in[0], axis); };
  }
  return [axis = a.integer("axis", -1)](Operands in) { return along<kOp>(in[0], axis); };
}

// ---- Reductions ----

/// Which dimensions a reduction names: an attribute in old versions, an operand in new ones.
template <class Reduce>
Function reduction(Attributes& a, int64_t first_with_operand, Reduce reduce) {
  const bool keeps = a.integer("keepdims", 1) != 0;
  const bool as_operand = a.opset() >= first_with_operand;
  const bool none_means_none = as_operand && a.integer("noop_with_empty_axes", 0) != 0;
  const std::vector<int64_t> named = as_operand ? std::vector<int64_t>{} : a.integers("axes");
  return [=](Operands in) {
    const Tensor& x = in[0];
    std::vector<int64_t> axes = as_operand && in.size() > 1 ? integers_of(in[1]) : named;
    if (axes.empty() && none_means_none) return x;
    if (axes.empty()) {
      for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
    }

    // Reduce one dimension after the other; each keeps size 1 until the end
    Tensor y = x;
    std::vector<int64_t> sizes(x.shape().sizes().begin(), x.shape().sizes().end());
    for (const int64_t axis : axes) {
      const int d = resolve_axis("reduce", axis, x.shape());
      y = reduce(y, d);
      sizes[static_cast<size_t>(d)] = -1;
    }
    if (keeps) return y;
    std::erase(sizes, -1);
    return reshape(y, Shape(sizes));
  };
}

Function make_reduce_mean(Attributes& a) {
  return reduction(a, 18, [](const Tensor& x, int64_t axis) { return mean(x, {axis}); });
}

Function make_reduce_sum(Attributes& a) {
  return reduction(a, 13, [](const Tensor& x, int64_t axis) { return sum(x, {axis}); });
}

Function make_reduce_max(Attributes& a) {
  return reduction(a, 18, [](const Tensor& x, int64_t axis) { return max(x, axis); });
}

}  // namespace

const std::vector<Operator>& row_operators() {
  static const std::vector<Operator> kTable = {
      {"BatchNormalization",
       5,
       5,
       make_batch_norm,
       {"weight", "bias", "running_mean", "running_var"}},
      {"Gemm", 2, 3, make_gemm, {"weight", "bias"}},
      {"LayerNormalization", 2, 3, make_layer_norm, {"weight", "bias"}},
      {"LogSoftmax", 1, 1, make_softmax<log_softmax>},
      {"MatMul", 2, 2, make_matmul, {"weight"}},
      {"ReduceMax", 1, 2, make_reduce_max, {kNumbers}},
      {"ReduceMean", 1, 2, make_reduce_mean, {kNumbers}},
      {"ReduceSum", 1, 2, make_reduce_sum, {kNumbers}},
      {"Softmax", 1, 1, make_softmax<softmax>},
  };
  return kTable;
}

}  // namespace limpid::onnx
