// framework/core/shape.cpp: shape checks and broadcasting.
#include "framework/core/shape.h"

#include "framework/core/error.h"

#include <algorithm>
#include <ostream>

namespace limpid {

Shape::Shape(std::initializer_list<int64_t> sizes)
    : Shape(std::span<const int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const int64_t> sizes) {
  check_shape(
      sizes.size() <= kMaxRank, "shape", "rank ", sizes.size(), " exceeds the maximum of ",
      kMaxRank);
  int64_t elements = 1;
  for (const int64_t size : sizes) {
    check_shape(size >= 0, "shape", "negative size ", size);
    sizes_[static_cast<size_t>(rank_++)] = size;
    // Overflow is judged with empty dimensions counted as 1, so that [0, huge, huge] throws too
    check_shape(
        elements <= (int64_t{1} << 62) / std::max<int64_t>(size, 1), "shape",
        "more than 2^62 elements");
    elements *= std::max<int64_t>(size, 1);
  }
}

Shape Shape::with(int d, int64_t size) const {
  std::array<int64_t, kMaxRank> sizes = sizes_;
  sizes[static_cast<size_t>(d)] = size;
  return Shape(std::span<const int64_t>(sizes.data(), static_cast<size_t>(rank_)));
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int d = 0; d < shape.rank(); ++d) out << (d ? ", " : "") << shape[d];
  return out << ']';
}

std::string to_string(const Shape& shape) { return join_text(shape); }

Axes::Axes(std::initializer_list<int64_t> axes) {
  check_shape(axes.size() <= kMaxRank, "axes", "more than ", kMaxRank, " dimensions named");
  std::copy(axes.begin(), axes.end(), axes_.begin());
  count_ = static_cast<int>(axes.size());
}

std::array<bool, kMaxRank> Axes::flags(const char* op, const Shape& shape) const {
  std::array<bool, kMaxRank> named{};
  for (int i = 0; i < count_; ++i) {
    const int axis = resolve_axis(op, axes_[static_cast<size_t>(i)], shape);
    check_shape(
        !named[static_cast<size_t>(axis)], op, "dimension ", axis, " named twice (", shape, ")");
    named[static_cast<size_t>(axis)] = true;
  }
  return named;
}

int resolve_axis(const char* op, int64_t axis, const Shape& shape) {
  const int64_t position = axis < 0 ? axis + shape.rank() : axis;
  check_shape(position >= 0 && position < shape.rank(), op, "no dimension ", axis, " in ", shape);
  return static_cast<int>(position);
}

Shape broadcast(const char* op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const int rank = std::max(a.rank(), b.rank());
  std::array<int64_t, kMaxRank> sizes{};
  for (int d = 0; d < rank; ++d) {
    const int da = d - (rank - a.rank());
    const int db = d - (rank - b.rank());
    const int64_t na = da < 0 ? 1 : a[da];
    const int64_t nb = db < 0 ? 1 : b[db];
    check_shape(na == nb || na == 1 || nb == 1, op, "cannot broadcast ", a, " with ", b);
    sizes[static_cast<size_t>(d)] = na == 1 ? nb : na;
  }
  return Shape(std::span<const int64_t>(sizes.data(), static_cast<size_t>(rank)));
}

AxisSplit split_at(const Shape& shape, int axis) {
  AxisSplit split;
  for (int d = 0; d < axis; ++d) split.outer *= shape[d];
  split.size = shape[axis];
  for (int d = axis + 1; d < shape.rank(); ++d) split.inner *= shape[d];
  return split;
}

}  // namespace limpid
