// interpret/numerics/point_clouds.h: moments and distances within one cloud of points, in f64.
//
// A cloud is X [n, d], one point per row. Between two clouds: squared_distances.h.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>

namespace limpid::interpret {

/// Throws ShapeError unless X is [n, d] with n, d >= 1, DTypeError unless f64, ValueError for NaN
/// or infinity.
void check_points(const char* op, const Tensor& X);
/// Both, and as many columns.
void check_points(const char* op, const Tensor& X, const Tensor& Y);

/// The rows less their mean.
Tensor centred(const Tensor& X);
/// sum_ij X_ij^2.
double sum_of_squares(const Tensor& X);

/// [n, n] |x_i - x_j|^2, exactly symmetric.
Tensor squared_distances_within(const Tensor& X);
/// [n, n] |x_i - x_j|, exactly symmetric.
Tensor distance_matrix(const Tensor& X);

/// R [n, k]: distances from x_i to the k other points nearest to it, smallest first; a block of
/// rows of all distances at a time. Throws ValueError unless 1 <= k < n.
Tensor neighbour_distances(const Tensor& X, int64_t k);

}  // namespace limpid::interpret
