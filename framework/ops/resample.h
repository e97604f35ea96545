// framework/ops/resample.h: resizing of images [N, C, H, W], linear pairs.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

/// [N, C, H, W] -> [N, C, height, width] with half-pixel centres: output row p samples the input
/// at (p + 1/2) H / height - 1/2, cut off at the edges; no antialiasing.
/// Throws ShapeError for an empty image or size.
Tensor resize_bilinear(const Tensor& x, int64_t height, int64_t width);
/// The adjoint: g [N, C, P, Q] -> [N, C, height, width].
Tensor resize_bilinear_input(const Tensor& g, int64_t height, int64_t width);

/// [N, C, H, W] -> [N, C, height, width]: output (p, q) copies input (floor(p H / height),
/// floor(q W / width)).
Tensor resize_nearest(const Tensor& x, int64_t height, int64_t width);
/// The adjoint: g [N, C, P, Q] -> [N, C, height, width].
Tensor resize_nearest_input(const Tensor& g, int64_t height, int64_t width);

}  // namespace limpid
