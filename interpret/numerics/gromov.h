// interpret/numerics/gromov.h: how far two spaces are apart that only know their own distances.
//
//     GW(C, D) = min sum_ijkl (C_ik - D_jl)^2 T_ij T_kl   over couplings T >= 0 with row sums p and
//                column sums q
//
//   C [n, n], D [m, m]  symmetric, such as distances within two clouds      p [n], q [m] masses
//
// 0 if one space is the other with points renamed, so a layer can be compared with a wider one.
// Values are those of the sum, without a root or a factor of 1/2.
//
// With L(T)_ij = sum_k C_ik^2 p_k + sum_l D_jl^2 q_l - 2 (C T D)_ij the sum is <L(T), T> and has
// the gradient 2 L(T). It is not convex, so that every method finds a local minimum:
//
//   conditional gradient   S = argmin <L(T), S> over couplings, T <- T + step (S - T), the
//                          step that is exact for the quadratic in between (Vayer et al.,
//                          ICML 2019, alg. 1)
//   entropic               T <- Sinkhorn plan of the costs 2 L(T) (Peyre et al., ICML 2016, eq. 8)
//
// Tests  tests/interpret/gromov_test.cpp, pot_test.cpp
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

/// <L(T), T> of a coupling T [n, m], whose sums are p and q. Throws ShapeError unless C and D are
/// square and T fits them, DTypeError unless f64, ValueError for NaN, infinity or an asymmetric
/// matrix.
double gromov_value(const Tensor& C, const Tensor& D, const Tensor& T);

struct GromovOptions {
  double tolerance = 1e-9;  // ends when the value falls by less than this share of sum C^2 + D^2
  int64_t max_iterations = 1000;
};

struct GromovResult {
  Tensor coupling;   // T [n, m]
  double value = 0;  // of T
  int64_t iterations = 0;
  bool converged = false;
};

/// Conditional gradient from a given coupling T [n, m], whose sums are the masses: linear steps by
/// optimal_transport(). Throws as gromov_value() and optimal_transport().
GromovResult gromov_from(
    const Tensor& C, const Tensor& D, const Tensor& T, const GromovOptions& options = {});
/// From the product coupling T_ij = p_i q_j; any sizes and masses. Throws as balanced_masses().
GromovResult gromov_wasserstein(
    const Tensor& C, const Tensor& D, std::span<const double> p = {},
    std::span<const double> q = {}, const GromovOptions& options = {});

/// Two spaces of n points with equal masses, whose point i is the same i: as layers of one network.
struct PairedGromov {
  double identity_value = 0;                 // of T_ii = 1/n, an upper bound
  GromovResult from_identity, from_product;  // conditional gradient from there, from T_ij = 1/n^2
  const GromovResult& best() const;
};
/// C, D [n, n]. Throws as gromov_from().
PairedGromov paired_gromov(const Tensor& C, const Tensor& D, const GromovOptions& options = {});

/// Entropic, from the product coupling; any sizes and masses, n up to some hundreds. `epsilon` is
/// in units of the costs 2 L. Throws as sinkhorn().
GromovResult entropic_gromov(
    const Tensor& C, const Tensor& D, std::span<const double> p, std::span<const double> q,
    double epsilon, const GromovOptions& options = {});

}  // namespace limpid::interpret
