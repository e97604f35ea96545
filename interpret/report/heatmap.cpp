// interpret/report/heatmap.cpp: colour tables, scaling to their ends, and pixel geometry.
#include "interpret/report/heatmap.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "interpret/report/markup.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

namespace limpid::interpret {

namespace {

// Nine evenly spaced colours of viridis (van der Walt and Smith, 2015; public domain).
constexpr std::array<Rgb, 9> kSequential = {
    {{68, 1, 84},
     {71, 44, 122},
     {59, 81, 139},
     {44, 113, 142},
     {33, 145, 140},
     {39, 173, 129},
     {92, 200, 99},
     {170, 220, 50},
     {253, 231, 37}}};

// Blue, white, red; the lightness falls alike on both sides of white.
constexpr std::array<Rgb, 7> kDiverging = {
    {{17, 58, 125},
     {52, 120, 189},
     {150, 193, 227},
     {247, 247, 247},
     {243, 171, 141},
     {205, 84, 72},
     {130, 16, 42}}};

uint8_t byte_of(double value) {
  return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

uint8_t mix(uint8_t a, uint8_t b, double share) { return byte_of(a + (b - a) * share); }

/// Colour at t in [0, 1] of evenly spaced control points.
Rgb interpolate(std::span<const Rgb> points, double t) {
  const double position = std::clamp(t, 0.0, 1.0) * static_cast<double>(points.size() - 1);
  const size_t left = std::min(static_cast<size_t>(position), points.size() - 2);
  const double share = position - static_cast<double>(left);
  const Rgb& a = points[left];
  const Rgb& b = points[left + 1];
  return {mix(a.red, b.red, share), mix(a.green, b.green, share), mix(a.blue, b.blue, share)};
}

/// True for an image whose sides and bytes agree and that has 1 or 3 channels.
void check_image(const char* op, const Image& image) {
  check_value(
      image.channels == 1 || image.channels == 3, op, "needs 1 or 3 channels, got ",
      image.channels);
  check_value(
      image.width >= 1 && image.height >= 1 &&
          image.width * image.height * image.channels == std::ssize(image.pixels),
      op, image.pixels.size(), " bytes are no image of ", image.width, " x ", image.height,
      " pixels with ", image.channels, " channels");
}

void check_side(const char* op, int64_t width, int64_t height) {
  check_value(
      width <= kMaxImageSide && height <= kMaxImageSide, op, "result of ", width, " x ", height,
      " pixels exceeds ", kMaxImageSide, " pixels per side");
}

Image blank(int64_t width, int64_t height, const Rgb& background) {
  Image image{width, height, 3, {}};
  image.pixels.resize(static_cast<size_t>(width * height * 3));
  for (size_t at = 0; at < image.pixels.size(); at += 3) {
    image.pixels[at] = background.red;
    image.pixels[at + 1] = background.green;
    image.pixels[at + 2] = background.blue;
  }
  return image;
}

size_t offset_of(const Image& image, int64_t x, int64_t y) {
  return static_cast<size_t>((y * image.width + x) * image.channels);
}

Rgb pixel_of(const Image& image, int64_t x, int64_t y) {
  const uint8_t* pixel = &image.pixels[offset_of(image, x, y)];
  if (image.channels == 1) return {pixel[0], pixel[0], pixel[0]};
  return {pixel[0], pixel[1], pixel[2]};
}

void set_pixel(Image& image, int64_t x, int64_t y, const Rgb& value) {
  uint8_t* pixel = &image.pixels[offset_of(image, x, y)];
  pixel[0] = value.red;
  pixel[1] = value.green;
  pixel[2] = value.blue;
}

/// Least and greatest finite value, and how many values are not finite.
struct Limits {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  int64_t not_finite = 0;
};

Limits limits_of(std::span<const double> values) {
  Limits limits;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      ++limits.not_finite;
      continue;
    }
    limits.low = std::min(limits.low, value);
    limits.high = std::max(limits.high, value);
  }
  return limits;
}

}  // namespace

Rgb colour_at(MapScale scale, double t) {
  if (std::isnan(t)) return kNeutral;
  return scale == MapScale::range ? interpolate(kSequential, t)
                                  : interpolate(kDiverging, (t + 1) / 2);
}

Tensor one_of(const Tensor& all, int64_t n) {
  return reshape(slice(all, 0, n, n + 1), Shape(all.shape().sizes().subspan(1)));
}

