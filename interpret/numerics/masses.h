// interpret/numerics/masses.h: what every solver of optimal transport asks of its input.
//
//     C [n, m] costs,     a [n], b [m] masses >= 0 with one sum
//
// Masses given as an empty span are uniform, 1 / n each.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// Sums of masses may differ by this share; b is scaled to the sum of a then.
inline constexpr double kMassTolerance = 1e-6;

struct Masses {
  std::vector<double> a, b;      // with one sum
  double total = 0;              // that sum
  bool is_renormalised = false;  // b was scaled by more than rounding
};

/// |a - b| / max(a, b) of the sums of two sides. Throws ValueError beyond kMassTolerance.
double difference_of(const char* op, double a, double b);

/// Masses of n and m points. Throws ShapeError unless there are as many masses as points, and at
/// least one; ValueError for masses that are negative, NaN or infinite, that are 0 altogether, or
/// whose sums differ by more than kMassTolerance.
Masses balanced_masses(
    const char* op, int64_t n, int64_t m, std::span<const double> a, std::span<const double> b);

/// One side: masses of n points, uniform if none are given. Throws as balanced_masses().
std::vector<double> masses_of(
    const char* op, const char* name, int64_t n, std::span<const double> given);

/// Sums and differences of larger costs could overflow.
inline constexpr double kLargestCost = 1e300;

/// Throws ShapeError unless C is [n, m] with n, m >= 1, DTypeError unless f64, ValueError for a
/// cost that is NaN or beyond +-kLargestCost.
void check_costs(const char* op, const Tensor& C);

}  // namespace limpid::interpret
