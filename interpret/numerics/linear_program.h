// interpret/numerics/linear_program.h: small dense linear programs, with a certificate.
//
//     minimise  c' x   over  A x = b,  l <= x <= u        A [m, n], c [n], b [m], l, u [n]
//
// Bounds may be infinite; a variable without either is free. An inequality gets a slack variable.
// Revised simplex method with bounds (Dantzig 1955; Chvatal, "Linear Programming", 1983, chapters
// 7 and 8): m columns form a basis B, all other variables stand at a bound; y = B^-T c_B prices the
// others, d = c - A' y, and one that pays enters. Phase 1 minimises the sum of |residuals| from a
// basis of artificial variables; rows that depend on others keep theirs, fixed at 0. B^-1 is held
// densely and computed anew now and then. The steepest price enters first; after many steps without
// gain the smallest index does, which cannot cycle (Bland 1977).
//
// What an answer proves, and how well, is measured from A, b, c alone:
//   optimal     x feasible (primal_residual) and c'x = b'y + sum_j (l_j d_j for d_j > 0,
//               u_j d_j for d_j < 0) up to `gap`: weak duality makes the right side a lower bound
//   infeasible  y with  b'y > max of y'A x over the bounds (Farkas); that excess is `gap` < 0
//   unbounded   x and a `ray` with A ray = 0, c' ray < 0, along which no bound is met
// For up to some hundred rows and some thousand columns.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>

namespace limpid::interpret {

enum class LinearStatus : uint8_t { optimal, infeasible, unbounded, max_iterations };
/// "optimal", "infeasible", "unbounded" or "max iterations".
const char* name_of(LinearStatus status);

struct LinearProgram {
  Tensor c, A, b;                 // f64 [n], [m, n], [m]
  Tensor lower = {}, upper = {};  // f64 [n]; undefined: 0 and infinity
};

struct LinearOptions {
  int64_t max_iterations = 0;  // 0: 50 (m + n)
  /// Largest price and residual that count as 0, in units of the largest |c| and |b|.
  double tolerance = 1e-9;
};

struct LinearResult {
  LinearStatus status = LinearStatus::max_iterations;
  Tensor x;                    // [n]
  Tensor y;                    // [m]: prices of the rows, or the Farkas vector
  Tensor ray;                  // [n], if unbounded
  double objective = 0;        // c' x
  double primal_residual = 0;  // max |A x - b|
  double gap = 0;              // c' x - lower bound, see above
  int64_t iterations = 0;
};

/// Throws ShapeError if sizes do not fit, DTypeError unless all is f64, ValueError for NaN, for
/// infinite c, A or b, and for a lower bound above the upper one.
LinearResult linear_program(const LinearProgram& program, const LinearOptions& options = {});

}  // namespace limpid::interpret
