// tests/core/error_test.cpp: texts and kinds of errors, and the type bridge.
#include "framework/core/error.h"

#include "framework/core/dtype.h"

#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>

namespace limpid {

TEST_CASE("errors: every kind is an Error and a runtime_error") {
  CHECK(std::is_base_of_v<std::runtime_error, Error>);
  CHECK(std::is_base_of_v<Error, ShapeError>);
  CHECK(std::is_base_of_v<Error, DTypeError>);
  CHECK(std::is_base_of_v<Error, ValueError>);
  CHECK(std::is_base_of_v<Error, GraphError>);
  CHECK(std::is_base_of_v<Error, FormatError>);
  CHECK(std::is_base_of_v<Error, NumericError>);
}

TEST_CASE("errors: checks join their parts behind the name of the op") {
  CHECK_THROWS_WITH_AS(
      check_shape(false, "conv2d", 3, " is not ", 4), "conv2d: 3 is not 4", ShapeError);
  CHECK_THROWS_WITH_AS(check_dtype(false, "op", "f32"), "op: f32", DTypeError);
  CHECK_THROWS_WITH_AS(check_value(false, "op", 0.5), "op: 0.5", ValueError);
  CHECK_THROWS_WITH_AS(check_graph(false, "op"), "op: ", GraphError);
  CHECK_THROWS_WITH_AS(raise<Error>("op", 1, '-', 2), "op: 1-2", Error);
  CHECK_NOTHROW(check_shape(true, "op", "unused"));
}

TEST_CASE("errors: FormatError names path and place, NumericError carries the value") {
  const FormatError full("a/b.npy", "byte 12", "bad magic");
  CHECK(std::string(full.what()) == "a/b.npy: byte 12: bad magic");
  const FormatError bare("a/b.npy", "", "empty file");
  CHECK(std::string(bare.what()) == "a/b.npy: empty file");
  const NumericError error("train: the loss is nan", std::nan(""));
  CHECK(std::string(error.what()) == "train: the loss is nan");
  CHECK(std::isnan(error.value()));
  CHECK(NumericError("x", 2.5).value() == 2.5);
}

TEST_CASE("dtype: sizes, names and the bridge to templates") {
  CHECK(size_of(DType::f32) == sizeof(float));
  CHECK(size_of(DType::f64) == sizeof(double));
  CHECK(size_of(DType::i64) == sizeof(int64_t));
  CHECK(std::string(name_of(DType::f32)) == "f32");
  CHECK(std::string(name_of(DType::f64)) == "f64");
  CHECK(std::string(name_of(DType::i64)) == "i64");
  CHECK(is_float(DType::f64));
  CHECK_FALSE(is_float(DType::i64));

  const auto chosen = []<class T>() { return dtype_of<T>; };
  CHECK(visit_float("op", DType::f32, chosen) == DType::f32);
  CHECK(visit_float("op", DType::f64, chosen) == DType::f64);
  CHECK_THROWS_WITH_AS(
      visit_float("exp", DType::i64, chosen), "exp: needs f32 or f64, got i64", DTypeError);
  for (const DType dtype : {DType::f32, DType::f64, DType::i64}) {
    CHECK(visit_any(dtype, chosen) == dtype);
  }
}

}  // namespace limpid
