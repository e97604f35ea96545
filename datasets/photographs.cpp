// datasets/photographs.cpp: antialiased resizing in fixed-point numbers, and cropping.
#include "datasets/photographs.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>

namespace limpid::datasets {
namespace {

constexpr int kPlaces = 22;  // binary places of a weight: 32 - 8 for the byte - 2 to spare
constexpr int64_t kRowsPerBlock = 16;

// What one output position reads: sum over k of weights[k] x[first + k].
struct Window {
  int64_t first = 0;
  std::vector<int32_t> weights = {};  // in 2^-kPlaces
};

// Cut towards 0, as PIL does after adding a half: not the nearest number for negative ones.
int64_t whole_part(double value) { return static_cast<int64_t>(value); }

// The windows of n outputs over m inputs. The steps are PIL's, to the last rounding.
std::vector<Window> windows(int64_t m, int64_t n) {
  const double scale = static_cast<double>(m) / static_cast<double>(n);
  const double reach = std::max(scale, 1.0);  // half the base of the triangle, in inputs
  std::vector<Window> result(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<int64_t>(0, whole_part(centre - reach + 0.5));
    const auto last = std::min(m, whole_part(centre + reach + 0.5));

    // The triangle at the middle of each input, scaled to sum 1
    std::vector<double> triangle;
    double sum = 0;
    for (int64_t j = 0; j < last - first; ++j) {
      const double distance = (static_cast<double>(j + first) - centre + 0.5) * (1.0 / reach);
      triangle.push_back(std::max(0.0, 1 - std::abs(distance)));
      sum += triangle.back();
    }
    Window& window = result[static_cast<size_t>(i)];
    window.first = first;
    for (const double weight : triangle) {
      window.weights.push_back(
          static_cast<int32_t>(whole_part(0.5 + weight / sum * (1 << kPlaces))));
    }
  }
  return result;
}

// sum_k weights[k] x[k step], rounded and held within a byte.
uint8_t weighted(const Window& window, const uint8_t* x, int64_t step) {
  int32_t sum = 1 << (kPlaces - 1);
  for (const int32_t weight : window.weights) {
    sum += weight * *x;
    x += step;
  }
  return static_cast<uint8_t>(std::clamp(sum >> kPlaces, 0, 255));
}

// The first pass: [H, W, C] -> [H, width, C].
Image resize_rows(const Image& in, int64_t width) {
  const std::vector<Window> columns = windows(in.width, width);
  const int64_t step = in.channels;
  Image out{.width = width, .height = in.height, .channels = step, .pixels = {}};
  out.pixels.resize(static_cast<size_t>(in.height * width * step));
  const auto resize_row = [&](const uint8_t* from, uint8_t* to) {
    for (const Window& window : columns) {
      for (int64_t c = 0; c < step; ++c)
        *to++ = weighted(window, from + window.first * step + c, step);
    }
  };
  parallel::for_blocks(in.height, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      resize_row(in.pixels.data() + row * in.width * step, out.pixels.data() + row * width * step);
    }
  });
  return out;
}

// The second pass: [H, W, C] -> [height, W, C].
Image resize_columns(const Image& in, int64_t height) {
  const std::vector<Window> rows = windows(in.height, height);
  const int64_t line = in.width * in.channels;
  Image out{.width = in.width, .height = height, .channels = in.channels, .pixels = {}};
  out.pixels.resize(static_cast<size_t>(height * line));
  parallel::for_blocks(height, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Window& window = rows[static_cast<size_t>(row)];
      const uint8_t* from = in.pixels.data() + window.first * line;
      uint8_t* to = out.pixels.data() + row * line;
      for (int64_t i = 0; i < line; ++i) to[i] = weighted(window, from + i, line);
    }
  });
  return out;
}

void check_image(const char* op, const Image& image) {
  check_value(
      (image.channels == 1 || image.channels == 3) && image.height >= 1 && image.width >= 1 &&
          std::ssize(image.pixels) == image.height * image.width * image.channels,
      op, "needs a picture of 1 or 3 channels with all its pixels, got ", image.height, "x",
      image.width, " with ", image.channels, " channels and ", image.pixels.size(), " bytes");
}

// (a - b) / 2, a half rounded to the even neighbour.
int64_t half_of_rest(int64_t a, int64_t b) { return std::llrint(static_cast<double>(a - b) / 2); }

}  // namespace

Image resize(const Image& image, int64_t height, int64_t width) {
  check_image("resize", image);
  check_value(
      height >= 1 && width >= 1 && height <= kMaxImageSide && width <= kMaxImageSide, "resize",
      "sides must be 1 to ", kMaxImageSide, ", got ", height, "x", width);
  Image out = image;
  if (width != image.width) out = resize_rows(out, width);
  if (height != image.height) out = resize_columns(out, height);
  return out;
}

Image resize_shorter_side(const Image& image, int64_t side) {
  check_image("resize_shorter_side", image);
  const auto longer = [side](int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<double>(side * a) / static_cast<double>(b));
  };
  if (image.width <= image.height) return resize(image, longer(image.height, image.width), side);
  return resize(image, side, longer(image.width, image.height));
}

Image centre_crop(const Image& image, int64_t height, int64_t width) {
  check_image("centre_crop", image);
  check_value(
      height >= 1 && width >= 1 && height <= image.height && width <= image.width, "centre_crop",
      "cannot cut ", height, "x", width, " from a picture of ", image.height, "x", image.width);
  const int64_t top = half_of_rest(image.height, height);
  const int64_t left = half_of_rest(image.width, width);
  const int64_t channels = image.channels;
  Image out{.width = width, .height = height, .channels = channels, .pixels = {}};
  out.pixels.reserve(static_cast<size_t>(height * width * channels));
  for (int64_t row = top; row < top + height; ++row) {
    const auto from = image.pixels.begin() + (row * image.width + left) * channels;
    out.pixels.insert(out.pixels.end(), from, from + width * channels);
  }
  return out;
}

Tensor to_tensor(const Image& image) {
  check_image("to_tensor", image);
  const int64_t channels = image.channels, pixels = image.height * image.width;
  Tensor out = Tensor::empty({channels, image.height, image.width});
  float* values = out.mutable_data<float>();
  for (int64_t i = 0; i < pixels; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      values[c * pixels + i] =
          static_cast<float>(image.pixels[static_cast<size_t>(i * channels + c)]) / 255.0F;
    }
  }
  return out;
}

Tensor photograph(const Image& image, int64_t side, int64_t crop) {
  return to_tensor(centre_crop(resize_shorter_side(image, side), crop, crop));
}

}  // namespace limpid::datasets
