// tests/interpret/heatmap_test.cpp: exact colours, maps without contrast, geometry of pixels.
#include "interpret/report/heatmap.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

using Pixels = std::vector<uint8_t>;

Rgb pixel(const Image& image, int64_t x, int64_t y) {
  REQUIRE(image.channels == 3);
  const auto at = static_cast<size_t>((y * image.width + x) * 3);
  return {image.pixels.at(at), image.pixels.at(at + 1), image.pixels.at(at + 2)};
}

/// W x 1 pixels of one grey channel.
Image grey_row(const Pixels& values) { return {std::ssize(values), 1, 1, values}; }

Image flat(int64_t width, int64_t height, const Rgb& c) {
  Image image{width, height, 3, {}};
  for (int64_t i = 0; i < width * height; ++i) {
    image.pixels.insert(image.pixels.end(), {c.red, c.green, c.blue});
  }
  return image;
}

double lightness(const Rgb& c) { return 0.299 * c.red + 0.587 * c.green + 0.114 * c.blue; }

constexpr Rgb kViolet{68, 1, 84};
constexpr Rgb kYellow{253, 231, 37};
constexpr Rgb kBlue{17, 58, 125};
constexpr Rgb kWhite{247, 247, 247};
constexpr Rgb kRed{130, 16, 42};

}  // namespace

TEST_CASE("heatmap: colours at the ends, in the middle and outside") {
  CHECK(colour_at(MapScale::range, 0) == kViolet);
  CHECK(colour_at(MapScale::range, 0.5) == Rgb{33, 145, 140});
  CHECK(colour_at(MapScale::range, 1) == kYellow);
  CHECK(colour_at(MapScale::range, -3) == kViolet);
  CHECK(colour_at(MapScale::range, kInf) == kYellow);
  // Half way between the first two control points, (68, 1, 84) and (71, 44, 122)
  CHECK(colour_at(MapScale::range, 1.0 / 16) == Rgb{70, 23, 103});
  CHECK(colour_at(MapScale::symmetric, -1) == kBlue);
  CHECK(colour_at(MapScale::symmetric, 0) == kWhite);
  CHECK(colour_at(MapScale::symmetric, 1) == kRed);
  CHECK(colour_at(MapScale::symmetric, 2) == kRed);
  CHECK(colour_at(MapScale::range, kNan) == kNeutral);
  CHECK(colour_at(MapScale::symmetric, kNan) == kNeutral);
}

TEST_CASE("heatmap: lightness tells the order without colour") {
  for (int i = 0; i < 100; ++i) {
    CAPTURE(i);
    const double t = i / 100.0;
    CHECK(
        lightness(colour_at(MapScale::range, t)) < lightness(colour_at(MapScale::range, t + 0.01)));
    for (const double sign : {-1.0, 1.0}) {
      CHECK(
          lightness(colour_at(MapScale::symmetric, sign * t)) >
          lightness(colour_at(MapScale::symmetric, sign * (t + 0.01))));
    }
  }
  // kNeutral is in neither table
  for (int i = -1000; i <= 1000; ++i) {
    CHECK_FALSE(colour_at(MapScale::range, i / 1000.0) == kNeutral);
    CHECK_FALSE(colour_at(MapScale::symmetric, i / 1000.0) == kNeutral);
  }
}

TEST_CASE("heatmap: a map by its range") {
  const ColouredMap seen = colour(Tensor::of({2, 3}, {2, 4, 6, 6, 3, 2}));
  CHECK(seen.image.width == 3);
  CHECK(seen.image.height == 2);
  CHECK(seen.low == 2);
  CHECK(seen.high == 6);
  CHECK(seen.note == "");
  CHECK(pixel(seen.image, 0, 0) == kViolet);
  CHECK(pixel(seen.image, 1, 0) == Rgb{33, 145, 140});
  CHECK(pixel(seen.image, 2, 0) == kYellow);
  CHECK(pixel(seen.image, 0, 1) == kYellow);
  CHECK(pixel(seen.image, 1, 1) == Rgb{59, 81, 139});
  CHECK(pixel(seen.image, 2, 1) == kViolet);
}

