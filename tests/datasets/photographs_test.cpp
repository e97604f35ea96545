// tests/datasets/photographs_test.cpp: resizing against PIL, byte for byte.
//
// The rows of the two tables are printed by
//     /usr/bin/python3 tests/datasets/record_photographs.py
// which draws the same pictures and says how.
#include "datasets/photographs.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/io/gzip.h"

#include <doctest/doctest.h>

namespace limpid::datasets {
namespace {

// picture() of the script
Image picture(uint32_t number, int64_t C, int64_t H, int64_t W, bool extremes = false) {
  Image out{.width = W, .height = H, .channels = C, .pixels = {}};
  uint32_t state = number;
  for (int64_t i = 0; i < H * W * C; ++i) {
    state = 1664525u * state + 1013904223u;
    out.pixels.push_back(static_cast<uint8_t>(extremes ? 255 * (state >> 31) : state >> 24));
  }
  return out;
}

uint32_t checksum(const Image& image) { return crc32(std::as_bytes(std::span(image.pixels))); }

struct Resized {
  uint32_t number;
  int64_t C, H, W, P, Q;
  uint32_t checksum;
};
constexpr Resized kResized[] = {
    {1, 3, 37, 53, 37, 53, 0x0ea2188d},     {2, 3, 37, 53, 37, 53, 0xc8e47511},
    {3, 3, 37, 53, 16, 53, 0xf65a3908},     {4, 3, 37, 53, 16, 53, 0x9b2943c8},
    {5, 3, 37, 53, 37, 20, 0x3ba634e7},     {6, 3, 37, 53, 37, 20, 0x66be000e},
    {7, 3, 37, 53, 17, 23, 0x062e16b8},     {8, 3, 37, 53, 17, 23, 0xeac61502},
    {9, 3, 23, 17, 91, 64, 0x769fd553},     {10, 3, 23, 17, 91, 64, 0x21be6210},
    {11, 3, 101, 7, 5, 31, 0x096cd855},     {12, 3, 101, 7, 5, 31, 0xc305ba5c},
    {13, 1, 64, 64, 1, 1, 0x3fba6cad},      {14, 1, 64, 64, 1, 1, 0x38d7a8b4},
    {15, 1, 1, 1, 3, 5, 0xba53ce12},        {16, 1, 1, 1, 3, 5, 0xd7d303e7},
    {17, 1, 2, 3, 7, 2, 0x06fe98dd},        {18, 1, 2, 3, 7, 2, 0xc73bcaf8},
    {19, 1, 333, 251, 19, 300, 0x0e42a090}, {20, 1, 333, 251, 19, 300, 0x86cfc3a6},
};

struct Photograph {
  uint32_t number;
  int64_t C, H, W;
  uint32_t checksum;
};
constexpr Photograph kPhotographs[] = {
    {21, 3, 375, 500, 0x63a74d3e}, {22, 3, 501, 333, 0x89b0c45a},  {23, 3, 61, 90, 0x73e78e80},
    {24, 1, 256, 256, 0x82fe56e3}, {25, 3, 257, 1031, 0xae7c5496},
};

}  // namespace

TEST_CASE("photographs: resize gives PIL's bytes") {
  for (const Resized& row : kResized) {
    CAPTURE(row.number);
    const Image image = picture(row.number, row.C, row.H, row.W, row.number % 2 == 0);
    const Image small = resize(image, row.P, row.Q);
    CHECK(small.height == row.P);
    CHECK(small.width == row.Q);
    CHECK(checksum(small) == row.checksum);
    const parallel::ThreadLimit limit(3);
    CHECK(resize(image, row.P, row.Q).pixels == small.pixels);
  }
}

TEST_CASE("photographs: the shorter side to 256, the middle 224, as torchvision does with PIL") {
  for (const Photograph& row : kPhotographs) {
    CAPTURE(row.number);
    const Image image = picture(row.number, row.C, row.H, row.W);
    CHECK(checksum(centre_crop(resize_shorter_side(image, 256), 224, 224)) == row.checksum);
  }
}

TEST_CASE("photographs: known by hand") {
  // Two to one: the triangle over [0, 1 | 2, 3] is (3, 3, 1, 0) / 7 for the first output
  const Image line{.width = 4, .height = 1, .channels = 1, .pixels = {0, 70, 140, 210}};
  CHECK(resize(line, 1, 2).pixels == std::vector<uint8_t>{50, 160});
  const Image flat{.width = 3, .height = 2, .channels = 1, .pixels = {9, 9, 9, 9, 9, 9}};
  CHECK(resize(flat, 5, 7).pixels == std::vector<uint8_t>(35, 9));

  // Half a pixel goes to the even neighbour: 1.5 from the top becomes 2, 0.5 from the left 0
  Image numbered{.width = 3, .height = 5, .channels = 1, .pixels = {}};
  for (uint8_t i = 0; i < 15; ++i) numbered.pixels.push_back(i);
  CHECK(centre_crop(numbered, 2, 2).pixels == std::vector<uint8_t>{6, 7, 9, 10});

  const Image two{.width = 1, .height = 2, .channels = 3, .pixels = {0, 51, 255, 102, 0, 153}};
  const Tensor values = to_tensor(two);
  CHECK(values.shape() == Shape{3, 2, 1});
  const float expected[] = {0, 0.4F, 0.2F, 0, 1, 0.6F};
  for (size_t i = 0; i < 6; ++i) CHECK(values.values<float>()[i] == expected[i]);
  CHECK(photograph(picture(1, 3, 30, 40)).shape() == Shape{3, 224, 224});
}

TEST_CASE("photographs: what cannot be done is refused") {
  const Image image = picture(1, 3, 4, 5);
  Image cut = image, grey_alpha = picture(1, 2, 4, 5);
  cut.pixels.pop_back();
  CHECK_THROWS_AS(resize(cut, 2, 2), ValueError);
  CHECK_THROWS_AS(resize(grey_alpha, 2, 2), ValueError);
  CHECK_THROWS_AS(resize(Image{}, 2, 2), ValueError);
  CHECK_THROWS_AS(resize(image, 0, 2), ValueError);
  CHECK_THROWS_AS(resize(image, 2, kMaxImageSide + 1), ValueError);
  CHECK_THROWS_AS(resize_shorter_side(image, 0), ValueError);
  CHECK_THROWS_AS(centre_crop(image, 5, 5), ValueError);
  CHECK_THROWS_AS(centre_crop(image, 0, 5), ValueError);
  CHECK_THROWS_AS(to_tensor(cut), ValueError);
}

}  // namespace limpid::datasets
