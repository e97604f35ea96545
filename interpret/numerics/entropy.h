// interpret/numerics/entropy.h: how spread out a law is, estimated from a cloud of its samples.
//
//     H = -int p log p in nats        X [n, d] f64, one sample per row
//
//   Kozachenko and Leonenko (1987)   psi(n) - psi(k) + log c_d + (d / n) sum_i log r_k(i)
//       r_k(i) the distance from x_i to its k-th nearest neighbour, c_d = pi^(d/2) / Gamma(d/2 + 1)
//       the volume of the unit ball, psi = digamma. For few dimensions: biased upwards from about
//       10
//   Gaussian bound                   (1/2) log det(2 pi e S) >= H of any law with covariance S
//   participation ratio              (tr S)^2 / tr S^2 in [1, d]: how many directions vary
//
// Tests  tests/interpret/entropy_test.cpp
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>

namespace limpid::interpret {

/// psi(x) = d/dx log Gamma(x) for x > 0: psi(x) = psi(x + 1) - 1/x up to x >= 10, then the
/// asymptotic series. Throws ValueError unless x > 0.
double digamma(double x);

struct NeighbourEntropyOptions {
  int64_t k = 3;
  /// Normal noise on every coordinate, as a share of sqrt(tr S), separates rounded samples.
  double jitter = 1e-10;
  uint64_t seed = 0;  // of the noise
};

struct NeighbourEntropy {
  double entropy = 0;   // -infinity if all samples are one point
  int64_t dropped = 0;  // samples whose k-th neighbour lies at distance 0 even so
};
/// Estimate of Kozachenko and Leonenko. The law must have a density: units of a rectifier that are
/// often 0 have none, and what is found then is the noise's. Throws as check_points(), ValueError
/// unless 1 <= k < n and jitter >= 0.
NeighbourEntropy neighbour_entropy(const Tensor& X, const NeighbourEntropyOptions& options = {});

/// (1/2) log det(2 pi e S) of a covariance S [d, d]; -infinity if S is singular to rounding.
double gaussian_entropy(const Tensor& covariance);

/// Of the covariance of the rows of X, through X'X or X X', whichever is smaller. NaN of one point.
double participation_ratio(const Tensor& X);

}  // namespace limpid::interpret
