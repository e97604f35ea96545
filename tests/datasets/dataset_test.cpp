// tests/datasets/dataset_test.cpp: selecting, splitting and describing sets of examples.
#include "datasets/dataset.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace limpid::datasets {
namespace {

// Features [N, 2] = (i, 10 i) with these labels, and a mask [N, 1, 1, 1] = i.
Dataset toy(const std::vector<int64_t>& labels, int64_t classes) {
  const int64_t n = std::ssize(labels);
  Dataset out;
  out.name = "toy";
  Tensor features = Tensor::empty({n, 2});
  out.masks = Tensor::empty({n, 1, 1, 1});
  for (int64_t i = 0; i < n; ++i) {
    features.mutable_data<float>()[2 * i] = static_cast<float>(i);
    features.mutable_data<float>()[2 * i + 1] = static_cast<float>(10 * i);
    out.masks.mutable_data<float>()[i] = static_cast<float>(i);
  }
  out.images = features;
  out.labels = Tensor::of_integers({n}, labels);
  out.classes = classes;
  out.class_names = numbered_classes(classes);
  return out;
}

// Which examples of a toy set are in a part of it.
std::vector<double> members(const Dataset& part) { return part.masks.to_vector(); }

}  // namespace

TEST_CASE("dataset: take keeps images, labels and masks together") {
  const Dataset set = toy({0, 1, 2, 1}, 3);
  CHECK(set.size() == 4);
  CHECK(set.example_shape() == Shape{2});
  const std::vector<int64_t> indices = {3, 0, 3};
  const Dataset part = take(set, indices);
  CHECK(part.images.tensor().to_vector() == std::vector<double>{3, 30, 0, 0, 3, 30});
  CHECK(part.labels.to_vector() == std::vector<double>{1, 0, 1});
  CHECK(part.masks.shape() == Shape{3, 1, 1, 1});
  CHECK(members(part) == std::vector<double>{3, 0, 3});
  CHECK(part.classes == 3);
  CHECK(part.name == "toy");
}

TEST_CASE("dataset: take refuses positions that do not exist") {
  const Dataset set = toy({0, 1}, 2);
  CHECK_THROWS_AS(take(set, std::vector<int64_t>{2}), ValueError);
  CHECK_THROWS_AS(take(set, std::vector<int64_t>{-1}), ValueError);
  CHECK_THROWS_AS(take(set, std::vector<int64_t>{}), ValueError);
}

TEST_CASE("dataset: the first examples, or all of them") {
  const Dataset set = toy({0, 1, 2, 1}, 3);
  CHECK(members(first(set, 2)) == std::vector<double>{0, 1});
  CHECK(members(first(set, 9)) == members(set));
  CHECK_THROWS_AS(first(set, 0), ValueError);
}

TEST_CASE("dataset: an empty set is a ValueError everywhere") {
  const Dataset empty;
  CHECK(empty.size() == 0);
  CHECK(empty.is_empty());
  CHECK_THROWS_AS(take(empty, std::vector<int64_t>{0}), ValueError);
  CHECK_THROWS_AS(limit_balanced(empty, 1), ValueError);
  CHECK_THROWS_AS(stratified_split(empty, 0.5, 0), ValueError);
  CHECK_THROWS_AS(class_counts(empty), ValueError);
  CHECK_THROWS_AS(channel_statistics(empty), ValueError);
  CHECK_THROWS_WITH_AS(
      check_dataset("train", empty), "train: the data set holds no examples", ValueError);
}

TEST_CASE("dataset: an inconsistent set is refused") {
  Dataset set = toy({0, 1}, 2);
  SUBCASE("labels") {
    set.labels = Tensor::of_integers({3}, {0, 1, 0});
    CHECK_THROWS_AS(check_dataset("op", set), ShapeError);
  }
  SUBCASE("masks") {
    set.masks = Tensor::zeros({1, 1, 1, 1});
    CHECK_THROWS_AS(check_dataset("op", set), ShapeError);
  }
  SUBCASE("type") {
    set.images = Tensor::zeros({2, 2}, DType::f64);
    CHECK_THROWS_AS(check_dataset("op", set), DTypeError);
  }
  SUBCASE("classes") {
    set.classes = 1;
    set.class_names = {"only"};
    CHECK_THROWS_AS(check_dataset("op", set), ValueError);
  }
  SUBCASE("names") {
    set.class_names = {"only"};
    CHECK_THROWS_AS(check_dataset("op", set), ValueError);
  }
  SUBCASE("pixels") {
    set.images = Tensor::zeros({2, 0});
    CHECK_THROWS_AS(check_dataset("op", set), ShapeError);
  }
}

TEST_CASE("dataset: check_labels names file and index") {
  const Tensor labels = Tensor::of_integers({3}, {0, 2, 1});
  CHECK_NOTHROW(check_labels(labels, 3, "file"));
  CHECK_THROWS_WITH_AS(
      check_labels(labels, 2, "file"), "file: label 1: class 2 is out of range, expected 0 to 1",
      FormatError);
}

