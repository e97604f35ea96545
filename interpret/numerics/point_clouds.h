// interpret/numerics/point_clouds.h: distances within and between clouds of points, in f64.
//
// A cloud is X [n, d], one point per row. Differences are squared and added, not expanded into
// |x|^2 + |y|^2 - 2 x'y: equal points are exactly 0 apart, and near ones keep their digits.
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

/// C [n, m], C_ij = |x_i - y_j|^2.
Tensor squared_distance_matrix(const Tensor& X, const Tensor& Y);
/// D [n, n], D_ij = |x_i - x_j|.
Tensor distance_matrix(const Tensor& X);

/// R [n, k]: distances from x_i to the k other points nearest to it, smallest first; a block of
/// rows of all distances at a time. Throws ValueError unless 1 <= k < n.
Tensor neighbour_distances(const Tensor& X, int64_t k);

}  // namespace limpid::interpret
