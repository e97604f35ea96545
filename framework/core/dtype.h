// framework/core/dtype.h: element types, and the one bridge from a run-time type to a template.
#pragma once

#include "framework/core/error.h"

#include <cstdint>

namespace limpid {

/// f32 for training, f64 for gradient checks and numerics, i64 for labels and indices.
enum class DType : uint8_t { f32, f64, i64 };

/// Bytes of one element.
constexpr int64_t size_of(DType dtype) { return dtype == DType::f32 ? 4 : 8; }

/// As in messages and files: "f32".
constexpr const char* name_of(DType dtype) {
  return dtype == DType::f32 ? "f32" : dtype == DType::f64 ? "f64" : "i64";
}

/// Whether the type is f32 or f64.
constexpr bool is_float(DType dtype) { return dtype != DType::i64; }

template <class T>
constexpr DType dtype_of = DType::i64;
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<double> = DType::f64;

/// Calls f<float>() or f<double>(). Throws DTypeError for i64, naming the op.
template <class F>
decltype(auto) visit_float(const char* op, DType dtype, F&& f) {
  check_dtype(is_float(dtype), op, "needs f32 or f64, got ", name_of(dtype));
  return dtype == DType::f32 ? f.template operator()<float>() : f.template operator()<double>();
}

/// Calls f<float>(), f<double>() or f<int64_t>().
template <class F>
decltype(auto) visit_any(DType dtype, F&& f) {
  if (dtype == DType::i64) return f.template operator()<int64_t>();
  return dtype == DType::f32 ? f.template operator()<float>() : f.template operator()<double>();
}

}  // namespace limpid
