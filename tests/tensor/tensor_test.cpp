// tests/tensor/tensor_test.cpp: factories, access, the few writes, and what handles share.
#include "framework/tensor/tensor.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>

namespace limpid {
namespace {

using Values = std::vector<double>;
constexpr DType kAllTypes[] = {DType::f32, DType::f64, DType::i64};

}  // namespace

TEST_CASE("tensor: factories give shape, type and values") {
  for (const DType dtype : kAllTypes) {
    CHECK(Tensor::empty({2, 3}, dtype).shape() == Shape({2, 3}));
    CHECK(Tensor::empty({2, 3}, dtype).dtype() == dtype);
    CHECK(Tensor::full({2}, 7, dtype).to_vector() == Values{7, 7});
    CHECK(Tensor::zeros({3}, dtype).to_vector() == Values{0, 0, 0});
    CHECK(Tensor::ones({1, 2}, dtype).to_vector() == Values{1, 1});
    CHECK(Tensor::scalar(5, dtype).shape() == Shape());
    CHECK(Tensor::scalar(5, dtype).item() == 5);
    CHECK(Tensor::of({2, 2}, {1, 2, 3, 4}, dtype).to_vector() == Values{1, 2, 3, 4});
    CHECK(Tensor::zeros({2, 0}, dtype).numel() == 0);
    CHECK(Tensor::zeros({2, 0}, dtype).to_vector().empty());
  }
  CHECK(Tensor::zeros({1}).dtype() == DType::f32);
  const Tensor labels = Tensor::of_integers({3}, {4, -5, (int64_t{1} << 62) + 1});
  CHECK(labels.dtype() == DType::i64);
  CHECK(labels.data<int64_t>()[2] == (int64_t{1} << 62) + 1);  // not through double
  CHECK(Tensor::of({2}, {0.1, 1e300}, DType::f64).to_vector() == Values{0.1, 1e300});
  CHECK(Tensor::of({1}, {0.1}).item() == static_cast<double>(0.1F));
  CHECK(Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}).data<float>()[4] == 5);  // row-major

  CHECK_THROWS_WITH_AS(
      Tensor::of({2, 2}, {1, 2, 3}), "tensor: 3 values do not fill [2, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(
      Tensor::of_integers({2}, {1, 2, 3}), "tensor: 3 values do not fill [2]", ShapeError);
}

TEST_CASE("tensor: random factories draw from the generator given") {
  Rng rng(3), same(3);
  std::vector<float> expected(6);
  same.uniform(std::span<float>(expected), 2, 3);
  const Tensor u = Tensor::uniform({2, 3}, rng, 2, 3);
  CHECK(std::equal(expected.begin(), expected.end(), u.data<float>()));
  std::vector<double> expected_normal(4);
  same.normal(std::span<double>(expected_normal), 1, 2);
  CHECK(Tensor::normal({4}, rng, 1, 2, DType::f64).to_vector() == expected_normal);
  CHECK_THROWS_WITH_AS(
      Tensor::uniform({2}, rng, 0, 1, DType::i64), "uniform: needs f32 or f64, got i64",
      DTypeError);
  CHECK_THROWS_AS(Tensor::normal({2}, rng, 0, 1, DType::i64), DTypeError);
}