Image image_of(const Tensor& picture) {
  const Shape& s = picture.shape();
  check_shape(
      s.rank() == 3 && (s[0] == 1 || s[0] == 3) && s[1] >= 1 && s[2] >= 1, "image_of",
      "needs [1, H, W] or [3, H, W], got ", s);
  check_dtype(
      is_float(picture.dtype()), "image_of", "needs f32 or f64, got ", name_of(picture.dtype()));
  check_side("image_of", s[2], s[1]);

  // From planes of one channel to pixels with all channels
  const std::vector<double> values = picture.to_vector();  // [C, H, W]
  Image image{s[2], s[1], s[0], std::vector<uint8_t>(values.size())};
  const int64_t plane = s[1] * s[2];
  for (int64_t c = 0; c < s[0]; ++c) {
    for (int64_t i = 0; i < plane; ++i) {
      const double value = values[static_cast<size_t>(c * plane + i)];
      image.pixels[static_cast<size_t>(i * s[0] + c)] =
          std::isnan(value) ? uint8_t{0} : byte_of(255 * std::clamp(value, 0.0, 1.0));
    }
  }
  return image;
}

namespace {

/// The values of one map, checked: [H, W].
std::vector<double> values_of(const Tensor& map) {
  const Shape& s = map.shape();
  const int r = s.rank();
  check_shape(
      r >= 2 && s[r - 2] >= 1 && s[r - 1] >= 1 && s.numel() == s[r - 2] * s[r - 1], "colour",
      "needs one map [H, W] or [1, H, W], got ", s);
  check_dtype(is_float(map.dtype()), "colour", "needs f32 or f64, got ", name_of(map.dtype()));
  check_side("colour", s[r - 1], s[r - 2]);
  return map.to_vector();
}

/// What the colours cannot say.
std::string note_of(const Limits& limits, size_t count) {
  std::string note;
  if (limits.not_finite > 0) {
    note = join_text(
        "map holds NaN or infinity: ", limits.not_finite, " of ", count, " values, drawn grey");
  }
  if (limits.low == limits.high) {
    note += join_text(
        note.empty() ? "" : "; ", "flat map: all ", limits.not_finite > 0 ? "other " : "",
        "values equal ", number_text(limits.low));
  }
  return note;
}

ColourLimits as_colours(const Limits& limits, MapScale scale) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (limits.low > limits.high) return {kNan, kNan};  // no value is finite
  if (scale == MapScale::range || limits.low == limits.high) return {limits.low, limits.high};
  const double largest = std::max(std::abs(limits.low), std::abs(limits.high));
  return {-largest, largest};
}

/// Gives every finite value its colour.
void paint(
    Image& image, std::span<const double> values, MapScale scale, const ColourLimits& limits) {
  // Scale by the largest size first, so that neither huge nor tiny limits overflow or vanish
  const double largest = std::max(std::abs(limits.low), std::abs(limits.high));
  const double low = limits.low / largest;
  const double span = limits.high / largest - low;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    const double t = values[i] / largest;  // in [-1, 1], unless it lies outside the limits
    const Rgb shade = colour_at(scale, scale == MapScale::range ? (t - low) / span : t);
    const auto position = static_cast<int64_t>(i);
    set_pixel(image, position % image.width, position / image.width, shade);
  }
}

/// The map before anything is painted.
ColouredMap unpainted(const Tensor& map, const Limits& limits, const ColourLimits& colours) {
  const Shape& s = map.shape();
  return {
      blank(s[s.rank() - 1], s[s.rank() - 2], kNeutral), colours.low, colours.high,
      note_of(limits, static_cast<size_t>(s.numel()))};
}

}  // namespace

ColouredMap colour(const Tensor& map, MapScale scale) {
  const std::vector<double> values = values_of(map);
  const Limits limits = limits_of(values);
  ColouredMap out = unpainted(map, limits, as_colours(limits, scale));
  if (out.low < out.high) paint(out.image, values, scale, {out.low, out.high});
  return out;
}

ColouredMap colour(const Tensor& map, MapScale scale, const ColourLimits& limits) {
  check_value(
      std::isfinite(limits.low) && std::isfinite(limits.high) && limits.low < limits.high &&
          (scale == MapScale::range || limits.low == -limits.high),
      "colour", "no ", scale == MapScale::range ? "" : "symmetric ", "limits ", limits.low, " and ",
      limits.high);
  const std::vector<double> values = values_of(map);
  ColouredMap out = unpainted(map, limits_of(values), limits);
  paint(out.image, values, scale, limits);
  return out;
}

