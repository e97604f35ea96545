// tests/datasets/image_folder_test.cpp: pictures of a few pixels in folders, good and bad.
#include "datasets/image_folder.h"

#include "datasets/catalogue.h"
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

namespace fs = std::filesystem;

namespace limpid::datasets {
namespace {

// A picture of 2 x 3 pixels whose samples are first, first + 1, ...
void picture(const fs::path& path, int first, int64_t channels = 1, int64_t width = 3) {
  fs::create_directories(path.parent_path());
  Image image{.width = width, .height = 2, .channels = channels, .pixels = {}};
  for (int64_t i = 0; i < width * 2 * channels; ++i) {
    image.pixels.push_back(static_cast<uint8_t>(first + i));
  }
  save_png(path.string(), image);
}

void write_two_classes(const fs::path& folder) {
  picture(folder / "dog" / "b.png", 20);
  picture(folder / "dog" / "a.png", 10);
  picture(folder / "Cat" / "z.png", 0);
  picture(folder / "Cat" / ".hidden.png", 99);
  write_file_atomic((folder / ".DS_Store").string(), as_bytes("x"));
  write_file_atomic((folder / "dog" / ".DS_Store").string(), as_bytes("x"));
}

std::string load_failure(const fs::path& folder, const ImageFolderOptions& options = {}) {
  return failure([&] { load_image_folder(folder.string(), options); });
}

}  // namespace

TEST_CASE("images: one folder per class, sorted") {
  TempDir dir;
  write_two_classes(dir.path());
  const Split split = load_image_folder(dir.path().string());
  CHECK(split.test.is_empty());
  const Dataset& set = split.train;
  CHECK(set.name == "images:" + dir.path().string());
  CHECK(set.class_names == std::vector<std::string>{"Cat", "dog"});
  CHECK(set.labels.to_vector() == std::vector<double>{0, 1, 1});
  CHECK(set.images.shape() == Shape{3, 1, 2, 3});
  CHECK(set.images.are_bytes());
  REQUIRE(set.files.size() == 3);
  CHECK(set.files[1] == (dir.path() / "dog" / "a.png").string());
  const std::vector<int64_t> last = {2};
  CHECK(take(set, last).files == std::vector<std::string>{set.files[2]});
  CHECK(set.images.tensor().data<float>()[6] == 10.0F / 255);
  CHECK(set.images.tensor().data<float>()[17] == 25.0F / 255);
  CHECK_NOTHROW(check_dataset("test", set));
}

TEST_CASE("images: one picture in colour makes all of them RGB; alpha is dropped") {
  TempDir dir;
  picture(dir.path() / "train" / "a" / "1.png", 0);
  picture(dir.path() / "train" / "a" / "2.png", 100, 2);
  picture(dir.path() / "train" / "b" / "3.png", 50, 3);
  picture(dir.path() / "test" / "b" / "4.png", 60, 4);
  const std::string ppm = "P6 3 2 255\n" + std::string(18, 'a');
  write_file_atomic((dir.path() / "test" / "b" / "5").string(), as_bytes(ppm));
  const Split split = load("images:" + dir.path().string());
  CHECK(split.train.images.shape() == Shape{3, 3, 2, 3});
  CHECK(split.test.images.shape() == Shape{2, 3, 2, 3});
  CHECK(split.test.labels.to_vector() == std::vector<double>{1, 1});
  const auto value = [](const Dataset& set, size_t i) {
    return std::lround(255 * static_cast<double>(set.images.tensor().data<float>()[i]));
  };
  CHECK(value(split.train, 1) == 1);     // grey, red plane
  CHECK(value(split.train, 13) == 1);    // grey, blue plane
  CHECK(value(split.train, 19) == 102);  // grey and alpha, second pixel
  CHECK(value(split.train, 36) == 50);   // red, green and blue of the first pixel
  CHECK(value(split.train, 42) == 51);
  CHECK(value(split.train, 48) == 52);
  CHECK(value(split.test, 1) == 64);  // red of the second pixel, after alpha
  CHECK(value(split.test, 18) == 'a');
}

TEST_CASE("images: a set without a test part is divided") {
  TempDir dir;
  for (int i = 0; i < 5; ++i) {
    picture(dir.path() / "train" / "a" / (std::to_string(i) + ".png"), i);
    picture(dir.path() / "train" / "b" / (std::to_string(i) + ".png"), 9 + i);
  }
  const Split split = load("images:" + dir.path().string());
  CHECK(class_counts(split.train) == std::vector<int64_t>{4, 4});
  CHECK(class_counts(split.test) == std::vector<int64_t>{1, 1});
}

TEST_CASE("images: different sizes are refused, or brought to one size") {
  TempDir dir;
  write_two_classes(dir.path());
  picture(dir.path() / "dog" / "wide.png", 0, 1, 4);
  const std::string text = load_failure(dir.path());
  CHECK(contains(text, "dog/wide.png: has 4 x 2 pixels but "));
  CHECK(contains(text, "Cat/z.png has 3 x 2 pixels; all pictures need the same size"));
  CHECK(contains(load_failure(dir.path(), {.side = 2}), "Cat/z.png: has 3 x 2 pixels but 2 x 2 "));
  CHECK_THROWS_AS(load_image_folder(dir.path().string(), {.side = -1}), ValueError);
  const Split scaled = load("images:" + dir.path().string(), {.resize = 4, .crop = 2});
  CHECK(scaled.train.example_shape() == Shape{1, 2, 2});
  picture(dir.path() / "dog" / "grey with alpha.png", 0, 2, 4);
  picture(dir.path() / "dog" / "colour with alpha.png", 0, 4, 5);
  CHECK(
      load("images:" + dir.path().string(), {.resize = 4, .crop = 2}).train.example_shape() ==
      Shape{3, 2, 2});
  fs::remove(dir.path() / "dog" / "grey with alpha.png");
  fs::remove(dir.path() / "dog" / "colour with alpha.png");

  const auto shrink = [](const Image& image, int64_t side) {
    return Image{side, side, image.channels, std::vector<uint8_t>(4, image.pixels[0])};
  };
  const Split split = load_image_folder(dir.path().string(), {.side = 2, .resize = shrink});
  CHECK(split.train.images.shape() == Shape{4, 1, 2, 2});
}

TEST_CASE("images: everything that is no picture is named") {
  TempDir dir;
  const fs::path folder = dir.path();
  CHECK(contains(load_failure("none"), "none: cannot read folder"));
  CHECK(contains(load_failure(folder), "holds no folders of pictures"));
  write_two_classes(folder);
  CHECK(load_failure(folder) == "");
  SUBCASE("a text among the pictures is passed over") {
    write_file_atomic((folder / "dog" / "notes.txt").string(), as_bytes("hello"));
    write_file_atomic((folder / "list.csv").string(), as_bytes("hello"));
    const Split split = load_image_folder(folder.string());
    CHECK(split.train.size() == 3);
    REQUIRE(split.passed_over.size() == 2);
    CHECK(split.passed_over[0] == (folder / "list.csv").string());
    CHECK(split.passed_over[1] == (folder / "dog" / "notes.txt").string());
    const Split parted = load("images:" + folder.string());  // cut into two parts
    CHECK(parted.passed_over == split.passed_over);
  }
  SUBCASE("a kind of picture that is not read") {
    write_file_atomic((folder / "dog" / "c.GIF").string(), as_bytes("GIF89a"));
    CHECK(contains(load_failure(folder), "dog/c.GIF: unknown image type"));
  }
  SUBCASE("several damaged pictures are named together") {
    write_file_atomic((folder / "Cat" / "y.png").string(), as_bytes("hello"));
    write_file_atomic((folder / "dog" / "c.jpg").string(), as_bytes("hello"));
    const std::string text = load_failure(folder);
    CHECK(contains(text, "Cat/y.png: unknown image type"));
    CHECK(contains(text, "also refused: "));
    CHECK(contains(text, "dog/c.jpg"));
  }
  SUBCASE("a picture that is cut") {
    const auto bytes = read_file((folder / "dog" / "b.png").string(), 1 << 20);
    write_file_atomic((folder / "dog" / "b.png").string(), std::span(bytes).first(40));
    CHECK(contains(load_failure(folder), "dog/b.png: "));
  }
  SUBCASE("a folder among the pictures") {
    fs::create_directories(folder / "dog" / "more");
    CHECK(contains(load_failure(folder), "dog/more: cannot read"));
  }
  SUBCASE("a file among the folders") {
    picture(folder / "stray.png", 0);
    CHECK(contains(load_failure(folder), "stray.png: not a folder; expected one folder per class"));
  }
  SUBCASE("a class without pictures") {
    fs::create_directories(folder / "eel");
    CHECK(contains(load_failure(folder), "eel: holds no pictures"));
  }
  SUBCASE("train beside classes") {
    picture(folder / "train" / "dog" / "a.png", 0);
    CHECK(contains(load_failure(folder), "Cat: expected nothing but train and test here"));
  }
}

TEST_CASE("images: the test part has known classes and some pictures") {
  TempDir dir;
  const fs::path folder = dir.path();
  write_two_classes(folder / "train");
  fs::create_directories(folder / "test");
  CHECK(contains(load_failure(folder), "test: holds no pictures"));
  picture(folder / "test" / "dog" / "a.png", 0);
  CHECK(load_failure(folder) == "");
  picture(folder / "test" / "eel" / "a.png", 0);
  CHECK(contains(load_failure(folder), "test/eel is a class that train does not have"));
}

}  // namespace limpid::datasets
