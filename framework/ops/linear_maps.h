// framework/ops/linear_maps.h: rearrangements, each next to its adjoint.
//
// All of these are linear. The gradient of each is the adjoint, and the gradient of the adjoint is
// the map again, so the pair is closed under differentiation:
//   reshape / reshape      permute / inverse permute    broadcast_to / sum_to
//   slice / pad            concat / slices              gather / scatter_add
//   cumsum / reverse_cumsum                             take_rows / add_rows
// Tensors stay contiguous: reshape shares the buffer, everything else copies.
#pragma once

#include "framework/tensor/tensor.h"

#include <span>
#include <vector>

namespace limpid {

/// The same values under another shape. Throws ShapeError if the element counts differ.
Tensor reshape(const Tensor& x, const Shape& shape);
/// [N, ...] -> [N, product of the rest].
Tensor flatten(const Tensor& x);

/// Dimension d of the result is dimension order[d] of x. Throws ShapeError unless `order` names
/// every dimension once.
Tensor permute(const Tensor& x, std::span<const int64_t> order);
Tensor permute(const Tensor& x, std::initializer_list<int64_t> order);
/// Swaps the last two dimensions.
Tensor transpose(const Tensor& x);

/// Repeats x along dimensions of size 1 and new leading dimensions.
Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// The adjoint of broadcast_to: sums x over the dimensions along which `shape` would be repeated.
Tensor sum_to(const Tensor& x, const Shape& shape);

/// Entries begin ... end-1 of one dimension; negative axes count from the end.
/// Throws ShapeError unless 0 <= begin <= end <= size.
Tensor slice(const Tensor& x, int64_t axis, int64_t begin, int64_t end);
/// `before` and `after` entries of zeros around one dimension: the adjoint of slice.
Tensor pad(const Tensor& x, int64_t axis, int64_t before, int64_t after);
/// Joins tensors along an existing dimension. Throws ShapeError unless all others agree.
Tensor concat(std::span<const Tensor> parts, int64_t axis);
Tensor concat(std::initializer_list<Tensor> parts, int64_t axis);

/// Joins tensors of one shape along a new dimension at `axis`.
Tensor stack(std::span<const Tensor> parts, int64_t axis);
/// Pieces of `size` entries along a dimension, the last one shorter. Throws ValueError unless
/// size >= 1.
std::vector<Tensor> split(const Tensor& x, int64_t axis, int64_t size);

/// Running sums along a dimension: y[j] = x[0] + ... + x[j].
Tensor cumsum(const Tensor& x, int64_t axis);
/// The adjoint of cumsum: sums from the other end, y[j] = x[j] + ... + x[last].
Tensor reverse_cumsum(const Tensor& x, int64_t axis);

/// Rows of a table: x [R, D] at index [...] i64 -> [..., D]; an embedding looks up its words so.
/// Throws ValueError for an index outside [0, R).
Tensor take_rows(const Tensor& x, const Tensor& index);
/// Entries of the first dimension by a list: x [R, ...] -> [rows, ...].
Tensor take_rows(const Tensor& x, std::span<const int64_t> rows);
/// The adjoint of take_rows: zeros [rows, D] to which g [..., D] is added at `index`.
Tensor add_rows(const Tensor& g, const Tensor& index, int64_t rows);
/// 1 at the class of each entry, else 0: index [...] i64 -> [..., classes]. No gradient.
Tensor one_hot(const Tensor& index, int64_t classes, DType dtype = DType::f32);

/// y[..., j, ...] = x[..., index[..., j, ...], ...] along `axis`; index is i64 with the rank of x
/// and the sizes of x on all other dimensions. Throws ValueError for an index out of range.
Tensor gather(const Tensor& x, const Tensor& index, int64_t axis);
/// The adjoint of gather: zeros with `size` entries along `axis`, to which g is added at `index`.
Tensor scatter_add(const Tensor& g, const Tensor& index, int64_t axis, int64_t size);
/// x [N, K], one column per row -> [N, 1]: x[n, columns[n]].
Tensor select(const Tensor& x, std::span<const int64_t> columns);

/// The same values, cut off from the graph.
Tensor detach(const Tensor& x);

}  // namespace limpid
