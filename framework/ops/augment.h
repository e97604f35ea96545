// framework/ops/augment.h: augmentation with derivatives, for images [N, C, H, W].
//
// Every function takes its parameters per image, as a span of N entries (ShapeError otherwise), and
// is linear in the image, or affine. Derivatives are with respect to the image; parameters are
// constants. Those that move pixels are one linear map, sample_bilinear, at different places; its
// adjoint is spread_bilinear, whose adjoint is sample_bilinear again, so derivatives of every order
// exist. The others are compositions.
//
// Kernels  framework/kernels/sample.h        Tests  tests/ops/op_table_augment.cpp
// Random augmentation of training images: datasets/transforms.h.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid {

// ---- Moving pixels ----

/// Where output pixel (p, q) looks: row y = yp p + yq q + y0, column x = xp p + xq q + x0, in
/// pixels of the input, whose first pixel is at (0, 0). As it stands: the identity.
struct PixelMap {
  double yp = 1, yq = 0, y0 = 0;
  double xp = 0, xq = 1, x0 = 0;
};

/// What a place beyond the image holds.
enum class Border : uint8_t {
  zero,  // 0 at every pixel outside
  edge,  // the value at the nearest place inside
};

/// y[n,c,p,q] = sum_{i,j} max(0, 1 - |y - i|) max(0, 1 - |x - j|) x[n,c,i,j], with (y, x) from
/// maps[n]: [N, C, H, W] -> [N, C, height, width].
/// Throws ShapeError for an empty image or size, ValueError for a map that is not finite.
Tensor sample_bilinear(
    const Tensor& x, std::span<const PixelMap> maps, int64_t height, int64_t width,
    Border border = Border::zero);
/// The adjoint: g [N, C, P, Q] -> [N, C, height, width].
Tensor spread_bilinear(
    const Tensor& g, std::span<const PixelMap> maps, int64_t height, int64_t width,
    Border border = Border::zero);

struct Offset {
  int64_t down = 0, right = 0;  // pixels
};
/// y[n,c,i,j] = x[n,c,i-down,j-right], zeros from outside: a padded crop.
Tensor shift(const Tensor& x, std::span<const Offset> offsets);

/// Left to right where flipped[n]: y[n,c,i,j] = x[n,c,i,W-1-j].
Tensor flip_horizontal(const Tensor& x, const std::vector<bool>& flipped);

/// Counter-clockwise about the centre by degrees[n], zeros from outside.
Tensor rotate(const Tensor& x, std::span<const double> degrees);

/// A part of an image, in pixels from its upper left corner: the whole is {0, 0, H, W}.
struct Box {
  double top = 0, left = 0, height = 0, width = 0;
};
/// The box resized to height x width with half-pixel centres: output row p samples row
/// top + (p + 1/2) box.height / height - 1/2, columns alike. Reads on beyond the box, and holds the
/// edge of the image: the whole image gives resize_bilinear. Throws ValueError for an empty box.
Tensor crop_resize(const Tensor& x, std::span<const Box> boxes, int64_t height, int64_t width);

// ---- Changing values ----

/// 0 on the pixels whose centres are in the box, which may reach over the edge (DeVries and Taylor
/// 2017, arXiv:1708.04552).
Tensor cutout(const Tensor& x, std::span<const Box> boxes);

/// x + deviations[n] times a standard normal tensor drawn from rng. Noise of your own is x + noise.
Tensor add_noise(const Tensor& x, std::span<const double> deviations, Rng& rng);

/// factors[n] x.
Tensor brightness(const Tensor& x, std::span<const double> factors);
/// factors[n] x + (1 - factors[n]) mean, the mean being that of all values of image n.
Tensor contrast(const Tensor& x, std::span<const double> factors);

}  // namespace limpid
