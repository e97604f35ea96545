// framework/core/shape.h: the sizes of a tensor, the broadcasting rule, axis arithmetic.
//
// All tensors are row-major and contiguous, so a shape says everything about the layout.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

namespace limpid {

inline constexpr int kMaxRank = 6;

/// Sizes of up to six dimensions, kept in place: a Shape never allocates.
class Shape {
 public:
  Shape() = default;  // rank 0: a scalar
  /// Throws ShapeError for a negative size, a rank over kMaxRank or more than 2^62 elements.
  Shape(std::initializer_list<int64_t> sizes);
  explicit Shape(std::span<const int64_t> sizes);

  int rank() const { return rank_; }
  /// Size of dimension d; no check beyond the fixed capacity.
  int64_t operator[](int d) const { return sizes_[static_cast<size_t>(d)]; }
  /// Number of elements; 1 for a scalar.
  int64_t numel() const {
    int64_t product = 1;
    for (int d = 0; d < rank_; ++d) product *= (*this)[d];
    return product;
  }
  std::span<const int64_t> sizes() const { return {sizes_.data(), static_cast<size_t>(rank_)}; }

  /// The same shape with dimension d replaced.
  Shape with(int d, int64_t size) const;

  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int d = 0; d < rank_; ++d) {
      if ((*this)[d] != other[d]) return false;
    }
    return true;
  }

 private:
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

/// The sizes in brackets, as in messages: [2, 3].
std::ostream& operator<<(std::ostream& out, const Shape& shape);
std::string to_string(const Shape& shape);

/// A set of dimensions, in the order given; negative numbers count from the end.
class Axes {
 public:
  Axes(std::initializer_list<int64_t> axes);
  /// One flag per dimension. Throws ShapeError if an axis is out of range or named twice.
  std::array<bool, kMaxRank> flags(const char* op, const Shape& shape) const;

 private:
  std::array<int64_t, kMaxRank> axes_{};
  int count_ = 0;
};

/// Turns a negative axis into a position. Throws ShapeError if it is out of range.
int resolve_axis(const char* op, int64_t axis, const Shape& shape);

/// numpy's rule: align at the last dimension; sizes agree or one of them is 1.
/// Throws ShapeError `op: cannot broadcast [2, 3] with [2, 4]`.
Shape broadcast(const char* op, const Shape& a, const Shape& b);

/// The sizes before, at and after one axis: the three loops of every axis kernel.
struct AxisSplit {
  int64_t outer = 1;
  int64_t size = 1;
  int64_t inner = 1;
};
AxisSplit split_at(const Shape& shape, int axis);

}  // namespace limpid
