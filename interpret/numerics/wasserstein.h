// interpret/numerics/wasserstein.h: optimal transport in closed form, on a line and of Gaussians.
//
//     W_p^p = min sum_ij pi_ij |x_i - y_j|^p   over  pi >= 0 with row sums a, column sums b
//
//   line      W_p^p = int_0^1 |F^-1(t) - G^-1(t)|^p dt: both samples sorted, mass by mass
//   sliced    SW2^2 = mean over unit vectors theta of W2^2 of the projections X theta, Y theta;
//             max-sliced takes the largest of them. At most W2^2 / d and W2^2
//   Gaussian  W2^2 = |m - m'|^2 + tr A + tr B - 2 tr (A^(1/2) B A^(1/2))^(1/2); a lower bound for
//             any two laws with these means and covariances (Gelbrich 1990)
//   energy    2 E|X - Y| - E|X - X'| - E|Y - Y'|, 0 only for equal laws (Szekely and Rizzo 2013)
//
// Names say whether W or its square is returned. Costs are |x - y|^2 of the Euclidean distance.
// Masses: masses.h. Points [n, d] f64. All throw as balanced_masses() and check_points().
//
// Paper    Peyre and Cuturi, Computational Optimal Transport (arXiv 1803.00567), 2.6, 8.2, 10.2
// Tests    tests/interpret/wasserstein_test.cpp, pot_test.cpp
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

// ---- On a line ----

struct LineTransport {
  double w1 = 0;          // W1
  double w2_squared = 0;  // W2^2
};
/// Of points x [n] and y [m] with masses a and b. O((n + m) log(n + m)).
LineTransport line_transport(
    std::span<const double> x, std::span<const double> y, std::span<const double> a = {},
    std::span<const double> b = {});

// ---- Sliced ----

/// Unit vectors theta [d, P] in its columns, uniform on the sphere: normal draws, divided by their
/// length. A function of d, P and seed; the first P of more are the same.
Tensor slice_directions(int64_t d, int64_t P, uint64_t seed);

struct SlicedTransport {
  double mean_w2_squared = 0;      // SW2^2
  double max_w2_squared = 0;       // of the best direction that was tried
  std::vector<double> w2_squared;  // [P]
};
/// Along given directions [d, P], so that several clouds are compared along the same ones.
/// O(P n (d + log n)), in parallel over directions.
SlicedTransport sliced_transport(
    const Tensor& X, const Tensor& Y, const Tensor& directions, std::span<const double> a = {},
    std::span<const double> b = {});

// ---- Gaussian ----

struct GaussianTransport {
  double bures_squared = 0;  // tr A + tr B - 2 tr (A^(1/2) B A^(1/2))^(1/2)
  double w2_squared = 0;     // that and the squared gap of the means
};
/// Means [d], covariances [d, d]. Eigenvalues below 0 count as 0. Throws ShapeError, ValueError for
/// NaN or infinity.
GaussianTransport gaussian_transport(
    const Tensor& mean_a, const Tensor& covariance_a, const Tensor& mean_b,
    const Tensor& covariance_b);

/// Mean [d] and covariance [d, d] of the rows, divided by n: of the law that holds 1/n at each.
struct Moments {
  Tensor mean, covariance;
};
Moments moments_of(const Tensor& X);
/// Of the Gaussians with the moments of two clouds.
GaussianTransport gaussian_transport(const Tensor& X, const Tensor& Y);

// ---- Energy distance ----

/// 2 E|x - y| - E|x - x'| - E|y - y'| >= 0 of two clouds: the squared distance, no root taken.
double energy_distance_squared(const Tensor& X, const Tensor& Y);

}  // namespace limpid::interpret