TEST_CASE("heatmap: a signed map has the same limit on both sides") {
  const ColouredMap seen = colour(Tensor::of({1, 1, 4}, {-2, 0, 1, 2.0 / 3}), MapScale::symmetric);
  CHECK(seen.low == -2);
  CHECK(seen.high == 2);
  CHECK(pixel(seen.image, 0, 0) == kBlue);
  CHECK(pixel(seen.image, 1, 0) == kWhite);
  CHECK(pixel(seen.image, 2, 0) == colour_at(MapScale::symmetric, 0.5));
  CHECK(pixel(seen.image, 3, 0) == Rgb{243, 171, 141});  // the control point at 1/3
  // Only positive values: blue is not used
  const ColouredMap positive = colour(Tensor::of({1, 2}, {1, 2}), MapScale::symmetric);
  CHECK(pixel(positive.image, 0, 0) == colour_at(MapScale::symmetric, 0.5));
  CHECK(pixel(positive.image, 1, 0) == kRed);
  CHECK(positive.low == -2);
  CHECK(positive.high == 2);
}

TEST_CASE("heatmap: flat maps are grey and say so") {
  for (const MapScale scale : {MapScale::range, MapScale::symmetric}) {
    const ColouredMap zero = colour(Tensor::zeros({2, 2}), scale);
    CHECK(zero.image.pixels == flat(2, 2, kNeutral).pixels);
    CHECK(zero.note == "flat map: all values equal 0");
    const ColouredMap third = colour(Tensor::full({1, 2, 2}, 0.3), scale);
    CHECK(third.image.pixels == flat(2, 2, kNeutral).pixels);
    CHECK(third.note == "flat map: all values equal 0.3");
    CHECK(third.low == doctest::Approx(0.3));
  }
}

TEST_CASE("heatmap: values that are not finite are grey and counted") {
  const ColouredMap some = colour(Tensor::of({1, 5}, {kNan, 1, kInf, 3, -kInf}));
  CHECK(some.note == "map holds NaN or infinity: 3 of 5 values, drawn grey");
  CHECK(some.low == 1);
  CHECK(some.high == 3);
  CHECK(pixel(some.image, 0, 0) == kNeutral);
  CHECK(pixel(some.image, 1, 0) == kViolet);
  CHECK(pixel(some.image, 2, 0) == kNeutral);
  CHECK(pixel(some.image, 3, 0) == kYellow);
  CHECK(pixel(some.image, 4, 0) == kNeutral);

  const ColouredMap none = colour(Tensor::full({2, 2}, kNan), MapScale::symmetric);
  CHECK(none.note == "map holds NaN or infinity: 4 of 4 values, drawn grey");
  CHECK(none.image.pixels == flat(2, 2, kNeutral).pixels);
  CHECK(std::isnan(none.low));
  CHECK(std::isnan(none.high));

  const ColouredMap both = colour(Tensor::of({1, 3}, {kNan, 5, 5}));
  CHECK(
      both.note ==
      "map holds NaN or infinity: 1 of 3 values, drawn grey; flat map: all other values equal 5");
}

TEST_CASE("heatmap: given limits make maps comparable") {
  const Tensor weak = Tensor::of({1, 3}, {0, 1, 2});
  const Tensor strong = Tensor::of({3, 1}, {1, kNan, 4});
  const ColourLimits both = common_limits(std::vector<Tensor>{weak, strong});
  CHECK(both.low == 0);
  CHECK(both.high == 4);
  const ColouredMap seen = colour(weak, MapScale::range, both);
  CHECK(seen.low == 0);
  CHECK(seen.high == 4);
  CHECK(seen.note == "");
  CHECK(pixel(seen.image, 0, 0) == kViolet);
  CHECK(pixel(seen.image, 2, 0) == Rgb{33, 145, 140});  // half way
  const ColouredMap other = colour(strong, MapScale::range, both);
  CHECK(pixel(other.image, 0, 0) == pixel(seen.image, 1, 0));  // the same value
  CHECK(pixel(other.image, 0, 1) == kNeutral);
  CHECK(pixel(other.image, 0, 2) == kYellow);
  CHECK(other.note == "map holds NaN or infinity: 1 of 3 values, drawn grey");

  // Its own limits change nothing; values outside are clamped; a flat map has a colour
  CHECK(colour(weak, MapScale::range, {0, 2}).image.pixels == colour(weak).image.pixels);
  const ColouredMap clamped = colour(weak, MapScale::range, {0.5, 1.5});
  CHECK(pixel(clamped.image, 0, 0) == kViolet);
  CHECK(pixel(clamped.image, 2, 0) == kYellow);
  const ColouredMap level = colour(Tensor::full({1, 1}, 4), MapScale::range, both);
  CHECK(pixel(level.image, 0, 0) == kYellow);
  CHECK(level.note == "flat map: all values equal 4");
}

