// interpret/numerics/nnls.h: non-negative least squares from the normal equations.
//
//     minimise  1/2 x' K x - c' x   over  x >= 0,    K [n, n] positive semi-definite, c [n]
//
// With K = A'A and c = A'y this is |A x - y|^2 / 2; with c = A'y - rho it has the penalty rho sum
// x, which prefers few entries. Optimal if and only if x >= 0, the slopes w = c - K x are at most
// 0, and w_j = 0 where x_j > 0; both are returned as measured, so that the answer can be trusted.
//
// Active set method (Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23; on the
// normal equations: Bro and de Jong, Journal of Chemometrics 11, 1997). One entry enters at a time,
// so a solution with m positive entries takes at least m factorisations of up to m rows: for n to
// some thousands.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>

namespace limpid::interpret {

struct NnlsOptions {
  int64_t max_iterations = 0;  // 0: 3 n
  /// A slope is positive above this times the largest |c|.
  double tolerance = 1e-12;
  /// Added to the diagonal, in units of its mean: solves stay possible where columns depend on each
  /// other.
  double ridge = 1e-14;
};

struct NnlsResult {
  Tensor x;                    // [n] f64
  bool converged = false;      // else: max_iterations
  int64_t iterations = 0;      // entries that entered
  double largest_slope = 0;    // max_j w_j; at most 0 at the optimum, up to rounding
  double complementarity = 0;  // |x' w|: the duality gap where all slopes are at most 0
};

/// K and c in f64. Throws ShapeError if they do not fit, ValueError if they are not finite.
NnlsResult nnls(const Tensor& K, const Tensor& c, const NnlsOptions& options = {});

}  // namespace limpid::interpret
