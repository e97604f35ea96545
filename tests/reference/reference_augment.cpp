// tests/reference/reference_augment.cpp: naive augmentation of images [N, C, H, W].
#include "tests/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limpid::reference {
namespace {

// Calls f(output, input, weight) with flat positions for every pair of pixels of one plane.
template <class F>
void for_pairs(
    const Shape& input, const Shape& output, const std::vector<PixelMap>& maps, Border border,
    const F& f) {
  const auto place = [border](double exact, int64_t n) {
    return border == Border::edge ? std::clamp(exact, 0.0, static_cast<double>(n - 1)) : exact;
  };
  const auto tent = [](double distance) { return std::max(0.0, 1 - std::abs(distance)); };
  const int64_t H = input[2], W = input[3], P = output[2], Q = output[3];
  for (int64_t plane = 0; plane < input[0] * input[1]; ++plane) {
    const PixelMap& m = maps[static_cast<size_t>(plane / input[1])];
    for (int64_t out = 0; out < P * Q; ++out) {
      const auto p = static_cast<double>(out / Q), q = static_cast<double>(out % Q);
      const double y = place(m.yp * p + m.yq * q + m.y0, H);
      const double x = place(m.xp * p + m.xq * q + m.x0, W);
      for (int64_t in = 0; in < H * W; ++in) {
        const double weight =
            tent(y - static_cast<double>(in / W)) * tent(x - static_cast<double>(in % W));
        f(static_cast<size_t>(plane * P * Q + out), static_cast<size_t>(plane * H * W + in),
          weight);
      }
    }
  }
}

// y(n, c, i, j) = f(n, c, i, j) on every pixel.
template <class F>
Tensor by_pixel(const Shape& s, const F& f) {
  std::vector<double> y;
  for (int64_t n = 0; n < s[0]; ++n) {
    for (int64_t c = 0; c < s[1]; ++c) {
      for (int64_t i = 0; i < s[2]; ++i) {
        for (int64_t j = 0; j < s[3]; ++j) y.push_back(f(n, c, i, j));
      }
    }
  }
  return Tensor::of(s, y, DType::f64);
}

// Reads x [N, C, H, W]; 0 outside.
struct Pixels {
  explicit Pixels(const Tensor& x) : s(x.shape()), values(x.to_vector()) {}
  double operator()(int64_t n, int64_t c, int64_t i, int64_t j) const {
    if (i < 0 || i >= s[2] || j < 0 || j >= s[3]) return 0;
    return values[static_cast<size_t>(((n * s[1] + c) * s[2] + i) * s[3] + j)];
  }
  Shape s;
  std::vector<double> values;
};

template <class T>
T entry(const std::vector<T>& list, int64_t n) {
  return list[static_cast<size_t>(n)];
}

}  // namespace

Tensor sample_bilinear(
    const Tensor& x_in, const std::vector<PixelMap>& maps, int64_t height, int64_t width,
    Border border) {
  const std::vector<double> x = x_in.to_vector();
  const Shape shape = {x_in.shape()[0], x_in.shape()[1], height, width};
  std::vector<double> y(static_cast<size_t>(shape.numel()), 0.0);
  for_pairs(x_in.shape(), shape, maps, border, [&](size_t out, size_t in, double weight) {
    y[out] += weight * x[in];
  });
  return Tensor::of(shape, y, DType::f64);
}

Tensor spread_bilinear(
    const Tensor& g_in, const std::vector<PixelMap>& maps, int64_t height, int64_t width,
    Border border) {
  const std::vector<double> g = g_in.to_vector();
  const Shape shape = {g_in.shape()[0], g_in.shape()[1], height, width};
  std::vector<double> dx(static_cast<size_t>(shape.numel()), 0.0);
  for_pairs(shape, g_in.shape(), maps, border, [&](size_t out, size_t in, double weight) {
    dx[in] += weight * g[out];
  });
  return Tensor::of(shape, dx, DType::f64);
}

