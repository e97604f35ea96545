// framework/io/elements.cpp: byte order, widening, overflow.
#include "framework/io/elements.h"

#include "framework/core/error.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace limpid {

static_assert(std::endian::native == std::endian::little, "files are copied as little-endian");

namespace {

/// Reads elements of type From and writes what `widen` makes of them.
template <class From, class To, class Widen>
void convert(std::span<const std::byte> bytes, std::endian order, To* out, Widen widen) {
  for (size_t at = 0; at < bytes.size(); at += sizeof(From)) {
    std::array<std::byte, sizeof(From)> element;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), sizeof(From), element.begin());
    if (order != std::endian::native) std::reverse(element.begin(), element.end());
    *out++ = widen(std::bit_cast<From>(element));
  }
}

template <class From, class To>
void convert(std::span<const std::byte> bytes, std::endian order, To* out) {
  if (std::is_same_v<From, To> && order == std::endian::native) {
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  } else {
    convert<From>(bytes, order, out, [](From value) { return static_cast<To>(value); });
  }
}

float float_from_bfloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

}  // namespace

int64_t size_of(Stored type) {
  switch (type) {
    case Stored::boolean:
    case Stored::i8:
    case Stored::u8: return 1;
    case Stored::f16:
    case Stored::bf16:
    case Stored::i16:
    case Stored::u16: return 2;
    case Stored::f32:
    case Stored::i32:
    case Stored::u32: return 4;
    case Stored::f64:
    case Stored::i64: return 8;
  }
  raise<ValueError>("size_of", "unknown element type");
}

DType widened(Stored type) {
  switch (type) {
    case Stored::f16:
    case Stored::bf16:
    case Stored::f32: return DType::f32;
    case Stored::f64: return DType::f64;
    default: return DType::i64;
  }
}

std::optional<int64_t> stored_bytes(std::span<const int64_t> sizes, Stored type) {
  const int64_t limit =
      std::min(int64_t{1} << 62, std::numeric_limits<int64_t>::max() / size_of(type));
  int64_t elements = 1;
  bool empty = false;
  for (const int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    empty = empty || size == 0;
    const int64_t factor = std::max<int64_t>(size, 1);
    if (elements > limit / factor) return std::nullopt;
    elements *= factor;
  }
  return empty ? 0 : elements * size_of(type);
}

Tensor tensor_from(
    std::span<const std::byte> bytes, const Shape& shape, Stored type, std::endian order) {
  check_shape(
      stored_bytes(shape.sizes(), type) == static_cast<int64_t>(bytes.size()), "tensor_from",
      bytes.size(), " bytes do not fill ", shape, " with elements of ", size_of(type), " bytes");
  Tensor tensor = Tensor::empty(shape, widened(type));
  const auto floats = [&] { return tensor.mutable_data<float>(); };
  const auto integers = [&] { return tensor.mutable_data<int64_t>(); };
  switch (type) {
    case Stored::f16: convert<uint16_t>(bytes, order, floats(), float_from_half); break;
    case Stored::bf16: convert<uint16_t>(bytes, order, floats(), float_from_bfloat); break;
    case Stored::f32: convert<float>(bytes, order, floats()); break;
    case Stored::f64: convert<double>(bytes, order, tensor.mutable_data<double>()); break;
    case Stored::boolean:
      convert<uint8_t>(bytes, order, integers(), [](uint8_t value) { return value != 0; });
      break;
    case Stored::i8: convert<int8_t>(bytes, order, integers()); break;
    case Stored::i16: convert<int16_t>(bytes, order, integers()); break;
    case Stored::i32: convert<int32_t>(bytes, order, integers()); break;
    case Stored::i64: convert<int64_t>(bytes, order, integers()); break;
    case Stored::u8: convert<uint8_t>(bytes, order, integers()); break;
    case Stored::u16: convert<uint16_t>(bytes, order, integers()); break;
    case Stored::u32: convert<uint32_t>(bytes, order, integers()); break;
  }
  return tensor;
}

float float_from_half(uint16_t bits) {
  const uint32_t sign = uint32_t{bits} >> 15 << 31;
  const uint32_t exponent = bits >> 10 & 0x1F;
  const uint32_t fraction = bits & 0x3FF;

  // Zero and subnormal numbers: fraction * 2^-24, which float holds exactly
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  // Infinity and NaN keep their fraction; other exponents move from bias 15 to bias 127
  const uint32_t wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

}  // namespace limpid
