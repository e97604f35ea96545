// framework/linalg/linalg.h: factorisations of f64 matrices, by the LAPACK inside OpenBLAS.
//
// A matrix is a Tensor f64 [m, n]; k = min(m, n). Sizes may be 0. Where the mathematics leaves a
// sign open, it is fixed here, so that results can be compared and stored: r of qr() has no
// negative diagonal entry, and every singular and eigenvector has a positive largest component
// (of components that differ by rounding only, the first one counts as the largest).
//
// All functions throw
//   DTypeError    for anything but f64,
//   ShapeError    for a wrong rank or size, and for sizes beyond LAPACK's 32-bit counters
//                 (2^24 a side, 2^14 the smaller side, 2^30 elements),
//   NumericError  for NaN or infinity in an argument or the result, and for no convergence.
// There are no derivatives: a backward pass that reaches a result throws GraphError.
//
// Tests  tests/linalg/linalg_test.cpp
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <optional>

namespace limpid {

/// 1 on the diagonal, f64 [n, n].
Tensor identity(int64_t n);

/// The lower triangular l [n, n] with a = l l^T and a positive diagonal, for a symmetric positive
/// definite a [n, n]. Only the lower triangle of a is used. Throws NumericError if a pivot
/// a_ii - sum_{j<i} l_ij^2 is not positive; value() is that pivot.
Tensor cholesky(const Tensor& a);

/// Solves l l^T x = b, given l of cholesky(). b is [n] or [n, p], and x like b. Only the lower
/// triangle of l is used.
Tensor solve_cholesky(const Tensor& l, const Tensor& b);

/// a = q r with orthonormal columns of q, q^T q = 1, and r upper triangular.
struct Qr {
  Tensor q;  // [m, k]
  Tensor r;  // [k, n], diagonal >= 0
};
Qr qr(const Tensor& a);

/// a = V diag(values) V^T with orthogonal V.
struct EigenSymmetric {
  Tensor values;   // [n], ascending
  Tensor vectors;  // V [n, n], column j belongs to values[j]
};
/// Only the lower triangle of a [n, n] is used. Where values coincide, the vectors are some
/// orthonormal basis of their common space.
EigenSymmetric eigen_symmetric(const Tensor& a);

/// a = u diag(s) vt with u^T u = vt vt^T = 1.
struct Svd {
  Tensor u;   // [m, k], the sign rule holds for its columns
  Tensor s;   // [k], descending, >= 0
  Tensor vt;  // [k, n], row j belongs to s[j]
};
Svd svd(const Tensor& a);

struct LeastSquares {
  Tensor x;      // [n] or [n, p], like b
  int64_t rank;  // number of singular values over tolerance * s[0]
  Tensor s;      // [k], singular values of a, descending
};
/// Of all x that minimise |a x - b|_2, the one with the least |x|_2, for every column of b alone:
///   x = sum over s_j > tolerance * s_0 of  v_j (u_j . b) / s_j.
/// b is [m] or [m, p]. The usual tolerance is max(m, n) * 2^-52, the size of the rounding errors
/// in s. Throws ValueError unless 0 < tolerance < 1.
LeastSquares least_squares(
    const Tensor& a, const Tensor& b, std::optional<double> tolerance = std::nullopt);

}  // namespace limpid
