// tests/datasets/batches_test.cpp: every epoch is a permutation, every batch a pure function.
#include "datasets/batches.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/tensor/integers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

namespace limpid::datasets {
namespace {

// n images [2, 1, 2] whose values tell their position; label i % 3.
Dataset numbered(int64_t n) {
  Dataset out;
  out.name = "numbered";
  Tensor values = Tensor::empty({n, 2, 1, 2});
  std::iota(values.mutable_data<float>(), values.mutable_data<float>() + 4 * n, 0.0F);
  out.images = values;
  out.labels = Tensor::empty({n}, DType::i64);
  for (int64_t i = 0; i < n; ++i) out.labels.mutable_data<int64_t>()[i] = i % 3;
  out.classes = 3;
  out.class_names = numbered_classes(3);
  return out;
}

std::vector<int64_t> order_of(Batches& batches, int64_t epoch) {
  std::vector<int64_t> order;
  for (int64_t k = 0; k < batches.count(); ++k) {
    const Batch batch = batches.get(epoch, k);
    order.insert(order.end(), batch.indices.begin(), batch.indices.end());
  }
  return order;
}

}  // namespace

TEST_CASE("batches: every example once per epoch, in another order each time") {
  Batches batches(numbered(23), {.batch = 5, .seed = 1});
  CHECK(batches.examples() == 23);
  const auto one = order_of(batches, 0), two = order_of(batches, 1);
  CHECK(std::ranges::is_permutation(one, index_range(0, 23)));
  CHECK(std::ranges::is_permutation(two, index_range(0, 23)));
  CHECK(one != index_range(0, 23));
  CHECK(one != two);
  CHECK(one == Rng(1).child(0).permutation(23));

  Batches same(numbered(23), {.batch = 7, .seed = 1}), other(numbered(23), {.seed = 2});
  CHECK(order_of(same, 0) == one);
  CHECK(order_of(other, 0) != one);

  Batches plain(numbered(23), {.batch = 5, .shuffle = false});
  CHECK(order_of(plain, 0) == index_range(0, 23));
  CHECK(order_of(plain, 9) == index_range(0, 23));
}

TEST_CASE("batches: a batch is a function of epoch and index, whatever was asked before") {
  Batches batches(numbered(30), {.batch = 4, .seed = 5});
  const Batch expected = batches.get(3, 2);
  batches.get(0, 0);
  batches.get(7, 6);
  CHECK(batches.get(3, 2).indices == expected.indices);
  Batches fresh(numbered(30), {.batch = 4, .seed = 5});
  const Batch again = fresh.get(3, 2);
  CHECK(again.indices == expected.indices);
  CHECK(std::ranges::equal(again.inputs.bytes(), expected.inputs.bytes()));
  CHECK(std::ranges::equal(again.labels.bytes(), expected.labels.bytes()));
}

TEST_CASE("batches: the last short batch is kept, a remainder of 1 joins the batch before") {
  const auto sizes = [](int64_t n, int64_t batch) {
    Batches batches(numbered(n), {.batch = batch});
    std::vector<int64_t> out;
    for (int64_t k = 0; k < batches.count(); ++k) out.push_back(batches.get(0, k).labels.numel());
    return out;
  };
  CHECK(sizes(8, 4) == std::vector<int64_t>{4, 4});
  CHECK(sizes(9, 4) == std::vector<int64_t>{4, 5});
  CHECK(sizes(10, 4) == std::vector<int64_t>{4, 4, 2});
  CHECK(sizes(5, 4) == std::vector<int64_t>{5});
  CHECK(sizes(3, 4) == std::vector<int64_t>{3});
  CHECK(sizes(1, 4) == std::vector<int64_t>{1});
  CHECK(sizes(3, 1) == std::vector<int64_t>{1, 1, 1});
}

TEST_CASE("batches: inputs, labels and positions belong together") {
  Batches raw(numbered(10), {.batch = 4, .seed = 2});
  Batches scaled(numbered(10), {.batch = 4, .seed = 2, .mean = {2, 3}, .std = {4, 0.5}});
  for (int64_t k = 0; k < raw.count(); ++k) {
    const Batch a = raw.get(0, k), b = scaled.get(0, k);
    CHECK(a.inputs.shape() == Shape{std::ssize(a.indices), 2, 1, 2});
    for (size_t i = 0; i < a.indices.size(); ++i) {
      CHECK(a.labels.values<int64_t>()[i] == a.indices[i] % 3);
      const auto x = a.inputs.values<float>().subspan(4 * i, 4);
      const auto y = b.inputs.values<float>().subspan(4 * i, 4);
      CHECK(x[0] == static_cast<float>(4 * a.indices[i]));
      CHECK(y[0] == (x[0] - 2) / 4);
      CHECK(y[1] == (x[1] - 2) / 4);
      CHECK(y[2] == (x[2] - 3) / 0.5F);
      CHECK(y[3] == (x[3] - 3) / 0.5F);
    }
  }
}

TEST_CASE("batches: a table is standardised per feature") {
  Dataset table = numbered(2);
  table.images = Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6});
  Batches batches(table, {.shuffle = false, .mean = {1, 2, 3}, .std = {3, 1, 1}});
  CHECK(batches.get(0, 0).inputs.to_vector() == std::vector<double>{0, 0, 0, 1, 3, 3});
}

