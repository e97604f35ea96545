// tests/datasets/csv_test.cpp: tables as people write them, and what is refused.
#include "datasets/csv.h"

#include "datasets/catalogue.h"
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace limpid::datasets {
namespace {

Dataset parse(const std::string& text, const CsvOptions& options = {}) {
  return parse_csv(as_bytes(text), "t.csv", options);
}

std::vector<double> features(const Dataset& set) { return set.images.tensor().to_vector(); }

std::string refusal(const std::string& text, const CsvOptions& options = {}) {
  try {
    parse(text, options);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("csv: numbers and whole-number classes, without a header") {
  const Dataset set = parse("1,2.5,10\n-3e1, +4 ,2\n.5,0,10\n");
  CHECK(set.images.shape() == Shape{3, 2});
  CHECK(features(set) == std::vector<double>{1, 2.5, -30, 4, 0.5, 0});
  CHECK(set.class_names == std::vector<std::string>{"2", "10"});  // numeric, not alphabetic, order
  CHECK(set.labels.to_vector() == std::vector<double>{1, 0, 1});
  check_dataset("test", set);
}

TEST_CASE("csv: header, quotes, CRLF, byte order mark, empty lines, other separators") {
  const Dataset set = parse(
      "\xEF\xBB\xBFheight;\"a; b\";kind\r\n\r\n1;2;\"cat\"\r\n3;4;\"do\"\"g\"\r\n5;6;\"do\"\"g\"");
  CHECK(features(set) == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(set.class_names == std::vector<std::string>{"cat", "do\"g"});
  CHECK(set.labels.to_vector() == std::vector<double>{0, 1, 1});
  CHECK(features(parse("1\t2\ta\n")) == std::vector<double>{1, 2});
}

TEST_CASE("csv: the label column by name and by number") {
  const std::string text = "y,a,b\n7,1,2\n8,3,4\n";
  for (const char* label : {"y", "0"}) {
    const Dataset set = parse(text, {.label = label, .is_regression = true});
    CHECK(features(set) == std::vector<double>{1, 2, 3, 4});
    CHECK(set.labels.dtype() == DType::f32);
    CHECK(set.labels.to_vector() == std::vector<double>{7, 8});
    CHECK(set.classes == 0);
    check_dataset("test", set);
  }
  for (const char* label : {"z", "3", "-1", "0.5"}) {
    CHECK_THROWS_AS(parse(text, {.label = label}), ValueError);
  }
}

TEST_CASE("csv: what is wrong is named with line and column") {
  CHECK(contains(refusal("1,2,a\n1,x,a\n"), "t.csv: line 2: column 1 holds 'x'"));
  CHECK(contains(refusal("p,q,c\n1,2,a\n1,,a\n"), "line 3: column 'q' holds ''"));
  CHECK(contains(refusal("1,2,a\n1,nan,a\n"), "not a finite number"));
  CHECK(contains(refusal("1,2,a\n1,1e99,a\n"), "not a finite number"));
  CHECK(contains(refusal("1,2,a\n1,0x10,a\n"), "'0x10'"));
  CHECK(contains(refusal("1,2,a\n1,2\n"), "line 2: 2 fields, the first line has 3"));
  CHECK(contains(refusal("1,2,a\n1,2,\n"), "line 2: column 2 is empty"));
  CHECK(contains(refusal("1,2,\"a\n"), "line 1: a quote is not closed"));
  CHECK(contains(refusal("1\n2\n"), "one column"));
  CHECK(contains(refusal(""), "holds no examples"));
  CHECK(contains(refusal("\n \n"), "holds no examples"));
  CHECK(contains(refusal("a,b,c\n"), "a header but no examples"));
  CHECK(contains(refusal("1,2,a\n", {.is_regression = true}), "the target is 'a'"));
  std::string many;
  for (int i = 0; i <= 1000; ++i) many += "1," + std::to_string(i) + ".5\n";
  CHECK(contains(refusal(many), "use --task regress"));
  CHECK(refusal(many, {.is_regression = true}) == "accepted");
}

TEST_CASE("csv: targets are split at random, cut as a prefix and never counted") {
  std::string text;
  for (int i = 0; i < 20; ++i) text += std::to_string(i) + "," + std::to_string(i) + "\n";
  const TempDir folder;
  write_file_atomic(folder.file("t.csv"), as_bytes(text));
  const Split split = load(
      "csv:" + folder.file("t.csv"),
      {.test_fraction = 0.25, .limit_train = 6, .is_regression = true});
  CHECK(split.test.size() == 5);
  CHECK(split.train.size() == 6);
  CHECK(split.train.images.tensor().to_vector() == split.train.labels.to_vector());
  CHECK(class_counts(split.train).empty());
  CHECK(std::ranges::is_sorted(split.train.labels.to_vector()));
}

TEST_CASE("csv: classes of any set become targets where numbers are wanted") {
  const Split split = load("moons", {.is_regression = true});
  CHECK(split.train.is_regression());
  CHECK(split.train.classes == 0);
  check_dataset("test", split.test);
}

TEST_CASE("examples: bytes and the tensor they stand for give the same rows") {
  const std::string bytes("\x00\x33\xFF\x05", 4);
  const Examples kept = Examples::of_bytes({2, 1, 2}, as_bytes(bytes), 255);
  const Examples plain(kept.tensor());
  CHECK(kept.are_bytes());
  CHECK_FALSE(plain.are_bytes());
  const std::vector<int64_t> order = {1, 0, 1};
  CHECK(kept.rows(order).to_vector() == plain.rows(order).to_vector());
  CHECK(kept.take(order).tensor().to_vector() == plain.take(order).tensor().to_vector());
  CHECK(kept.rows(1, 2).to_vector() == std::vector<double>{1, static_cast<double>(5.0F / 255)});
  CHECK_THROWS_AS(kept.rows(1, 3), ValueError);
  CHECK_THROWS_AS(kept.rows(std::vector<int64_t>{2}), ValueError);
  CHECK_THROWS_AS(Examples::of_bytes({3}, as_bytes(bytes), 255), ShapeError);
  CHECK_THROWS_AS(Examples::of_bytes({4}, as_bytes(bytes), 0), ValueError);
}

}  // namespace limpid::datasets