Tensor shift(const Tensor& x_in, const std::vector<Offset>& offsets) {
  const Pixels x(x_in);
  return by_pixel(x.s, [&](auto n, auto c, auto i, auto j) {
    return x(n, c, i - entry(offsets, n).down, j - entry(offsets, n).right);
  });
}

Tensor flip_horizontal(const Tensor& x_in, const std::vector<bool>& flipped) {
  const Pixels x(x_in);
  return by_pixel(x.s, [&](auto n, auto c, auto i, auto j) {
    return x(n, c, i, entry(flipped, n) ? x.s[3] - 1 - j : j);
  });
}

Tensor rotate(const Tensor& x_in, const std::vector<double>& degrees) {
  const Pixels x(x_in);
  return by_pixel(x.s, [&](auto n, auto c, auto i, auto j) {
    // In polar coordinates about the middle, y up: the angle there is the angle here minus the turn
    const double middle_y = static_cast<double>(x.s[2] - 1) / 2;
    const double middle_x = static_cast<double>(x.s[3] - 1) / 2;
    const double up = middle_y - static_cast<double>(i), right = static_cast<double>(j) - middle_x;
    const double angle = std::atan2(up, right) - entry(degrees, n) * std::numbers::pi / 180;
    const double from_y = middle_y - std::hypot(up, right) * std::sin(angle);
    const double from_x = middle_x + std::hypot(up, right) * std::cos(angle);
    double value = 0;
    for (int64_t a = 0; a < x.s[2]; ++a) {
      for (int64_t b = 0; b < x.s[3]; ++b) {
        value += std::max(0.0, 1 - std::abs(from_y - static_cast<double>(a))) *
                 std::max(0.0, 1 - std::abs(from_x - static_cast<double>(b))) * x(n, c, a, b);
      }
    }
    return value;
  });
}

Tensor crop_resize(const Tensor& x, const std::vector<Box>& boxes, int64_t height, int64_t width) {
  const auto P = static_cast<double>(height), Q = static_cast<double>(width);
  std::vector<PixelMap> maps;
  for (const Box& b : boxes) {
    maps.push_back(
        {.yp = b.height / P,
         .y0 = b.top + 0.5 * b.height / P - 0.5,
         .xp = 0,
         .xq = b.width / Q,
         .x0 = b.left + 0.5 * b.width / Q - 0.5});
  }
  return sample_bilinear(x, maps, height, width, Border::edge);
}

Tensor cutout(const Tensor& x_in, const std::vector<Box>& boxes) {
  const Pixels x(x_in);
  return by_pixel(x.s, [&](auto n, auto c, auto i, auto j) {
    const Box b = entry(boxes, n);
    const double y = static_cast<double>(i) + 0.5, z = static_cast<double>(j) + 0.5;
    const bool inside = b.top <= y && y < b.top + b.height && b.left <= z && z < b.left + b.width;
    return inside ? 0 : x(n, c, i, j);
  });
}

Tensor add_noise(const Tensor& x_in, const std::vector<double>& deviations, const Tensor& noise) {
  const Pixels x(x_in), e(noise);
  return by_pixel(x.s, [&](auto n, auto c, auto i, auto j) {
    return x(n, c, i, j) + entry(deviations, n) * e(n, c, i, j);
  });
}

Tensor brightness(const Tensor& x_in, const std::vector<double>& factors) {
  const Pixels x(x_in);
  return by_pixel(
      x.s, [&](auto n, auto c, auto i, auto j) { return entry(factors, n) * x(n, c, i, j); });
}

Tensor contrast(const Tensor& x_in, const std::vector<double>& factors) {
  const Pixels x(x_in);
  const std::vector<double> means = reduce(x_in, {1, 2, 3}, average).to_vector();
  return by_pixel(x.s, [&](auto n, auto c, auto i, auto j) {
    return entry(means, n) + entry(factors, n) * (x(n, c, i, j) - entry(means, n));
  });
}

}  // namespace limpid::reference
