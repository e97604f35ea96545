// tests/tensor/integers_test.cpp: ranges, and lists to tensors and back.
#include "framework/tensor/integers.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

using namespace limpid;
using List = std::vector<int64_t>;

TEST_CASE("index_range: from begin to before end") {
  CHECK(index_range(0, 4) == List{0, 1, 2, 3});
  CHECK(index_range(-1, 1) == List{-1, 0});
  CHECK(index_range(5, 5).empty());
}

TEST_CASE("integers: a list becomes a tensor and comes back") {
  const List list = {4, -2, int64_t{1} << 60};  // beyond what a double holds exactly
  const Tensor tensor = integer_tensor(list);
  CHECK(tensor.dtype() == DType::i64);
  CHECK(tensor.shape() == Shape{3});
  CHECK(to_integers(tensor) == list);
  CHECK_THROWS_AS(to_integers(Tensor::zeros({2})), DTypeError);
}