TEST_CASE("dataset: limit_balanced takes the first of every class in file order") {
  const Dataset set = toy({1, 1, 1, 0, 0, 2, 1, 2, 0, 2}, 3);
  CHECK(members(limit_balanced(set, 3)) == std::vector<double>{0, 3, 5});
  CHECK(members(limit_balanced(set, 6)) == std::vector<double>{0, 1, 3, 4, 5, 7});
  CHECK(class_counts(limit_balanced(set, 7)) == std::vector<int64_t>{3, 2, 2});
  CHECK(class_counts(limit_balanced(set, 8)) == std::vector<int64_t>{3, 3, 2});
  CHECK(class_counts(limit_balanced(set, 1)) == std::vector<int64_t>{1, 0, 0});
  CHECK(limit_balanced(set, 10).size() == 10);
  CHECK(limit_balanced(set, 99).size() == 10);
  CHECK_THROWS_AS(limit_balanced(set, 0), ValueError);

  // Classes that run out leave their places to the others
  const Dataset uneven = toy({0, 0, 0, 0, 1}, 3);
  CHECK(class_counts(limit_balanced(uneven, 4)) == std::vector<int64_t>{3, 1, 0});
}

TEST_CASE("dataset: stratified_split divides every class and loses nothing") {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 100; ++i) labels.push_back(i % 10 == 0 ? 1 : 0);  // 90 and 10
  labels.push_back(2);                                                      // 1
  const Dataset set = toy(labels, 3);
  const Split split = stratified_split(set, 0.2, 7);
  CHECK(class_counts(split.train) == std::vector<int64_t>{72, 8, 1});
  CHECK(class_counts(split.test) == std::vector<int64_t>{18, 2, 0});

  const auto train = members(split.train), test = members(split.test);
  CHECK(std::ranges::is_sorted(train));
  CHECK(std::ranges::is_sorted(test));
  std::set<double> all(train.begin(), train.end());
  all.insert(test.begin(), test.end());
  CHECK(all.size() == 101);

  // A function of the seed
  CHECK(members(stratified_split(set, 0.2, 7).test) == test);
  CHECK(members(stratified_split(set, 0.2, 8).test) != test);
}

TEST_CASE("dataset: stratified_split leaves no class of two without a test example") {
  const Dataset set = toy({0, 0, 1, 1, 1}, 2);
  CHECK(class_counts(stratified_split(set, 0.01, 0).test) == std::vector<int64_t>{1, 1});
  CHECK(class_counts(stratified_split(set, 0.99, 0).train) == std::vector<int64_t>{1, 1});
  CHECK_THROWS_AS(stratified_split(set, 0, 0), ValueError);
  CHECK_THROWS_AS(stratified_split(set, 1, 0), ValueError);
  CHECK_THROWS_AS(stratified_split(set, std::nan(""), 0), ValueError);
  CHECK_THROWS_AS(stratified_split(toy({0, 1}, 2), 0.5, 0), ValueError);
}

TEST_CASE("dataset: channel statistics by hand") {
  Dataset set = toy({0, 1}, 2);
  set.masks = {};
  // Channel 0: 0 1 2 3, mean 1.5, variance (2.25 + 0.25) / 2; channel 1: constant 0.1
  set.images = Tensor::of({2, 2, 1, 2}, {0, 1, 0.1, 0.1, 2, 3, 0.1, 0.1});
  const ChannelStatistics s = channel_statistics(set);
  CHECK(s.mean[0] == 1.5);
  CHECK(s.std[0] == doctest::Approx(std::sqrt(1.25)).epsilon(1e-15));
  CHECK(s.mean[1] == doctest::Approx(static_cast<double>(0.1F)).epsilon(1e-15));
  CHECK(s.std[1] == 1);

  // A table has one channel per feature: 0 1 and 0 10
  const ChannelStatistics table = channel_statistics(toy({0, 1}, 2));
  CHECK(table.mean == std::vector<double>{0.5, 5});
  CHECK(table.std == std::vector<double>{0.5, 5});
}

TEST_CASE("dataset: standardise gives mean 0 and std 1 per channel") {
  Rng rng(3);
  Dataset set = toy(std::vector<int64_t>(50, 0), 1);
  set.masks = {};
  set.images = Tensor::uniform({50, 3, 4, 5}, rng, 2, 9);
  const Tensor before = set.images.tensor().clone();
  set.images = standardise(set.images.tensor(), channel_statistics(set));
  const ChannelStatistics s = channel_statistics(set);
  for (size_t c = 0; c < 3; ++c) {
    CHECK(std::abs(s.mean[c]) < 1e-6);
    CHECK(std::abs(s.std[c] - 1) < 1e-6);
  }
  CHECK(set.images.tensor().numel() == before.numel());
  CHECK_THROWS_AS(standardise(before, {.mean = {0}, .std = {1}}), ShapeError);
  CHECK_THROWS_AS(standardise(before, {.mean = {0, 0, 0}, .std = {1, 0, 1}}), ValueError);
  CHECK_THROWS_AS(standardise(before, {.mean = {0, 0, 0}, .std = {1, -1, 1}}), ValueError);
  CHECK_THROWS_AS(standardise(Tensor::zeros({3}), {.mean = {0}, .std = {1}}), ShapeError);
}

TEST_CASE("dataset: results do not depend on the thread count") {
  Rng rng(4);
  Dataset set = toy(std::vector<int64_t>(3000, 0), 1);
  set.images = Tensor::uniform({3000, 2, 7, 5}, rng, 0, 1);
  ChannelStatistics s[2];
  Tensor x[2];
  for (const int k : {0, 1}) {
    const parallel::ThreadLimit limit(k == 0 ? 1 : 3);
    s[k] = channel_statistics(set);
    x[k] = standardise(set.images.tensor(), s[k]);
  }
  CHECK(s[0].mean == s[1].mean);
  CHECK(s[0].std == s[1].std);
  CHECK(std::ranges::equal(x[0].bytes(), x[1].bytes()));
}

}  // namespace limpid::datasets
