// tests/datasets/npy_pair_test.cpp: inputs and labels from two arrays.
#include "datasets/npy_pair.h"

#include "datasets/catalogue.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "framework/io/npy.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <limits>

namespace limpid::datasets {
namespace {

// An .npy file of unsigned bytes 0, 1, 2, ...
std::string bytes_file(const std::string& shape, int count, const std::string& order = "False") {
  const std::string header =
      "{'descr': '|u1', 'fortran_order': " + order + ", 'shape': " + shape + "}";
  std::string text = std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size()) + '\0';
  text += header;
  for (int i = 0; i < count; ++i) text += static_cast<char>(i);
  return text;
}

Dataset pair(const std::string& x, const std::vector<std::byte>& y) {
  return parse_npy_pair({"X", as_bytes(x)}, {"y", y});
}

std::string error_of(const Tensor& x, const Tensor& y) {
  const std::vector<std::byte> inputs = npy_bytes(x), labels = npy_bytes(y);
  return failure([&] { parse_npy_pair({"X", inputs}, {"y", labels}); });
}

}  // namespace

TEST_CASE("npy pair: unsigned bytes stay bytes, in both memory orders") {
  const auto labels = npy_bytes(Tensor::of_integers({2}, {0, 3}));
  const Dataset set = pair(bytes_file("(2, 2, 3)", 12), labels);
  CHECK(set.images.are_bytes());
  CHECK(set.images.shape() == Shape{2, 1, 2, 3});
  CHECK(set.images.tensor().data<float>()[11] == 11.0F / 255);
  CHECK(set.classes == 4);
  CHECK(set.class_names.size() == 4);
  CHECK_NOTHROW(check_dataset("test", set));

  const Dataset turned = pair(bytes_file("(2, 3)", 6, "True"), labels);
  CHECK(turned.images.are_bytes());
  CHECK(turned.images.tensor().data<float>()[1] == 2.0F / 255);
  CHECK(turned.images.tensor().data<float>()[3] == 1.0F / 255);
}

TEST_CASE("npy pair: other numbers become f32; real labels are targets") {
  TempDir dir;
  const std::string x = dir.file("a,b.npy"), y = dir.file("y.npy");
  Rng rng(1);
  const Tensor inputs = Tensor::normal({10, 3}, rng, 0, 1, DType::f64);
  save_npy(x, inputs);
  save_npy(y, Tensor::of({10, 1}, std::vector<double>(10, 0.5), DType::f64));
  const Dataset set = load_npy_pair(x + "," + y);
  CHECK(set.name == "npy:" + x + "," + y);
  CHECK(set.is_regression());
  CHECK(set.classes == 0);
  CHECK(set.labels.shape() == Shape{10});
  CHECK_FALSE(set.images.are_bytes());
  CHECK(set.images.tensor().data<float>()[4] == static_cast<float>(inputs.data<double>()[4]));

  // Whole numbers are classes, or targets when they are asked for; there is no test part
  save_npy(y, Tensor::of_integers({10}, {0, 1, 0, 1, 0, 1, 0, 1, 0, 1}));
  const std::string spec = "npy:" + x + "," + y;
  CHECK(class_counts(load(spec).train) == std::vector<int64_t>{4, 4});
  CHECK(load(spec, {.is_regression = true}).train.is_regression());
  save_npy(x, Tensor::zeros({10}));
  CHECK(load(spec).train.images.shape() == Shape{8, 1});
}

TEST_CASE("npy pair: what does not fit is refused") {
  const Tensor x = Tensor::zeros({3, 2}), y = Tensor::of_integers({3}, {0, 1, 2});
  CHECK(error_of(x, y) == "");
  CHECK(contains(
      error_of(x, Tensor::of_integers({2}, {0, 1})), "y: 2 labels for the 3 examples of X"));
  CHECK(contains(error_of(x, Tensor::of_integers({3}, {0, -1, 2})), "y: label 1: class -1 is out"));
  CHECK(contains(error_of(x, Tensor::of_integers({3}, {0, 1, 10000})), "expected 0 to 9999"));
  CHECK(
      contains(error_of(x, Tensor::zeros({3, 2})), "y: has shape [3, 2], expected [N] or [N, 1]"));
  CHECK(contains(error_of(x, Tensor::zeros({})), "y: has shape []"));
  CHECK(contains(error_of(Tensor::zeros({}), y), "X: has shape []"));
  CHECK(contains(error_of(Tensor::zeros({3, 1, 1, 1, 1}), y), "X: has shape [3, 1, 1, 1, 1]"));
  CHECK(contains(error_of(Tensor::zeros({0, 2}), y), "X: is empty: [0, 2]"));
  CHECK(contains(error_of(Tensor::zeros({3, 0}), y), "X: is empty"));
  Tensor infinite = x.clone();
  infinite.mutable_data<float>()[5] = std::numeric_limits<float>::infinity();
  CHECK(contains(error_of(infinite, y), "X: value 5: inf is not a finite number"));
  CHECK(contains(error_of(Tensor::full({3, 2}, 1e300, DType::f64), y), "X: value 0: inf"));
  CHECK(contains(
      error_of(x, Tensor::full({3}, std::numeric_limits<double>::quiet_NaN())), "y: value 0: "));
  CHECK_THROWS_AS(pair(bytes_file("(2, 2)", 3), npy_bytes(y)), FormatError);
  for (const char* paths : {"X.npy", "X.npy,", ",y.npy", ","}) {
    CHECK_THROWS_AS(load(std::string("npy:") + paths), ValueError);
  }
  CHECK_THROWS_AS(load("npy:none.npy,none.npy"), FormatError);
}

}  // namespace limpid::datasets
