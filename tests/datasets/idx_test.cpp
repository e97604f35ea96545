// tests/datasets/idx_test.cpp: IDX files of a few bytes, whole and damaged in every way.
#include "datasets/idx.h"

#include "framework/core/error.h"
#include "tests/datasets/sample_files.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <filesystem>

namespace fs = std::filesystem;

namespace limpid::datasets {
namespace {

std::string images_failure(const Bytes& bytes) {
  return failure([&] { parse_idx_images(bytes, "file"); });
}

std::string labels_failure(const Bytes& bytes) {
  return failure([&] { parse_idx_labels(bytes, "file"); });
}

}  // namespace

TEST_CASE("idx: images are scaled to [0, 1] and get a channel") {
  const Tensor images =
      parse_idx_images(idx_bytes({2, 1, 3}, {0, 51, 255, 5, 0, 1}), "file").tensor();
  CHECK(images.shape() == Shape{2, 1, 1, 3});
  CHECK(images.dtype() == DType::f32);
  const auto x = images.values<float>();
  CHECK(x[0] == 0.0F);
  CHECK(x[1] == 0.2F);
  CHECK(x[2] == 1.0F);
  CHECK(x[5] == static_cast<float>(1.0 / 255));

  const Tensor sixteenths = parse_idx_images(idx_bytes({1, 1, 2}, {4, 16}), "file", 16).tensor();
  CHECK(sixteenths.to_vector() == std::vector<double>{0.25, 1});
  CHECK(contains(
      failure([] {
        parse_idx_images(idx_bytes({1, 1, 2}, {4, 17}), "file", 16);
      }),
      "file: byte 17: pixel 17 exceeds 16"));
}

TEST_CASE("idx: labels (bad input 18)") {
  const Tensor labels = parse_idx_labels(sample_labels({3, 0, 254}), "file");
  CHECK(labels.shape() == Shape{3});
  CHECK(labels.to_vector() == std::vector<double>{3, 0, 254});
  CHECK(contains(labels_failure(sample_labels({3, 255})), "file: label 1: class 255"));
}

TEST_CASE("idx: a damaged header is refused with its place (bad input 18)") {
  Bytes bytes = sample_images();
  SUBCASE("magic") {
    bytes[1] = std::byte{7};
    CHECK(contains(images_failure(bytes), "file: byte 0: not an IDX file"));
  }
  SUBCASE("type") {
    bytes[2] = std::byte{0x0d};
    CHECK(contains(images_failure(bytes), "file: byte 2: element type 13, expected 8"));
  }
  SUBCASE("rank") {
    bytes[3] = std::byte{4};
    CHECK(contains(images_failure(bytes), "file: byte 3: 4 dimensions, expected 3"));
  }
  SUBCASE("labels for images") {
    CHECK(contains(images_failure(sample_labels()), "1 dimensions, expected 3"));
    CHECK(contains(labels_failure(sample_images()), "3 dimensions, expected 1"));
  }
  SUBCASE("nothing") { CHECK(contains(images_failure({}), "too short")); }
  SUBCASE("no images") {
    CHECK(contains(images_failure(idx_bytes({0, 28, 28}, {})), "holds no examples"));
    CHECK(images_failure(idx_bytes({1, 0, 28}, {})) != "");
    CHECK(contains(labels_failure(idx_bytes({0}, {})), "holds no examples"));
  }
  SUBCASE("sizes beyond the file, also when their product overflows") {
    CHECK(contains(images_failure(idx_bytes({3, 2, 3}, std::vector<int>(12))), "need more than"));
    const uint32_t huge = 0xffffffff;
    CHECK(contains(images_failure(idx_bytes({huge, huge, huge}, {1, 2})), "need more than the 2"));
    CHECK(contains(images_failure(idx_bytes({1U << 31, 1U << 31, 4}, {1, 2})), "need more than"));
    CHECK(contains(labels_failure(idx_bytes({huge}, {1, 2})), "need more than"));
  }
  SUBCASE("bytes left over") {
    bytes.push_back(std::byte{0});
    CHECK(contains(images_failure(bytes), "the sizes need 12 bytes, the file has 13"));
  }
}

TEST_CASE("idx: a file cut short at any byte is refused (bad input 18)") {
  const Bytes images = sample_images(), labels = sample_labels();
  const Bytes packed = gzip_bytes(labels, "labels");
  for (size_t n = 0; n < images.size(); ++n) {
    CHECK(images_failure(Bytes(images.begin(), images.begin() + std::ptrdiff_t(n))) != "");
  }
  for (size_t n = 0; n < labels.size(); ++n) {
    CHECK(labels_failure(Bytes(labels.begin(), labels.begin() + std::ptrdiff_t(n))) != "");
  }

  TempDir dir;
  const fs::path folder = dir.path();
  write_bytes(folder / "a-images-idx3-ubyte", images);
  for (size_t n = 0; n < packed.size(); ++n) {
    write_bytes(
        folder / "a-labels-idx1-ubyte.gz",
        Bytes(packed.begin(), packed.begin() + std::ptrdiff_t(n)));
    CHECK(failure([&] { load_idx(folder.string()); }) != "");
  }
}

TEST_CASE("idx: a pair has as many labels as images, and labels below the classes (bad input 18)") {
  const Bytes images = sample_images();
  const auto pair = [&](const Bytes& labels, int64_t classes) {
    return parse_idx_pair({"images", images}, {"labels", labels}, {.classes = classes});
  };
  const Dataset set = pair(sample_labels(), 0);
  CHECK(set.size() == 3);
  CHECK(set.classes == 3);
  CHECK(set.class_names == std::vector<std::string>{"0", "1", "2"});
  CHECK(pair(sample_labels({0, 0, 0}), 0).classes == 2);
  CHECK(pair(sample_labels(), 10).classes == 10);

  const std::string fewer = failure([&] { pair(sample_labels({0, 1}), 0); });
  CHECK(contains(fewer, "labels: 2 labels for the 3 images of images"));
  const std::string beyond = failure([&] { pair(sample_labels({0, 1, 10}), 10); });
  CHECK(contains(beyond, "labels: label 2: class 10 is out of range, expected 0 to 9"));
}

TEST_CASE("idx: a folder with both parts, plain, .gz or mixed") {
  TempDir dir;
  const fs::path folder = dir.path();
  SUBCASE("plain") { write_quadruple(folder, ""); }
  SUBCASE("gz, headers with and without a name") { write_quadruple(folder, ".gz"); }
  SUBCASE("mixed") {
    write_quadruple(folder, ".gz");
    fs::remove(folder / "t10k-labels-idx1-ubyte.gz");
    write_bytes(folder / "t10k-labels-idx1-ubyte", sample_labels({1, 1, 0}));
  }
  SUBCASE("other files beside them") {
    write_quadruple(folder, "");
    write_bytes(folder / "README", {});
    write_bytes(folder / "mine-images-idx3-ubyte", {});
  }
  const Split split = load_idx(folder.string());
  CHECK(split.train.name == "idx:" + folder.string());
  CHECK(split.train.images.shape() == Shape{3, 1, 2, 2});
  CHECK(split.train.labels.to_vector() == std::vector<double>{2, 0, 1});
  CHECK(split.test.labels.to_vector() == std::vector<double>{1, 1, 0});
  CHECK(split.test.classes == 3);
  CHECK_FALSE(split.train.masks.defined());
}

TEST_CASE("idx: a folder with one pair leaves the test part empty") {
  TempDir dir;
  const fs::path folder = dir.path();
  write_bytes(folder / "own-images-idx3-ubyte", sample_images());
  write_bytes(folder / "own-labels-idx1-ubyte.gz", gzip_bytes(sample_labels(), "x"));
  const Split split = load_idx(folder.string());
  CHECK(split.train.size() == 3);
  CHECK(split.test.is_empty());

  write_bytes(folder / "other-labels-idx1-ubyte", sample_labels());
  CHECK(contains(failure([&] { load_idx(folder.string()); }), "several pairs (other, own)"));
}

TEST_CASE("idx: missing and damaged files are named (bad input 18)") {
  TempDir dir;
  const fs::path folder = dir.path();
  const auto load_failure = [&] { return failure([&] { load_idx(folder.string()); }); };

  SUBCASE("no folder") {
    const std::string text = failure([&] { load_idx((folder / "absent").string()); });
    CHECK(contains(text, "absent: cannot read folder"));
  }
  SUBCASE("nothing there") {
    CHECK(contains(load_failure(), "expected train-images-idx3-ubyte, train-labels-idx1-ubyte"));
  }
  SUBCASE("each of the four") {
    for (const char* name :
         {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
          "t10k-labels-idx1-ubyte"}) {
      write_quadruple(folder, "");
      fs::remove(folder / name);
      CHECK(contains(load_failure(), std::string("missing ") + name + "; expected "));
    }
  }
  SUBCASE("only a training part") {
    write_quadruple(folder, "");
    fs::remove(folder / "t10k-images-idx3-ubyte");
    fs::remove(folder / "t10k-labels-idx1-ubyte");
    CHECK(contains(load_failure(), "missing t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"));
  }
  SUBCASE("half of a pair") {
    write_bytes(folder / "own-images-idx3-ubyte", sample_images());
    CHECK(contains(load_failure(), "missing own-labels-idx1-ubyte; expected own-images"));
  }
  SUBCASE("a folder in place of a file") {
    write_quadruple(folder, "");
    fs::remove(folder / "train-images-idx3-ubyte");
    fs::create_directory(folder / "train-images-idx3-ubyte");
    CHECK(contains(load_failure(), "train-images-idx3-ubyte: cannot read"));
  }
  SUBCASE("checksum of the .gz") {
    write_quadruple(folder, "");
    fs::remove(folder / "train-labels-idx1-ubyte");
    Bytes packed = gzip_bytes(sample_labels(), "");
    packed[packed.size() - 6] ^= std::byte{1};
    write_bytes(folder / "train-labels-idx1-ubyte.gz", packed);
    CHECK(contains(load_failure(), "train-labels-idx1-ubyte.gz: "));
  }
  SUBCASE("a test label that training does not know") {
    write_quadruple(folder, "");
    write_bytes(folder / "t10k-labels-idx1-ubyte", sample_labels({0, 1, 3}));
    CHECK(contains(load_failure(), "t10k-labels-idx1-ubyte: label 2: class 3 is out of range"));
  }
  SUBCASE("test images of another size") {
    write_quadruple(folder, "");
    write_bytes(folder / "t10k-images-idx3-ubyte", idx_bytes({3, 1, 1}, {1, 2, 3}));
    CHECK(contains(load_failure(), "test images are [1, 1, 1] but training images are [1, 2, 2]"));
  }
}

}  // namespace limpid::datasets
