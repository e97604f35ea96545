// datasets/examples.h: the inputs of N examples, one row each along the first axis.
//
// Pictures come as bytes and stay bytes until a batch asks for them: 60,000 images of 28 x 28 need
// 47 MB instead of 188. What is not bytes (tables, synthetic data) is an f32 tensor.
#pragma once

#include "framework/core/buffer.h"
#include "framework/core/shape.h"
#include "framework/tensor/tensor.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace limpid::datasets {

/// The inputs of N examples, as bytes or as f32 values.
class Examples {
 public:
  /// No examples; shape() then throws GraphError.
  Examples() = default;
  /// f32 values [N, ...], shared, not copied. Implicit: a tensor is the plain form of examples.
  Examples(const Tensor& values) : values_(values) {}
  /// Bytes [N, ...], each standing for byte / scale. Throws ShapeError if the count does not fit
  /// the shape, ValueError unless scale > 0.
  static Examples of_bytes(const Shape& shape, std::span<const std::byte> bytes, double scale);
  /// The same from a buffer of just these bytes, which is taken over, not copied.
  static Examples of_buffer(const Shape& shape, Buffer bytes, double scale);

  bool defined() const { return values_.defined() || bytes_.defined(); }
  /// True if a row is kept as bytes.
  bool are_bytes() const { return bytes_.defined(); }
  /// [N, ...].
  const Shape& shape() const;

  /// Everything as an f32 tensor [N, ...]: the tensor itself, or the bytes converted.
  Tensor tensor() const;
  /// The rows begin ... end - 1 as f32. Throws ValueError outside 0 ... N.
  Tensor rows(int64_t begin, int64_t end) const;
  /// out[k] = row indices[k] as f32. Throws as datasets::gather does.
  Tensor rows(std::span<const int64_t> indices) const;
  /// CRC-32 of the values as they are kept: tells one set from another.
  uint32_t checksum() const;
  /// The same rows in the form they are kept in.
  Examples take(std::span<const int64_t> indices) const;

 private:
  Tensor values_;  // or
  Buffer bytes_;
  Shape shape_;  // of bytes_
  double scale_ = 1;
};

/// Rows of a tensor: out[k] = values[indices[k]], along the first axis.
/// Throws ShapeError for a scalar, ValueError for an index out of range or an empty selection.
Tensor gather(const Tensor& values, std::span<const int64_t> indices);

}  // namespace limpid::datasets
