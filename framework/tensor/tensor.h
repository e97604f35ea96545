// framework/tensor/tensor.h: the value handle that everything else passes around.
//
// A Tensor is one pointer to shape, type and a shared buffer, row-major and contiguous, and, when
// the value was recorded, to its node in the graph (record.h). Copying a Tensor copies the handle.
// A value does not change after birth, except through assign() and mutable_data(), which are for
// leaves, buffers of layers and results that were just made.
#pragma once

#include "framework/core/buffer.h"
#include "framework/core/dtype.h"
#include "framework/core/shape.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace limpid {

class Rng;
struct Node;  // record.h

/// A handle of values, and of their place in the graph if they were recorded.
class Tensor {
 public:
  /// No value; defined() is false.
  Tensor() = default;

  // ---- Factories. Sizes too large for memory throw Error with the shape and the bytes. ----

  /// Uninitialised memory; for results that are written at once.
  static Tensor empty(const Shape& shape, DType dtype = DType::f32);
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32);
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32);
  static Tensor ones(const Shape& shape, DType dtype = DType::f32);
  static Tensor scalar(double value, DType dtype = DType::f32);
  /// Values in row-major order. Throws ShapeError if their count is not shape.numel().
  static Tensor of(const Shape& shape, std::span<const double> values, DType dtype = DType::f32);
  static Tensor of(
      const Shape& shape, std::initializer_list<double> values, DType dtype = DType::f32);
  /// i64 values, for labels and indices.
  static Tensor of_integers(const Shape& shape, std::span<const int64_t> values);
  static Tensor of_integers(const Shape& shape, std::initializer_list<int64_t> values);
  static Tensor uniform(
      const Shape& shape, Rng& rng, double low, double high, DType dtype = DType::f32);
  static Tensor normal(
      const Shape& shape, Rng& rng, double mean, double deviation, DType dtype = DType::f32);

  // ---- Form ----

  bool defined() const { return impl_ != nullptr; }
  /// Throws GraphError on an undefined tensor, as all accessors below.
  const Shape& shape() const;
  DType dtype() const;
  int rank() const { return shape().rank(); }
  int64_t numel() const { return shape().numel(); }
  /// Size of a dimension; negative counts from the end. Throws ShapeError.
  int64_t size(int64_t axis) const;

  // ---- Values ----

  /// Read access. Throws DTypeError if T is not the element type.
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(checked_bytes(dtype_of<T>));
  }
  /// Write access; counts as a write, so a graph that kept this value will refuse to use it.
  template <class T>
  T* mutable_data() {
    return reinterpret_cast<T*>(writable_bytes(dtype_of<T>));
  }
  template <class T>
  std::span<const T> values() const& {
    return {data<T>(), static_cast<size_t>(numel())};
  }
  /// Not of a temporary: it would be gone before its values are read.
  template <class T>
  std::span<const T> values() const&& = delete;
  /// The one value of a tensor with one element. Throws ShapeError otherwise.
  double item() const;
  /// All values as double, in row-major order.
  std::vector<double> to_vector() const;
  /// The raw bytes, for files and comparisons.
  std::span<const std::byte> bytes() const;

  /// Copies the values of `other`, converting the type. Throws ShapeError if shapes differ.
  /// This is the write that optimisers, running statistics and loading use.
  void assign(const Tensor& other);
  /// A copy of the values in memory of its own, not recorded.
  Tensor clone() const;
  /// The same values, cut off from the graph; shares the buffer.
  Tensor detach() const;

  // ---- Gradients ----

  /// True for leaves marked by require_gradient() and for everything recorded from them.
  bool requires_gradient() const;
  /// Makes this value a leaf of the graph. Returns *this. Throws DTypeError for i64.
  Tensor& require_gradient();
  /// The gradient that backward() added up; undefined if there is none. Leaves only.
  Tensor gradient() const;
  void set_gradient(const Tensor& gradient);
  void clear_gradient();

  // ---- For ops, the engine and files ----

  /// Wraps existing memory; shape must fit the buffer.
  static Tensor wrap(Buffer buffer, const Shape& shape, DType dtype);
  /// The same buffer under another shape of as many elements, not recorded.
  Tensor viewed_as(const Shape& shape) const;
  const Buffer& buffer() const;
  const std::shared_ptr<Node>& node() const;
  /// Connects a value that was just made to its node; used by record() and the engine.
  void set_node(std::shared_ptr<Node> node);
  /// True if both handles are the same tensor, not merely equal.
  bool is(const Tensor& other) const { return impl_ == other.impl_; }

 private:
  struct Impl;
  const Impl& impl() const;
  const std::byte* checked_bytes(DType expected) const;
  std::byte* writable_bytes(DType expected);

  std::shared_ptr<Impl> impl_;
};

/// `f32 [2, 3] [[1, 2, 3], [4, 5, 6]]`: type, shape and values, cut after `limit` entries per
/// dimension with "..."; an undefined tensor gives `undefined` (print.cpp).
std::string to_string(const Tensor& tensor, int64_t limit = 8);

}  // namespace limpid
