// tests/core/shape_test.cpp: sizes, limits, axes and the broadcasting rule.
#include "framework/core/shape.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <vector>

namespace limpid {

TEST_CASE("shape: rank, sizes, element count and text") {
  const Shape scalar;
  CHECK(scalar.rank() == 0);
  CHECK(scalar.numel() == 1);
  CHECK(to_string(scalar) == "[]");

  const Shape s = {2, 3, 4};
  CHECK(s.rank() == 3);
  CHECK(s[0] == 2);
  CHECK(s[2] == 4);
  CHECK(s.numel() == 24);
  CHECK(to_string(s) == "[2, 3, 4]");
  CHECK(std::vector<int64_t>(s.sizes().begin(), s.sizes().end()) == std::vector<int64_t>{2, 3, 4});
  CHECK(Shape({2, 0, 4}).numel() == 0);

  CHECK(s == Shape({2, 3, 4}));
  CHECK(s != Shape({2, 3}));
  CHECK(Shape({2, 3}) != Shape({2, 3, 1}));
  CHECK(Shape({6}) != Shape({2, 3}));
  CHECK(s.with(1, 7) == Shape({2, 7, 4}));
  CHECK(s == Shape({2, 3, 4}));  // with() left it alone
}

TEST_CASE("shape: negative sizes, rank over six and more than 2^62 elements are refused") {
  constexpr int64_t kHuge = int64_t{1} << 62;
  CHECK_THROWS_WITH_AS(Shape({2, -1}), "shape: negative size -1", ShapeError);
  CHECK_THROWS_WITH_AS(
      Shape({1, 1, 1, 1, 1, 1, 1}), "shape: rank 7 exceeds the maximum of 6", ShapeError);
  CHECK(Shape({1, 1, 1, 1, 1, 1}).rank() == 6);

  CHECK(Shape({kHuge}).numel() == kHuge);
  CHECK(Shape({int64_t{1} << 31, int64_t{1} << 31}).numel() == kHuge);
  CHECK_THROWS_WITH_AS(Shape({kHuge + 1}), "shape: more than 2^62 elements", ShapeError);
  CHECK_THROWS_AS(Shape({kHuge, 2}), ShapeError);
  // 2^64 elements wrap to 0 in 64 bits; an empty dimension must not hide them
  CHECK_THROWS_AS(Shape({int64_t{1} << 32, int64_t{1} << 32}), ShapeError);
  CHECK_THROWS_AS(Shape({0, int64_t{1} << 32, int64_t{1} << 32}), ShapeError);
  CHECK_THROWS_AS(Shape({2, 3}).with(0, kHuge), ShapeError);
  CHECK_THROWS_AS(Shape({2, 3}).with(0, -2), ShapeError);
}

TEST_CASE("axes: negative numbers count from the end; each dimension once") {
  const Shape s = {2, 3, 4};
  const auto flags = Axes({-1, 0}).flags("sum", s);
  CHECK(flags[0]);
  CHECK_FALSE(flags[1]);
  CHECK(flags[2]);
  CHECK_THROWS_WITH_AS(
      Axes({1, -2}).flags("sum", s), "sum: dimension 1 named twice ([2, 3, 4])", ShapeError);
  CHECK_THROWS_WITH_AS(Axes({3}).flags("sum", s), "sum: no dimension 3 in [2, 3, 4]", ShapeError);
  CHECK_THROWS_AS(Axes({0, 0, 0, 0, 0, 0, 0}), ShapeError);

  CHECK(resolve_axis("size", 0, s) == 0);
  CHECK(resolve_axis("size", -3, s) == 0);
  CHECK(resolve_axis("size", -1, s) == 2);
  CHECK_THROWS_WITH_AS(
      resolve_axis("size", -4, s), "size: no dimension -4 in [2, 3, 4]", ShapeError);
  CHECK_THROWS_AS(resolve_axis("size", 0, Shape()), ShapeError);
}

TEST_CASE("broadcast: numpy's rule, symmetric") {
  struct Case {
    Shape a, b, out;
  };
  const std::vector<Case> cases = {
      {{2, 3}, {2, 3}, {2, 3}},       {{2, 3}, {3}, {2, 3}},
      {{2, 1}, {3}, {2, 3}},          {{}, {4, 5}, {4, 5}},
      {{5, 1, 7}, {6, 1}, {5, 6, 7}}, {{1}, {0}, {0}},  // one row meets no rows: no rows
      {{2, 0, 3}, {1, 3}, {2, 0, 3}}, {{2, 1, 1, 1, 1, 1}, {3}, {2, 1, 1, 1, 1, 3}},
  };
  for (const Case& c : cases) {
    CHECK(broadcast("add", c.a, c.b) == c.out);
    CHECK(broadcast("add", c.b, c.a) == c.out);
  }
  CHECK_THROWS_WITH_AS(
      broadcast("add", {2, 3}, {2, 4}), "add: cannot broadcast [2, 3] with [2, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(
      broadcast("mul", {3, 2}, {3}), "mul: cannot broadcast [3, 2] with [3]", ShapeError);
  CHECK_THROWS_AS(broadcast("add", {2}, {0}), ShapeError);
  // Both fit, the product of the two does not
  CHECK_THROWS_AS(broadcast("add", {int64_t{1} << 40, 1}, {int64_t{1} << 40}), ShapeError);
}

TEST_CASE("split_at: sizes before, at and after an axis") {
  const AxisSplit middle = split_at({2, 3, 4, 5}, 2);
  CHECK(middle.outer == 6);
  CHECK(middle.size == 4);
  CHECK(middle.inner == 5);
  const AxisSplit first = split_at({2, 3}, 0);
  CHECK(first.outer == 1);
  CHECK(first.size == 2);
  CHECK(first.inner == 3);
  CHECK(split_at({2, 0}, 0).inner == 0);
}

}  // namespace limpid
