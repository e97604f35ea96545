// tests/tensor/print_test.cpp: tensors as text.
#include "framework/core/error.h"
#include "framework/tensor/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace limpid {

TEST_CASE("to_string: type, shape and nested values") {
  CHECK(to_string(Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6})) == "f32 [2, 3] [[1, 2, 3], [4, 5, 6]]");
  CHECK(to_string(Tensor::scalar(2.5, DType::f64)) == "f64 [] 2.5");
  CHECK(
      to_string(Tensor::of_integers({2}, {-7, int64_t{1} << 62})) ==
      "i64 [2] [-7, 4611686018427387904]");
  CHECK(to_string(Tensor::zeros({0})) == "f32 [0] []");
  CHECK(to_string(Tensor::zeros({2, 0, 3})) == "f32 [2, 0, 3] [[], []]");
  CHECK(to_string(Tensor()) == "undefined");
}

TEST_CASE("to_string: the shortest number that reads back, per type") {
  const Tensor t = Tensor::of({4}, {0.1, 1.0 / 3, 1e-30, -1.5}, DType::f64);
  CHECK(to_string(t) == "f64 [4] [0.1, 0.3333333333333333, 1e-30, -1.5]");
  CHECK(to_string(Tensor::of({2}, {0.1, 1.0 / 3})) == "f32 [2] [0.1, 0.33333334]");
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(to_string(Tensor::of({3}, {inf, -inf, std::nan("")})) == "f32 [3] [inf, -inf, nan]");
  CHECK(
      to_string(Tensor::of({1}, {-2.2250738585072014e-308}, DType::f64)) ==
      "f64 [1] [-2.2250738585072014e-308]");
}

TEST_CASE("to_string: every dimension is cut after `limit` entries") {
  Tensor t = Tensor::empty({3, 10}, DType::i64);
  for (int64_t i = 0; i < 30; ++i) t.mutable_data<int64_t>()[i] = i;
  CHECK(to_string(t, 2) == "i64 [3, 10] [[0, 1, ...], [10, 11, ...], ...]");
  CHECK(to_string(t, 3) == "i64 [3, 10] [[0, 1, 2, ...], [10, 11, 12, ...], [20, 21, 22, ...]]");
  CHECK(to_string(t, 0) == "i64 [3, 10] [...]");
  CHECK(to_string(t).find("0, 1, 2, 3, 4, 5, 6, 7, ...]") != std::string::npos);  // default: 8
  CHECK(to_string(Tensor::zeros({1000000})).size() < 100);
  CHECK(to_string(Tensor::zeros({2, 2, 2}), 1) == "f32 [2, 2, 2] [[[0, ...], ...], ...]");
  CHECK_THROWS_WITH_AS(
      to_string(t, -1), "to_string: needs a limit of at least 0, got -1", ValueError);
}

}  // namespace limpid
