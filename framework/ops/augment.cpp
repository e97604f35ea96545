// framework/ops/augment.cpp: one linear pair for places, compositions for values.
#include "framework/ops/augment.h"

#include "framework/core/error.h"
#include "framework/kernels/sample.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <cmath>
#include <numbers>

namespace limpid {
namespace {

// Images [N, C, H, W] and N parameters.
void check_images(const char* op, const Tensor& x, size_t parameters) {
  const Shape& s = x.shape();
  check_shape(
      s.rank() == 4 && s[2] > 0 && s[3] > 0, op, "needs images [N, C, H, W] with pixels, got ", s);
  check_shape(
      s[0] == static_cast<int64_t>(parameters), op, "needs one parameter per image, got ",
      parameters, " for ", s);
}

// [N, 6] for the kernels.
std::vector<double> numbers_of(const char* op, std::span<const PixelMap> maps) {
  std::vector<double> out;
  for (const PixelMap& m : maps) {
    for (const double number : {m.yp, m.yq, m.y0, m.xp, m.xq, m.x0}) {
      check_value(std::isfinite(number), op, "place must be finite, got ", number);
      out.push_back(number);
    }
  }
  return out;
}

// The two members of the pair, reporting errors under the name of the function called
Tensor sample(
    const char* op, const Tensor& x, std::span<const PixelMap> maps, int64_t height, int64_t width,
    Border border) {
  check_images(op, x, maps.size());
  const Shape& s = x.shape();
  check_shape(height > 0 && width > 0, op, "no pixels in ", height, "x", width, " from ", s);
  const std::vector<double> numbers = numbers_of(op, maps);
  Tensor y = Tensor::empty({s[0], s[1], height, width}, x.dtype());
  visit_float(op, x.dtype(), [&]<class T>() {
    kernels::sample_bilinear<T>(
        {s[0], s[1], s[2], s[3], height, width, border == Border::edge}, numbers.data(),
        x.data<T>(), y.mutable_data<T>());
  });
  const auto formula = [places = std::vector(maps.begin(), maps.end()), H = s[2], W = s[3], border](
                           const Tensor& g) { return spread_bilinear(g, places, H, W, border); };
  return record(op, y, wrt(x, formula));
}

// One number per image, [N, 1, 1, 1].
Tensor per_image(const Tensor& x, std::span<const double> numbers) {
  return Tensor::of({x.size(0), 1, 1, 1}, numbers, x.dtype());
}

}  // namespace

// ---- Moving pixels ----

Tensor sample_bilinear(
    const Tensor& x, std::span<const PixelMap> maps, int64_t height, int64_t width, Border border) {
  return sample("sample_bilinear", x, maps, height, width, border);
}

Tensor spread_bilinear(
    const Tensor& g, std::span<const PixelMap> maps, int64_t height, int64_t width, Border border) {
  const char* op = "spread_bilinear";
  check_images(op, g, maps.size());
  const Shape& s = g.shape();
  check_shape(height > 0 && width > 0, op, "no pixels in ", height, "x", width, " for ", s);
  const std::vector<double> numbers = numbers_of(op, maps);
  Tensor dx = Tensor::empty({s[0], s[1], height, width}, g.dtype());
  visit_float(op, g.dtype(), [&]<class T>() {
    kernels::spread_bilinear<T>(
        {s[0], s[1], height, width, s[2], s[3], border == Border::edge}, numbers.data(),
        g.data<T>(), dx.mutable_data<T>());
  });
  const auto formula = [places = std::vector(maps.begin(), maps.end()), P = s[2], Q = s[3], border](
                           const Tensor& v) { return sample_bilinear(v, places, P, Q, border); };
  return record(op, dx, wrt(g, formula));
}

Tensor shift(const Tensor& x, std::span<const Offset> offsets) {
  check_images("shift", x, offsets.size());
  std::vector<PixelMap> maps;
  for (const Offset& o : offsets) {
    maps.push_back({.y0 = -static_cast<double>(o.down), .x0 = -static_cast<double>(o.right)});
  }
  return sample("shift", x, maps, x.size(2), x.size(3), Border::zero);
}

Tensor flip_horizontal(const Tensor& x, const std::vector<bool>& flipped) {
  check_images("flip_horizontal", x, flipped.size());
  const double last = static_cast<double>(x.size(3) - 1);
  std::vector<PixelMap> maps;
  for (const bool flip : flipped) {
    maps.push_back(flip ? PixelMap{.xq = -1, .x0 = last} : PixelMap{});
  }
  return sample("flip_horizontal", x, maps, x.size(2), x.size(3), Border::zero);
}

Tensor rotate(const Tensor& x, std::span<const double> degrees) {
  check_images("rotate", x, degrees.size());
  const double middle_y = static_cast<double>(x.size(2) - 1) / 2;
  const double middle_x = static_cast<double>(x.size(3) - 1) / 2;
  std::vector<PixelMap> maps;
  for (const double angle : degrees) {
    // Turn back to where a pixel comes from, with y pointing down; the middle stays
    const double c = std::cos(angle * std::numbers::pi / 180);
    const double s = std::sin(angle * std::numbers::pi / 180);
    maps.push_back(
        {.yp = c,
         .yq = s,
         .y0 = middle_y - c * middle_y - s * middle_x,
         .xp = -s,
         .xq = c,
         .x0 = middle_x + s * middle_y - c * middle_x});
  }
  return sample("rotate", x, maps, x.size(2), x.size(3), Border::zero);
}

Tensor crop_resize(const Tensor& x, std::span<const Box> boxes, int64_t height, int64_t width) {
  check_images("crop_resize", x, boxes.size());
  std::vector<PixelMap> maps;
  for (const Box& box : boxes) {
    check_value(
        box.height > 0 && box.width > 0, "crop_resize", "empty box of ", box.height, "x", box.width,
        " pixels");
    const double tall = box.height / static_cast<double>(height);
    const double wide = box.width / static_cast<double>(width);
    maps.push_back(
        {.yp = tall,
         .y0 = box.top + tall / 2 - 0.5,
         .xp = 0,
         .xq = wide,
         .x0 = box.left + wide / 2 - 0.5});
  }
  return sample("crop_resize", x, maps, height, width, Border::edge);
}

// ---- Changing values ----

Tensor cutout(const Tensor& x, std::span<const Box> boxes) {
  check_images("cutout", x, boxes.size());
  const int64_t H = x.size(2), W = x.size(3);
  std::vector<double> left;  // 1 where the image is left as it is, [N, 1, H, W]
  const auto covers = [](double begin, double size, int64_t pixel) {
    const double place = static_cast<double>(pixel) + 0.5 - begin;
    return place >= 0 && place < size;
  };
  for (const Box& box : boxes) {
    for (int64_t i = 0; i < H; ++i) {
      for (int64_t j = 0; j < W; ++j) {
        left.push_back(covers(box.top, box.height, i) && covers(box.left, box.width, j) ? 0 : 1);
      }
    }
  }
  return x * Tensor::of({x.size(0), 1, H, W}, left, x.dtype());
}

Tensor add_noise(const Tensor& x, std::span<const double> deviations, Rng& rng) {
  check_images("add_noise", x, deviations.size());
  return x + per_image(x, deviations) * Tensor::normal(x.shape(), rng, 0, 1, x.dtype());
}

Tensor brightness(const Tensor& x, std::span<const double> factors) {
  check_images("brightness", x, factors.size());
  return x * per_image(x, factors);
}

Tensor contrast(const Tensor& x, std::span<const double> factors) {
  check_images("contrast", x, factors.size());
  const Tensor factor = per_image(x, factors);            // [N, 1, 1, 1]
  return x * factor + (1 - factor) * mean(x, {1, 2, 3});  // [N, C, H, W]
}

}  // namespace limpid