TEST_CASE("batches: wrong settings and positions") {
  CHECK_THROWS_AS(Batches(numbered(4), {.batch = 0}), ValueError);
  CHECK_THROWS_AS(Batches(numbered(4), {.batch = -3}), ValueError);
  CHECK_THROWS_AS(Batches(Dataset{}), ValueError);
  CHECK_THROWS_AS(Batches(numbered(4), {.mean = {0}, .std = {1}}), ShapeError);
  CHECK_THROWS_AS(Batches(numbered(4), {.mean = {0, 0}}), ShapeError);
  CHECK_THROWS_AS(Batches(numbered(4), {.mean = {0, 0}, .std = {1, 0}}), ValueError);
  Batches batches(numbered(4), {.batch = 2});
  CHECK_THROWS_AS(batches.get(-1, 0), ValueError);
  CHECK_THROWS_AS(batches.get(0, -1), ValueError);
  CHECK_THROWS_AS(batches.get(0, 2), ValueError);
}

TEST_CASE("batches: bitwise the same at 1 and 3 threads") {
  Batch result[2];
  for (const int k : {0, 1}) {
    const parallel::ThreadLimit limit(k == 0 ? 1 : 3);
    Batches batches(numbered(40000), {.batch = 30000, .seed = 9, .mean = {1, 2}, .std = {3, 4}});
    result[k] = batches.get(4, 0);
  }
  CHECK(result[0].indices == result[1].indices);
  CHECK(std::ranges::equal(result[0].inputs.bytes(), result[1].inputs.bytes()));
  CHECK(std::ranges::equal(result[0].labels.bytes(), result[1].labels.bytes()));
}

TEST_CASE("batches: the parts of a batch, one after the other, are the batch, augmented as it is") {
  BatchOptions options{.batch = 5, .seed = 3, .augmentation = augmentation_named("flip,noise:0.1")};
  Batches whole(numbered(13), options);
  for (const int parts : {2, 3, 7}) {  // 7: some parts are empty
    options.parts = parts;
    for (int64_t index = 0; index < whole.count(); ++index) {
      const Batch batch = whole.get(2, index);
      CHECK(batch.share.of == 0);
      std::vector<int64_t> indices;
      std::vector<double> inputs, labels;
      for (options.part = 0; options.part < parts; ++options.part) {
        Batches own(numbered(13), options);
        CHECK(own.count() == whole.count());
        const Batch part = own.get(2, index);
        CHECK(part.share.of == std::ssize(batch.indices));
        CHECK(part.share.begin == std::ssize(indices));
        CHECK(part.share.size() == std::ssize(part.indices));
        CHECK(part.inputs.size(0) == part.share.size());
        indices.insert(indices.end(), part.indices.begin(), part.indices.end());
        for (const double value : part.inputs.to_vector()) inputs.push_back(value);
        for (const double value : part.labels.to_vector()) labels.push_back(value);
      }
      CHECK(indices == batch.indices);
      CHECK(inputs == batch.inputs.to_vector());
      CHECK(labels == batch.labels.to_vector());
    }
  }
  options.part = 7;
  CHECK_THROWS_AS(Batches(numbered(13), options), ValueError);
}

}  // namespace limpid::datasets
