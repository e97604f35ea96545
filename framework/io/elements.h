// framework/io/elements.h: the element types that files hold, and their way into a Tensor.
//
// f32, f64 and i64 are taken as they are; every other type is widened to the one of these three
// that holds all its values: short floats to f32, short integers and truth values to i64.
#pragma once

#include "framework/tensor/tensor.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace limpid {

/// Element types of files.
enum class Stored : uint8_t { f16, bf16, f32, f64, boolean, i8, i16, i32, i64, u8, u16, u32 };

/// Bytes of one element, and the type of the Tensor that holds it.
int64_t size_of(Stored type);
DType widened(Stored type);

/// Bytes of an array, or nothing if a size is negative, the elements are more than 2^62 (the limit
/// of Shape) or the bytes more than 2^63 - 1. Empty dimensions count as 1 here, so that sizes like
/// [0, huge, huge] are refused too.
std::optional<int64_t> stored_bytes(std::span<const int64_t> sizes, Stored type);

/// A tensor of the widened type from exactly stored_bytes(shape, type) bytes.
Tensor tensor_from(
    std::span<const std::byte> bytes, const Shape& shape, Stored type,
    std::endian order = std::endian::little);

/// The value of an IEEE binary16 number: 1 sign bit, 5 exponent bits, 10 fraction bits.
float float_from_half(uint16_t bits);

}  // namespace limpid
