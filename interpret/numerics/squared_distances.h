// interpret/numerics/squared_distances.h: all pairs of two point clouds, by matrix products.
//
//     D_ij = |x_i - y_j|^2 = |x_i|^2 + |y_j|^2 - 2 <x_i, y_j>,    X [n, d], Y [m, d], D [n, m]
//
// Both clouds are moved by the mean of Y first, which changes no distance and saves digits. Where
// points are so near that the right side would lose more than half of its digits, the left side is
// summed instead: equal points are exactly 0 apart, and every entry is good to about 1e-9 of
// itself.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid::interpret {

/// f64. Throws ShapeError unless X is [n, d] and Y [m, d] with n, m, d >= 1, ValueError for NaN or
/// infinity, NumericError where a square overflows. The same bits at any thread count.
Tensor squared_distances(const Tensor& X, const Tensor& Y);

}  // namespace limpid::interpret