ColourLimits common_limits(std::span<const Tensor> maps, MapScale scale) {
  Limits all;
  for (const Tensor& map : maps) {
    const Limits one = limits_of(values_of(map));
    all.low = std::min(all.low, one.low);
    all.high = std::max(all.high, one.high);
  }
  return as_colours(all, scale);
}

Image colour_key(MapScale scale, int64_t width, int64_t height) {
  check_value(
      width >= 2 && height >= 1, "colour_key", "needs at least 2 x 1 pixels, got ", width, " x ",
      height);
  check_side("colour_key", width, height);
  Image image = blank(width, height, kNeutral);
  const double start = scale == MapScale::range ? 0.0 : -1.0;
  for (int64_t x = 0; x < width; ++x) {
    const double share = static_cast<double>(x) / static_cast<double>(width - 1);
    const Rgb shade = colour_at(scale, start + (1 - start) * share);
    for (int64_t y = 0; y < height; ++y) set_pixel(image, x, y, shade);
  }
  return image;
}

Image overlay(const Image& picture, const Image& map, double opacity) {
  check_image("overlay", picture);
  check_image("overlay", map);
  check_shape(
      picture.width == map.width && picture.height == map.height, "overlay", "picture of ",
      picture.width, " x ", picture.height, " pixels, map of ", map.width, " x ", map.height,
      "; enlarge or resize one of them first");
  check_value(opacity >= 0 && opacity <= 1, "overlay", "opacity must be in [0, 1], got ", opacity);

  Image out = blank(picture.width, picture.height, kNeutral);
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      // Grey with the weights of read_image(), in 1/256
      const Rgb below = pixel_of(picture, x, y);
      const auto grey =
          static_cast<uint8_t>((below.red * 77 + below.green * 150 + below.blue * 29) >> 8);
      const Rgb above = pixel_of(map, x, y);
      set_pixel(
          out, x, y,
          {mix(grey, above.red, opacity), mix(grey, above.green, opacity),
           mix(grey, above.blue, opacity)});
    }
  }
  return out;
}

Image enlarge(const Image& image, int64_t factor) {
  check_image("enlarge", image);
  check_value(
      factor >= 1 && factor <= kMaxImageSide, "enlarge", "factor must be 1 to ", kMaxImageSide,
      ", got ", factor);
  check_side("enlarge", image.width * factor, image.height * factor);
  Image out{image.width * factor, image.height * factor, image.channels, {}};
  out.pixels.reserve(image.pixels.size() * static_cast<size_t>(factor * factor));
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x) {
      const auto from =
          image.pixels.begin() + static_cast<int64_t>(offset_of(image, x / factor, y / factor));
      out.pixels.insert(out.pixels.end(), from, from + image.channels);
    }
  }
  return out;
}

namespace {

void paste(Image& out, const Image& image, int64_t left, int64_t top) {
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      set_pixel(out, left + x, top + y, pixel_of(image, x, y));
    }
  }
}

/// Where each cell starts, and behind the last one the whole length plus one gap.
std::vector<int64_t> starts_of(std::span<const int64_t> sizes, int64_t gap) {
  std::vector<int64_t> starts{0};
  for (const int64_t size : sizes) starts.push_back(starts.back() + size + gap);
  return starts;
}

}  // namespace

Image grid(const std::vector<std::vector<Image>>& rows, const GridOptions& options) {
  check_value(
      options.gap >= 0 && options.gap <= kMaxImageSide, "grid", "gap must be 0 to ", kMaxImageSide,
      ", got ", options.gap);

  // Width of every column and height of every row
  std::vector<int64_t> widths;
  std::vector<int64_t> heights;
  for (const std::vector<Image>& row : rows) {
    heights.push_back(0);
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) {
      if (row[c].pixels.empty()) continue;
      check_image("grid", row[c]);
      widths[c] = std::max(widths[c], row[c].width);
      heights.back() = std::max(heights.back(), row[c].height);
    }
  }
  const std::vector<int64_t> lefts = starts_of(widths, options.gap);
  const std::vector<int64_t> tops = starts_of(heights, options.gap);
  const int64_t width = lefts.back() - options.gap;
  const int64_t height = tops.back() - options.gap;
  check_value(
      std::ranges::any_of(widths, [](int64_t w) { return w > 0; }), "grid", "holds no picture");
  check_side("grid", width, height);

  Image out = blank(width, height, options.background);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].size(); ++c) {
      if (!rows[r][c].pixels.empty()) paste(out, rows[r][c], lefts[c], tops[r]);
    }
  }
  return out;
}

}  // namespace limpid::interpret
