// framework/ops/reduce.cpp: reductions as compositions of sum_to and gather.
#include "framework/ops/reduce.h"

#include "framework/core/error.h"
#include "framework/kernels/index.h"
#include "framework/kernels/reduce.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/gates.h"

#include <limits>

namespace limpid {
namespace {

// The shape with the named dimensions set to 1.
Shape reduced(const char* op, const Shape& shape, const Axes& axes) {
  const auto named = axes.flags(op, shape);
  Shape rest = shape;
  for (int d = 0; d < shape.rank(); ++d) {
    if (named[static_cast<size_t>(d)]) rest = rest.with(d, 1);
  }
  return rest;
}

Tensor mean_to(const char* op, const Tensor& x, const Shape& shape) {
  check_shape(x.numel() > 0 || shape.numel() == 0, op, "mean of an empty set (", x.shape(), ")");
  const double share = static_cast<double>(shape.numel()) / static_cast<double>(x.numel());
  return sum_to(x, shape) * share;
}

}  // namespace

Tensor sum(const Tensor& x) { return sum_to(x, {}); }

Tensor sum(const Tensor& x, const Axes& axes) { return sum_to(x, reduced("sum", x.shape(), axes)); }

Tensor mean(const Tensor& x) { return mean_to("mean", x, {}); }

Tensor mean(const Tensor& x, const Axes& axes) {
  return mean_to("mean", x, reduced("mean", x.shape(), axes));
}

Tensor variance(const Tensor& x, const Axes& axes) {
  const Shape shape = reduced("variance", x.shape(), axes);
  const Tensor centred = x - mean_to("variance", x, shape);
  return mean_to("variance", centred * centred, shape);
}

Tensor norm(const Tensor& x, const Axes& axes) {
  return sqrt(sum_to(x * x, reduced("norm", x.shape(), axes)));
}

namespace {

Tensor where_largest(const char* op, const Tensor& x, int d) {
  const AxisSplit split = split_at(x.shape(), d);
  check_shape(split.size > 0, op, "dimension ", d, " is empty (", x.shape(), ")");
  Tensor index = Tensor::empty(x.shape().with(d, 1), DType::i64);
  visit_float(op, x.dtype(), [&]<class T>() {
    kernels::arg_max_axis<T>(
        split.outer, split.size, split.inner, x.data<T>(), index.mutable_data<int64_t>());
  });
  return index;
}

}  // namespace

Tensor arg_max(const Tensor& x, int64_t axis) {
  return where_largest("arg_max", x, resolve_axis("arg_max", axis, x.shape()));
}

Tensor max(const Tensor& x, int64_t axis) {
  const int d = resolve_axis("max", axis, x.shape());
  return gather(x, gate_of("max", x.shape(), [&] { return where_largest("max", x, d); }), d);
}

Tensor arg_sort(const Tensor& x, int64_t axis, bool descending) {
  const int d = resolve_axis("arg_sort", axis, x.shape());
  const AxisSplit split = split_at(x.shape(), d);
  Tensor index = Tensor::empty(x.shape(), DType::i64);
  visit_float("arg_sort", x.dtype(), [&]<class T>() {
    kernels::arg_sort<T>(
        split.outer, split.size, split.inner, descending, x.data<T>(),
        index.mutable_data<int64_t>());
  });
  return index;
}

Tensor arg_top(const Tensor& x, int64_t axis, int64_t count) {
  const int d = resolve_axis("arg_top", axis, x.shape());
  check_value(
      count >= 1 && count <= x.shape()[d], "arg_top", "needs 1 to ", x.shape()[d], " entries, got ",
      count, " (", x.shape(), ")");
  return slice(arg_sort(x, d, true), d, 0, count);
}

// The shift is a constant: it enters both terms alike, so its own gradient cancels. An infinite one
// would leave inf - inf.
Tensor log_sum_exp(const Tensor& x) {
  const Tensor top = max(x.detach(), -1);
  const auto number = [&](double value) { return Tensor::scalar(value, x.dtype()); };
  const Tensor is_finite = less(abs(top), number(std::numeric_limits<double>::infinity()));
  const Tensor shift = where(is_finite, top, number(0));
  return log(sum(exp(x - shift), {-1})) + shift;
}

}  // namespace limpid