TEST_CASE("heatmap: given limits of signed maps, and limits that are none") {
  const std::vector<Tensor> maps = {Tensor::of({1, 2}, {-1, 2}), Tensor::of({1, 1}, {-4})};
  const ColourLimits both = common_limits(maps, MapScale::symmetric);
  CHECK(both.low == -4);
  CHECK(both.high == 4);
  const ColouredMap seen = colour(maps[0], MapScale::symmetric, both);
  CHECK(pixel(seen.image, 1, 0) == colour_at(MapScale::symmetric, 0.5));

  CHECK(std::isnan(common_limits(std::vector<Tensor>{Tensor::full({1, 1}, kInf)}).low));
  CHECK(std::isnan(common_limits({}).high));
  for (const ColourLimits& wrong :
       std::vector<ColourLimits>{{1, 1}, {2, 1}, {kNan, 1}, {0, kInf}}) {
    CHECK_THROWS_AS(colour(maps[0], MapScale::range, wrong), ValueError);
  }
  CHECK_THROWS_WITH_AS(
      colour(maps[0], MapScale::symmetric, {-1, 2}), "colour: no symmetric limits -1 and 2",
      ValueError);
}

TEST_CASE("heatmap: the largest and the smallest doubles keep their order") {
  for (const double size : {1.7e308, 5e-324, 1.0}) {
    CAPTURE(size);
    const Tensor map = Tensor::of({1, 3}, {-size, 0, size}, DType::f64);
    const ColouredMap seen = colour(map);
    CHECK(pixel(seen.image, 0, 0) == kViolet);
    CHECK(pixel(seen.image, 1, 0) == Rgb{33, 145, 140});
    CHECK(pixel(seen.image, 2, 0) == kYellow);
    CHECK(pixel(colour(map, MapScale::symmetric).image, 1, 0) == kWhite);
  }
}

TEST_CASE("heatmap: what is no map") {
  CHECK_THROWS_WITH_AS(
      colour(Tensor::zeros({2, 3, 3})), "colour: needs one map [H, W] or [1, H, W], got [2, 3, 3]",
      ShapeError);
  CHECK_THROWS_AS(colour(Tensor::zeros({9})), ShapeError);
  CHECK_THROWS_AS(colour(Tensor::zeros({0, 3})), ShapeError);
  CHECK_THROWS_AS(colour(Tensor::of_integers({1, 2}, {1, 2})), DTypeError);
}

TEST_CASE("heatmap: tensors as pictures") {
  // Planes become pixels; values are clamped, rounded, NaN is black
  const Image image = image_of(Tensor::of({3, 1, 2}, {0, 0.5, 1, 0.1, 2, -1}));
  CHECK(image.width == 2);
  CHECK(image.height == 1);
  CHECK(image.channels == 3);
  CHECK(image.pixels == Pixels{0, 255, 255, 128, 26, 0});
  const Image grey = image_of(Tensor::of({1, 2, 1}, {kNan, 0.2}));
  CHECK(grey.channels == 1);
  CHECK(grey.height == 2);
  CHECK(grey.pixels == Pixels{0, 51});
  CHECK_THROWS_WITH_AS(
      image_of(Tensor::zeros({2, 4, 4})), "image_of: needs [1, H, W] or [3, H, W], got [2, 4, 4]",
      ShapeError);
  CHECK_THROWS_AS(image_of(Tensor::zeros({4, 4})), ShapeError);
  CHECK_THROWS_AS(image_of(Tensor::zeros({1, 4, 0})), ShapeError);
  CHECK_THROWS_AS(image_of(Tensor::of_integers({1, 1, 1}, {1})), DTypeError);
}

TEST_CASE("heatmap: the key shows the whole scale") {
  const Image key = colour_key(MapScale::symmetric, 3, 2);
  CHECK(key.width == 3);
  CHECK(key.height == 2);
  for (int64_t y = 0; y < 2; ++y) {
    CHECK(pixel(key, 0, y) == kBlue);
    CHECK(pixel(key, 1, y) == kWhite);
    CHECK(pixel(key, 2, y) == kRed);
  }
  CHECK(pixel(colour_key(MapScale::range, 2, 1), 1, 0) == kYellow);
  CHECK_THROWS_AS(colour_key(MapScale::range, 1, 1), ValueError);
}

