// interpret/numerics/sinkhorn.h: entropic optimal transport by matrix-vector products.
//
//     OT_eps(a, b) = min sum_ij pi_ij C_ij + eps KL(pi | a x b)   over  pi >= 0, row sums a, column
//                    sums b,          KL(pi | a x b) = sum_ij pi_ij log(pi_ij / (a_i b_j))
//     pi_ij = a_i b_j exp((f_i + g_j - C_ij) / eps),       OT_eps = sum_i a_i f_i + sum_j b_j g_j
//
//   C [n, m]  costs      a [n], b [m]  masses (masses.h)      f [n], g [m]  potentials
//
// Sinkhorn's iteration makes the rows, then the columns of pi fit. Here pi = diag(u) K diag(v) with
// K made from potentials that already contain the past, so that an iteration is two products with a
// matrix (u = a / K v, v = b / K'u) and nothing under- or overflows: whenever an entry of u or v
// leaves [1e-60, 1e60], its logarithm goes over into f or g and K is made again (Schmitzer, SIAM
// Journal on Scientific Computing 41, 2019, section 3.1). The start is f_i = min_j C_ij,
// g_j = min_i (C_ij - f_i): K has no empty row or column however small eps is. Where
// C_ij - f_i - g_j is typically above 16 eps, eps starts there and is halved (section 3.2 there).
//
// The plain form, one log-sum-exp per potential, stands in tests/reference/sinkhorn.h.
//
// Paper    Cuturi, Sinkhorn Distances (NIPS 2013); Feydy et al., Interpolating between Optimal
//          Transport and MMD using Sinkhorn Divergences (AISTATS 2019)
// Tests    tests/interpret/sinkhorn_test.cpp, pot_test.cpp
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

struct SinkhornOptions {
  double epsilon = 0;  // > 0, in units of the costs
  /// Stops where sum_i |sum_j pi_ij - a_i| is at most this share of the mass; columns fit exactly.
  double marginal_tolerance = 1e-6;
  int64_t max_iterations = 10000;  // over all values of eps
};

enum class SinkhornStatus : uint8_t { converged, iteration_limit };
const char* name_of(SinkhornStatus status);

struct SinkhornResult {
  Tensor f, g;           // [n], [m] f64
  double value = 0;      // OT_eps: sum a f + sum b g
  double transport = 0;  // <pi, C> alone
  /// sum_i |sum_j pi_ij - a_i|, as a share of the mass
  double marginal_error = 0;
  double epsilon = 0;
  int64_t iterations = 0;
  SinkhornStatus status = SinkhornStatus::iteration_limit;
};

/// Potentials of points without mass are those that the other side's imply. Throws as
/// balanced_masses() and check_costs(), ValueError unless epsilon > 0, marginal_tolerance > 0 and
/// max_iterations >= 1. An eps too small for the iterations, or for the digits of f and g, ends
/// with iteration_limit and the marginal error that is left; nothing is NaN.
SinkhornResult sinkhorn(
    const Tensor& C, std::span<const double> a, std::span<const double> b,
    const SinkhornOptions& options);

/// pi [n, m] of potentials. Throws as sinkhorn(), ShapeError if they do not fit.
Tensor sinkhorn_plan(
    const Tensor& C, std::span<const double> a, std::span<const double> b,
    const SinkhornResult& result);

/// The self term OT_eps(a, a) of symmetric costs C [n, n]: f = g, by the fixed point
/// f <- (f + T f) / 2 with T the half step of Sinkhorn, which needs few iterations at any eps.
SinkhornResult sinkhorn_self(
    const Tensor& C, std::span<const double> a, const SinkhornOptions& options);

/// S_eps(a, b) = OT_eps(a, b) - OT_eps(a, a) / 2 - OT_eps(b, b) / 2: at least 0, and 0 for equal
/// laws, for costs |x - y|^2 (Feydy et al., theorem 1).
struct SinkhornDivergence {
  double value = 0;
  SinkhornResult between, self_x, self_y;
  bool converged() const;
};
SinkhornDivergence sinkhorn_divergence(
    const Tensor& X, const Tensor& Y, const SinkhornOptions& options,
    std::span<const double> a = {}, std::span<const double> b = {});

}  // namespace limpid::interpret