TEST_CASE("tensor: form and access") {
  Tensor t = Tensor::zeros({2, 3, 4});
  CHECK(t.rank() == 3);
  CHECK(t.numel() == 24);
  CHECK(t.size(1) == 3);
  CHECK(t.size(-1) == 4);
  CHECK(t.bytes().size() == 96);
  CHECK_THROWS_WITH_AS(t.size(3), "size: no dimension 3 in [2, 3, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(t.data<double>(), "data: tensor is f32, asked for f64", DTypeError);
  CHECK_THROWS_WITH_AS(t.mutable_data<int64_t>(), "data: tensor is f32, asked for i64", DTypeError);
  t.mutable_data<float>()[23] = 2;
  CHECK(t.values<float>()[23] == 2);

  CHECK(Tensor::full({1, 1, 1}, 9).item() == 9);
  CHECK(Tensor::of_integers({1}, {-3}).item() == -3);
  CHECK_THROWS_WITH_AS(t.item(), "item: needs exactly one element, got [2, 3, 4]", ShapeError);
  CHECK_THROWS_AS(Tensor::zeros({0}).item(), ShapeError);
}

TEST_CASE("tensor: every use of an undefined one throws GraphError") {
  Tensor none;
  CHECK_FALSE(none.defined());
  CHECK_FALSE(none.requires_gradient());
  const std::string text = "tensor: undefined (default-constructed) tensor used";
  CHECK_THROWS_WITH_AS(none.shape(), text.c_str(), GraphError);
  CHECK_THROWS_AS(none.dtype(), GraphError);
  CHECK_THROWS_AS(none.rank(), GraphError);
  CHECK_THROWS_AS(none.numel(), GraphError);
  CHECK_THROWS_AS(none.size(0), GraphError);
  CHECK_THROWS_AS(none.data<float>(), GraphError);
  CHECK_THROWS_AS(none.mutable_data<float>(), GraphError);
  CHECK_THROWS_AS(none.values<float>(), GraphError);
  CHECK_THROWS_AS(none.item(), GraphError);
  CHECK_THROWS_AS(none.to_vector(), GraphError);
  CHECK_THROWS_AS(none.bytes(), GraphError);
  CHECK_THROWS_AS(none.clone(), GraphError);
  CHECK_THROWS_AS(none.detach(), GraphError);
  CHECK_THROWS_AS(none.buffer(), GraphError);
  CHECK_THROWS_AS(none.node(), GraphError);
  CHECK_THROWS_AS(none.require_gradient(), GraphError);
  CHECK_THROWS_AS(none.assign(Tensor::zeros({1})), GraphError);
  CHECK_THROWS_AS(none.set_gradient(Tensor::zeros({1})), GraphError);
  CHECK_FALSE(none.gradient().defined());
  CHECK_NOTHROW(none.clear_gradient());

  Tensor some = Tensor::ones({1});
  CHECK_THROWS_AS(some.assign(none), GraphError);
  CHECK_THROWS_AS(some + none, GraphError);
  CHECK_THROWS_AS(exp(none), GraphError);
  CHECK(some.item() == 1);
}

TEST_CASE("tensor: assign copies, converts and counts as one write or more") {
  for (const DType to : kAllTypes) {
    for (const DType from : kAllTypes) {
      Tensor target = Tensor::zeros({2, 2}, to);
      const uint64_t before = target.buffer().writes();
      target.assign(Tensor::of({2, 2}, {1, -2, 3, 1000}, from));
      CHECK(target.to_vector() == Values{1, -2, 3, 1000});
      CHECK(target.dtype() == to);
      CHECK(target.buffer().writes() > before);
    }
  }
  Tensor whole = Tensor::zeros({2}, DType::i64);
  whole.assign(Tensor::of({2}, {1.9, -1.9}, DType::f64));  // as a C++ conversion: towards zero
  CHECK(whole.to_vector() == Values{1, -1});
  Tensor rounded = Tensor::zeros({1});
  rounded.assign(Tensor::of({1}, {1 + 0x1p-30}, DType::f64));
  CHECK(rounded.item() == 1);

  Tensor fixed = Tensor::ones({2, 3});
  CHECK_THROWS_WITH_AS(
      fixed.assign(Tensor::zeros({3, 2})), "assign: shapes differ ([2, 3], [3, 2])", ShapeError);
  CHECK(fixed.to_vector() == Values(6, 1));
  fixed.assign(fixed);
  CHECK(fixed.to_vector() == Values(6, 1));
}

TEST_CASE("tensor: copies are handles, detach shares values, clone does not") {
  Tensor a = Tensor::of({3}, {1, 2, 3}).require_gradient();
  const Tensor handle = a;
  const Tensor cut = a.detach();
  const Tensor copy = a.clone();
  CHECK(handle.is(a));
  CHECK_FALSE(cut.is(a));
  CHECK(cut.buffer().shares_block(a.buffer()));
  CHECK_FALSE(copy.buffer().shares_block(a.buffer()));
  CHECK(handle.requires_gradient());
  CHECK_FALSE(cut.requires_gradient());
  CHECK_FALSE(copy.requires_gradient());

  a.assign(Tensor::of({3}, {7, 8, 9}));
  CHECK(handle.to_vector() == Values{7, 8, 9});
  CHECK(cut.to_vector() == Values{7, 8, 9});
  CHECK(copy.to_vector() == Values{1, 2, 3});

  const Tensor view = a.viewed_as({3, 1});
  CHECK(view.shape() == Shape({3, 1}));
  CHECK(view.buffer().shares_block(a.buffer()));
  CHECK_FALSE(view.requires_gradient());

  // A moved-from handle is undefined, not broken
  Tensor source = Tensor::ones({1});
  const Tensor target = std::move(source);
  CHECK(target.item() == 1);
}

TEST_CASE("tensor: wrap sees the bytes of the buffer") {
  const Buffer buffer = Buffer::allocate(4 * 6);
  Tensor whole = Tensor::wrap(buffer, {6}, DType::f32);
  whole.assign(Tensor::of({6}, {0, 1, 2, 3, 4, 5}));
  const Tensor tail = Tensor::wrap(buffer.from(4 * 4), {2}, DType::f32);
  CHECK(tail.to_vector() == Values{4, 5});
}

TEST_CASE("tensor: gradients belong to leaves, with their shape and type") {
  Tensor w = Tensor::of({2}, {1, 2}).require_gradient();
  CHECK(w.requires_gradient());
  CHECK_FALSE(w.gradient().defined());
  w.set_gradient(Tensor::of({2}, {5, 6}));
  CHECK(w.gradient().to_vector() == Values{5, 6});
  CHECK(Tensor(w).gradient().to_vector() == Values{5, 6});  // every handle sees it
  w.require_gradient();                                     // again: nothing is lost
  CHECK(w.gradient().defined());
  w.clear_gradient();
  CHECK_FALSE(w.gradient().defined());

  CHECK_THROWS_WITH_AS(
      w.set_gradient(Tensor::zeros({3})), "set_gradient: gradient [3] does not fit tensor [2]",
      ShapeError);
  CHECK_THROWS_WITH_AS(
      w.set_gradient(Tensor::zeros({2}, DType::f64)),
      "set_gradient: gradient is f64, tensor is f32", DTypeError);
  CHECK_THROWS_WITH_AS(
      Tensor::zeros({2}).set_gradient(Tensor::zeros({2})),
      "set_gradient: the tensor does not require a gradient", GraphError);
  CHECK_THROWS_WITH_AS(
      Tensor::zeros({2}, DType::i64).require_gradient(),
      "require_gradient: i64 tensors carry no gradient", DTypeError);
}

TEST_CASE("tensor: a graph refuses a kept value that was overwritten") {
  Tensor w = Tensor::of({2}, {3, 4}).require_gradient();
  const Tensor fine = sum(w * w);
  CHECK(grad(fine, w).to_vector() == Values{6, 8});
  const Tensor stale = sum(w * w);
  w.assign(Tensor::zeros({2}));
  CHECK_THROWS_AS(grad(stale, w), GraphError);
}

TEST_CASE("tensor: nothing recorded, nothing leaked") {
  const MemoryStatistics before = memory();
  {
    Tensor w = Tensor::ones({100}).require_gradient();
    const Tensor y = sum(exp(w) * w);
    backward(y);
    CHECK(memory().live_blocks > before.live_blocks);
  }
  CHECK(memory().live_blocks == before.live_blocks);
  CHECK(memory().live_bytes == before.live_bytes);
  CHECK(memory().held_bytes == before.held_bytes);
}

}  // namespace limpid