TEST_CASE("heatmap: overlay mixes grey and map") {
  const Image picture = flat(1, 1, {0x40, 0x80, 0xC0});
  const uint8_t grey = (77 * 0x40 + 150 * 0x80 + 29 * 0xC0) >> 8;
  const Image map = flat(1, 1, {200, 0, 100});
  CHECK(overlay(picture, map, 0).pixels == Pixels{grey, grey, grey});
  CHECK(overlay(picture, map, 1).pixels == map.pixels);
  CHECK(overlay(grey_row({100}), map, 0.25).pixels == Pixels{125, 75, 100});
  CHECK_THROWS_WITH_AS(
      overlay(flat(2, 1, kWhite), map),
      "overlay: picture of 2 x 1 pixels, map of 1 x 1; enlarge or resize one of them first",
      ShapeError);
  CHECK_THROWS_AS(overlay(picture, map, 1.01), ValueError);
  CHECK_THROWS_AS(overlay(picture, map, kNan), ValueError);
  CHECK_THROWS_AS(overlay(picture, Image{1, 1, 2, {0, 0}}), ValueError);
}

TEST_CASE("heatmap: enlarge makes squares") {
  const Image image = enlarge({2, 2, 1, {1, 2, 3, 4}}, 2);
  CHECK(image.width == 4);
  CHECK(image.height == 4);
  CHECK(image.pixels == Pixels{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4});
  CHECK(enlarge({1, 1, 3, {7, 8, 9}}, 2).pixels == Pixels{7, 8, 9, 7, 8, 9, 7, 8, 9, 7, 8, 9});
  CHECK(enlarge(image, 1).pixels == image.pixels);
  CHECK_THROWS_AS(enlarge(image, 0), ValueError);
  CHECK_THROWS_AS(enlarge(image, kMaxImageSide), ValueError);
  CHECK_THROWS_AS(enlarge(Image{}, 2), ValueError);
  CHECK_THROWS_AS(enlarge({2, 2, 1, {1, 2, 3}}, 2), ValueError);
}

TEST_CASE("heatmap: grid") {
  const Rgb a{10, 10, 10};
  const Rgb b{20, 20, 20};
  const Rgb c{30, 30, 30};
  const Rgb ground{1, 2, 3};
  // Columns 2 and 1 wide, rows 1 and 3 high, one pixel between; the last cell is missing
  const Image image =
      grid({{flat(1, 1, a), grey_row({20})}, {flat(2, 3, c)}}, {.gap = 1, .background = ground});
  CHECK(image.width == 2 + 1 + 1);
  CHECK(image.height == 1 + 1 + 3);
  const std::vector<std::vector<Rgb>> expected = {
      {a, ground, ground, b},
      {ground, ground, ground, ground},
      {c, c, ground, ground},
      {c, c, ground, ground},
      {c, c, ground, ground}};
  for (size_t y = 0; y < 5; ++y) {
    for (size_t x = 0; x < 4; ++x) {
      CAPTURE(x);
      CAPTURE(y);
      CHECK(pixel(image, static_cast<int64_t>(x), static_cast<int64_t>(y)) == expected[y][x]);
    }
  }
  // An Image without pixels keeps its place
  const Image hole = grid({{Image{}, flat(1, 1, a)}, {flat(1, 1, b), Image{}}}, {.gap = 0});
  CHECK(hole.pixels == Pixels{255, 255, 255, 10, 10, 10, 20, 20, 20, 255, 255, 255});
  CHECK_THROWS_WITH_AS(grid({}), "grid: holds no picture", ValueError);
  CHECK_THROWS_AS(grid({{Image{}}}), ValueError);
  CHECK_THROWS_AS(grid({{flat(1, 1, a)}}, {.gap = -1}), ValueError);
  CHECK_THROWS_AS(grid({{Image{1, 1, 4, {0, 0, 0, 0}}}}), ValueError);
  CHECK_THROWS_AS(grid({{flat(9000, 1, a), flat(9000, 1, a)}}), ValueError);
}
