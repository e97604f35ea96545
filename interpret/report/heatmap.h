// interpret/report/heatmap.h: maps and pictures as coloured pixels.
//
// Magnitudes go from dark violet over green to yellow: lightness grows with the value, so the order
// survives colour blindness and grey printing. Signed maps go from blue over white to red with the
// same limit on both sides, so white is always 0.
//
//     const ColouredMap seen = colour(saliency, MapScale::symmetric);          // [H, W]
//     const Image mixed = overlay(image_of(picture), seen.image, 0.6);
//     save_png("explained.png", enlarge(mixed, 8));
//
// Every map has a scale of its own unless limits are given; maps that are compared need the same.
//
// Shapes   C channels (1 or 3), H height and W width in pixels.       Encoding framework/io/image.h
#pragma once

#include "framework/io/image.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// One colour, 8 bits per channel, sRGB.
struct Rgb {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
  bool operator==(const Rgb&) const = default;
};

/// Colour of points without a value and of maps without contrast; in neither colour table.
inline constexpr Rgb kNeutral{200, 200, 200};

enum class MapScale : uint8_t {
  range,      // magnitudes: the least value to the greatest, violet to yellow
  symmetric,  // signed values: -m to m with m = max |value|, blue over white to red
};

/// Colour at t of the table that `scale` uses: t in [0, 1] for range, t in [-1, 1] for symmetric.
/// Linear between the control points; t outside is clamped; NaN gives kNeutral.
Rgb colour_at(MapScale scale, double t);

/// One of several pictures or maps: [N, ...] -> [...].
Tensor one_of(const Tensor& all, int64_t n);

/// A picture of values in [0, 1], [C, H, W] -> H x W pixels with C channels:
/// pixel = round(255 clamp(v, 0, 1)); NaN counts as 0.
/// Throws ShapeError unless C is 1 or 3 and H, W are at least 1; DTypeError for i64.
Image image_of(const Tensor& picture);

/// A map in colours.
struct ColouredMap {
  Image image;       // RGB, one pixel per value
  double low = 0;    // value of the first colour; NaN if no value is finite
  double high = 0;   // value of the last colour
  std::string note;  // what a reader must know; empty for a map with contrast and finite values
};

/// The values of the first and the last colour.
struct ColourLimits {
  double low = 0;
  double high = 0;
};

/// Colours a map [H, W]; further dimensions of size 1 may stand in front.
/// A map whose finite values are all equal has no contrast: it becomes all kNeutral, with the note
/// "flat map: all values equal 0.5". Values that are not finite are left out of the limits and
/// become kNeutral, with the note "map holds NaN or infinity: 3 of 64 values, drawn grey".
/// Throws ShapeError for other shapes, DTypeError for i64.
ColouredMap colour(const Tensor& map, MapScale scale = MapScale::range);
/// The same between given limits, so that the colours of several maps can be compared; values
/// outside take the colour at that end, and a flat map the colour of its value.
/// Throws ValueError unless both limits are finite with low < high; symmetric: with low = -high.
ColouredMap colour(const Tensor& map, MapScale scale, const ColourLimits& limits);
/// The limits of all values of several maps together, as colour() takes them from one: NaN if no
/// value is finite, and without extent if all are equal.
ColourLimits common_limits(std::span<const Tensor> maps, MapScale scale = MapScale::range);

/// The colours of a scale from its low end, left, to its high end: the key beside a map.
/// Throws ValueError unless width >= 2 and height >= 1.
Image colour_key(MapScale scale, int64_t width, int64_t height);

/// The coloured map over the picture in grey: out = (1 - opacity) grey + opacity map, RGB.
/// Throws ShapeError if the sizes differ, ValueError unless opacity is in [0, 1] and both have 1 or
/// 3 channels.
Image overlay(const Image& picture, const Image& map, double opacity = 0.6);

/// Every pixel as a square of factor x factor pixels (nearest neighbour).
/// Throws ValueError unless factor >= 1 and the result is within kMaxImageSide.
Image enlarge(const Image& image, int64_t factor);

struct GridOptions {
  int64_t gap = 4;                   // pixels between cells; none at the border
  Rgb background = {255, 255, 255};  // gaps, missing cells, and beside smaller pictures
};

/// Pictures in rows and columns, as one RGB picture. A column is as wide as its widest picture, a
/// row as high as its highest; smaller ones stand in the top left of their cell. Rows may have
/// different lengths, and an Image without pixels leaves its cell empty.
/// Throws ValueError if there is no picture, for a negative gap, for channels other than 1 or 3 and
/// for a result over kMaxImageSide.
Image grid(const std::vector<std::vector<Image>>& rows, const GridOptions& options = {});

}  // namespace limpid::interpret
