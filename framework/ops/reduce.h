// framework/ops/reduce.h: sums, means and maxima. Reduced dimensions stay, with size 1.
#pragma once

#include "framework/core/shape.h"
#include "framework/tensor/tensor.h"

namespace limpid {

/// Sum of all elements: a scalar. An empty tensor sums to 0.
Tensor sum(const Tensor& x);
/// Sum over the named dimensions, which keep size 1.
Tensor sum(const Tensor& x, const Axes& axes);
/// Mean of all elements. Throws ShapeError if there is nothing to average.
Tensor mean(const Tensor& x);
/// Mean over the named dimensions. Throws ShapeError if they hold nothing and results are wanted.
Tensor mean(const Tensor& x, const Axes& axes);
/// Mean squared distance from the mean, divided by the count (not by count - 1).
Tensor variance(const Tensor& x, const Axes& axes);
/// Euclidean norm over the named dimensions. Its gradient at 0 is NaN, as the formula says.
Tensor norm(const Tensor& x, const Axes& axes);

/// Position of the largest entry along one dimension, which keeps size 1: i64, no gradient.
/// The first of equals; NaN counts as largest. Throws ShapeError if the dimension is empty.
Tensor arg_max(const Tensor& x, int64_t axis);
/// The largest entry along one dimension; its gradient goes to the entry at arg_max.
Tensor max(const Tensor& x, int64_t axis);

/// Positions that sort one dimension, shaped like x: i64, no gradient; gather(x, arg_sort(x, a), a)
/// is sorted. Equal entries keep their order, NaN comes last.
Tensor arg_sort(const Tensor& x, int64_t axis, bool descending = false);
/// The first `count` positions of the descending order. Throws ValueError unless
/// 1 <= count <= size.
Tensor arg_top(const Tensor& x, int64_t axis, int64_t count);

/// log sum exp(x) over the last dimension, which keeps size 1; computed around the largest entry.
Tensor log_sum_exp(const Tensor& x);

}  // namespace limpid
