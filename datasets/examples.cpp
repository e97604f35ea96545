// datasets/examples.cpp: rows as they are kept, and as the network wants them.
#include "datasets/examples.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/io/gzip.h"
#include "framework/tensor/integers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

namespace limpid::datasets {
namespace {

constexpr int64_t kBlockValues = 1 << 14;  // values per parallel block, about one L1 cache

// Checks a selection of rows; returns the number of values of one row.
int64_t check_selection(const Shape& shape, std::span<const int64_t> indices) {
  check_shape(shape.rank() >= 1, "gather", "needs rows to choose from, got ", shape);
  check_value(!indices.empty(), "gather", "needs at least one index");
  for (const int64_t i : indices) {
    check_value(
        i >= 0 && i < shape[0], "gather", "index ", i, " is out of range, expected 0 to ",
        shape[0] - 1);
  }
  return shape.numel() / shape[0];
}

// Calls f(k, indices[k]) for every k, some rows per block.
template <class F>
void for_rows(std::span<const int64_t> indices, int64_t row, const F& f) {
  if (row == 0) return;
  const int64_t block = std::max<int64_t>(1, kBlockValues / row);
  parallel::for_blocks(std::ssize(indices), block, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) f(k, indices[static_cast<size_t>(k)]);
  });
}

}  // namespace

Examples Examples::of_bytes(const Shape& shape, std::span<const std::byte> bytes, double scale) {
  check_shape(
      std::ssize(bytes) == shape.numel(), "examples", bytes.size(), " bytes do not fit ", shape);
  Buffer copy = Buffer::allocate(shape.numel());
  std::copy(bytes.begin(), bytes.end(), copy.data());
  return of_buffer(shape, std::move(copy), scale);
}

Examples Examples::of_buffer(const Shape& shape, Buffer bytes, double scale) {
  check_value(scale > 0, "examples", "scale must be positive, got ", scale);
  check_shape(
      bytes.block_bytes() >= shape.numel(), "examples", bytes.block_bytes(), " bytes do not fit ",
      shape);
  Examples out;
  out.bytes_ = std::move(bytes);
  out.shape_ = shape;
  out.scale_ = scale;
  return out;
}

const Shape& Examples::shape() const { return are_bytes() ? shape_ : values_.shape(); }

uint32_t Examples::checksum() const {
  if (!are_bytes()) return crc32(values_.bytes());
  return crc32({bytes_.data(), static_cast<size_t>(shape_.numel())});
}

Tensor Examples::tensor() const { return are_bytes() ? rows(0, shape_[0]) : values_; }

Tensor Examples::rows(int64_t begin, int64_t end) const {
  check_value(
      0 <= begin && begin < end && end <= shape()[0], "examples", "no rows ", begin, " to ", end,
      " in ", shape());
  return rows(index_range(begin, end));
}

Tensor Examples::rows(std::span<const int64_t> indices) const {
  if (!are_bytes()) return gather(values_, indices);
  const int64_t row = check_selection(shape_, indices);
  std::array<float, 256> value{};  // of each byte
  for (size_t b = 0; b < value.size(); ++b) {
    value[b] = static_cast<float>(static_cast<double>(b) / scale_);
  }
  Tensor out = Tensor::empty(shape_.with(0, std::ssize(indices)));  // [B, ...]
  float* target = out.mutable_data<float>();
  for_rows(indices, row, [&](int64_t k, int64_t from) {
    const std::byte* source = bytes_.data() + from * row;
    for (int64_t i = 0; i < row; ++i) {
      target[k * row + i] = value[std::to_integer<size_t>(source[i])];
    }
  });
  return out;
}

Examples Examples::take(std::span<const int64_t> indices) const {
  if (!are_bytes()) return gather(values_, indices);
  const int64_t row = check_selection(shape_, indices);
  Examples out = *this;
  out.shape_ = shape_.with(0, std::ssize(indices));
  out.bytes_ = Buffer::allocate(out.shape_.numel());
  for_rows(indices, row, [&](int64_t k, int64_t from) {
    std::memcpy(out.bytes_.data() + k * row, bytes_.data() + from * row, static_cast<size_t>(row));
  });
  return out;
}

Tensor gather(const Tensor& values, std::span<const int64_t> indices) {
  const int64_t row = check_selection(values.shape(), indices);
  const int64_t bytes = row * size_of(values.dtype());  // of one row; their type does not matter
  Tensor out = Tensor::empty(values.shape().with(0, std::ssize(indices)), values.dtype());
  std::byte* target = out.buffer().data();
  const std::byte* source = values.bytes().data();
  for_rows(indices, row, [&](int64_t k, int64_t from) {
    std::memcpy(target + k * bytes, source + from * bytes, static_cast<size_t>(bytes));
  });
  return out;
}

}  // namespace limpid::datasets
