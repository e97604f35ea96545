// tests/datasets/catalogue_test.cpp: names of data sets and the data folder.
#include "datasets/catalogue.h"

#include "framework/core/error.h"
#include "tests/datasets/sample_files.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace fs = std::filesystem;

namespace limpid::datasets {
namespace {

// Sets or unsets an environment variable for a scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) {
    if (value == nullptr) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, value, 1);
    }
  }

  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("catalogue: the sets inside the library load as they are announced") {
  for (const char* name : {"digits", "fashion-2k", "moons", "gaussians", "swiss-roll", "shapes"}) {
    CAPTURE(name);
    const Known* known = find_known(name);
    REQUIRE(known != nullptr);
    const Split split = load(name);
    const bool has_test = known->test > 0;
    CHECK(split.train.name == name);
    CHECK(split.test.name == name);
    CHECK(split.train.size() + (has_test ? 0 : split.test.size()) == known->train);
    CHECK((!has_test || split.test.size() == known->test));
    CHECK(split.train.classes == known->classes);
    CHECK(to_string(split.train.example_shape()) == known->shape);
    CHECK(split.train.class_names == split.test.class_names);
    CHECK_NOTHROW(check_dataset("test", split.train));
    CHECK_NOTHROW(check_dataset("test", split.test));
  }
  CHECK(load("shapes").train.masks.defined());
  CHECK_FALSE(load("digits").train.masks.defined());
}

TEST_CASE("catalogue: synthetic data are constants, and their parts differ") {
  for (const char* name : {"moons", "gaussians", "swiss-roll"}) {
    CAPTURE(name);
    const Split one = load(name), two = load(name, {.split_seed = 5});
    CHECK(std::ranges::equal(one.train.images.tensor().bytes(), two.train.images.tensor().bytes()));
    CHECK_FALSE(std::ranges::equal(
        one.train.images.tensor().bytes().first(64), one.test.images.tensor().bytes().first(64)));
  }
}

TEST_CASE("catalogue: split and limits") {
  const Split split = load("digits", {.test_fraction = 0.5, .limit_train = 20, .limit_test = 15});
  CHECK(class_counts(split.train) == std::vector<int64_t>(10, 2));
  CHECK(split.test.size() == 15);
  CHECK(load("digits", {.test_fraction = 0.5}).test.size() == 901);
  const auto labels = [](uint64_t seed) {
    return load("digits", {.split_seed = seed}).test.labels.to_vector();
  };
  CHECK(labels(1) == labels(1));
  CHECK(labels(1) != labels(2));
  CHECK_THROWS_AS(load("digits", {.test_fraction = 1.5}), ValueError);
  CHECK_THROWS_AS(load("digits", {.limit_train = -1}), ValueError);
  CHECK(load("fashion-2k", {.limit_train = 100000}).train.size() == 2000);
}

TEST_CASE("catalogue: an unknown name lists the known ones") {
  for (const char* name : {"cifar7", "", "Digits", "idx", "idx:FOLDER2"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(load(name), Error);
  }
  const std::string text = failure<ValueError>([] { load("cifar7"); });
  CHECK(contains(text, "unknown data set cifar7; known are digits, fashion-2k, "));
  for (const Known& known : catalogue()) CHECK(contains(text, known.name));
  CHECK(contains(failure<ValueError>([] { load("idx:"); }), "needs a path"));
}

TEST_CASE("catalogue: a set that is not in the data folder") {
  TempDir dir;
  const fs::path data = dir.path();
  const auto load_mnist = [&] { load("mnist", {.data_dir = data.string()}); };
  std::string text = failure<FormatError>(load_mnist);
  CHECK(contains(text, (data / "mnist").string()));
  CHECK(contains(text, "train-images-idx3-ubyte.gz (MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873)"));
  CHECK(contains(text, "t10k-labels-idx1-ubyte.gz (MD5 ec29112dd5afa0611ce80d1b7f02629c)"));
  CHECK(contains(text, "limpid data get mnist"));
  CHECK_FALSE(contains(text, "\n"));

  // Half of it is there
  write_quadruple(data / "mnist", ".gz");
  fs::remove(data / "mnist" / "t10k-labels-idx1-ubyte.gz");
  text = failure<FormatError>(load_mnist);
  CHECK(contains(text, "missing t10k-labels-idx1-ubyte"));
  CHECK(contains(text, "limpid data get mnist"));
}

TEST_CASE("catalogue: sets in the data folder") {
  TempDir dir;
  const fs::path data = dir.path();
  for (const char* name : {"mnist", "fashion-mnist", "kmnist"}) {
    CAPTURE(name);
    write_quadruple(data / name, ".gz");
    const Split split = load(name, {.data_dir = data.string()});
    CHECK(split.train.name == name);
    CHECK(split.train.size() == 3);
    CHECK(split.test.size() == 3);
    CHECK(split.train.classes == 10);
    CHECK(split.train.class_names.size() == 10);
  }
  const Variable own("LIMPID_DATA", data.c_str());
  CHECK(load("kmnist").train.class_names[3] == "tsu");
  CHECK(load("fashion-mnist").test.class_names[1] == "trouser");

  // Ten classes are known, so an eleventh is an error
  write_bytes(
      data / "mnist" / "train-labels-idx1-ubyte.gz", gzip_bytes(sample_labels({1, 10, 2}), ""));
  const std::string text = failure<FormatError>([] { load("mnist"); });
  CHECK(contains(text, "label 1: class 10 is out of range, expected 0 to 9"));
}

TEST_CASE("catalogue: any folder of IDX files; one pair is split") {
  TempDir dir;
  const fs::path folder = dir.path();
  write_bytes(folder / "own-images-idx3-ubyte", idx_bytes({6, 1, 1}, {1, 2, 3, 4, 5, 6}));
  write_bytes(folder / "own-labels-idx1-ubyte", sample_labels({0, 0, 0, 1, 1, 1}));
  const Split split = load("idx:" + folder.string(), {.test_fraction = 0.34});
  CHECK(class_counts(split.train) == std::vector<int64_t>{2, 2});
  CHECK(class_counts(split.test) == std::vector<int64_t>{1, 1});
  CHECK(split.test.name == "idx:" + folder.string());
}

TEST_CASE("catalogue: entries are complete") {
  for (const Known& known : catalogue()) {
    CAPTURE(known.name);
    CHECK(known.what != "");
    CHECK(known.shape != "");
    CHECK(known.licence != "");
    CHECK(known.files.empty() == known.address.empty());
    for (const KnownFile& file : known.files) CHECK(file.md5.size() == 32);
  }
  CHECK(find_known("mnist")->files.size() == 4);
  CHECK(find_known("nothing") == nullptr);
}

TEST_CASE("catalogue: the data folder") {
  const Variable own("LIMPID_DATA", "/own"), cache("XDG_CACHE_HOME", "/cache"),
      home("HOME", "/home/me");
  CHECK(default_data_dir() == "/own");
  const Variable no_own("LIMPID_DATA", "");
  CHECK(default_data_dir() == "/cache/limpid");
  const Variable relative("XDG_CACHE_HOME", "cache");
  CHECK(default_data_dir() == "/home/me/.cache/limpid");
  const Variable no_cache("XDG_CACHE_HOME", nullptr);
  CHECK(default_data_dir() == "/home/me/.cache/limpid");
  const Variable no_home("HOME", nullptr);
  CHECK_THROWS_AS(default_data_dir(), Error);
}

}  // namespace limpid::datasets
