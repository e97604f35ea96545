// interpret/numerics/masses.cpp: checks of masses and costs.
#include "interpret/numerics/masses.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace limpid::interpret {
namespace {

constexpr double kRounding = 1e-15;

double sum_of(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

}  // namespace

std::vector<double> masses_of(
    const char* op, const char* name, int64_t n, std::span<const double> given) {
  check_shape(n >= 1, op, "needs at least one point");
  if (given.empty()) return std::vector<double>(static_cast<size_t>(n), 1 / static_cast<double>(n));
  check_shape(
      std::ssize(given) == n, op, given.size(), " masses ", name, " do not fit ", n, " points");
  for (int64_t i = 0; i < n; ++i) {
    const double mass = given[static_cast<size_t>(i)];
    check_value(
        std::isfinite(mass) && mass >= 0, op, "mass ", i, " of ", name, " is ", mass,
        "; masses are finite and at least 0");
  }
  std::vector<double> masses(given.begin(), given.end());
  const double total = sum_of(masses);
  check_value(total > 0 && std::isfinite(total), op, "the masses of ", name, " add up to ", total);
  return masses;
}

double difference_of(const char* op, double a, double b) {
  const double difference = std::abs(a - b) / std::max(a, b);
  check_value(
      difference <= kMassTolerance, op, "masses of a add up to ", a, " and of b to ", b,
      "; they may differ by a share of ", kMassTolerance);
  return difference;
}

Masses balanced_masses(
    const char* op, int64_t n, int64_t m, std::span<const double> a, std::span<const double> b) {
  Masses result{.a = masses_of(op, "a", n, a), .b = masses_of(op, "b", m, b)};
  result.total = sum_of(result.a);
  const double other = sum_of(result.b);
  const double difference = difference_of(op, result.total, other);
  result.is_renormalised = difference > kRounding * static_cast<double>(n + m);
  for (double& mass : result.b) mass *= result.total / other;
  return result;
}

void check_costs(const char* op, const Tensor& C) {
  check_shape(
      C.rank() == 2 && C.numel() > 0, op, "needs costs [n, m] with n, m >= 1, got ", C.shape());
  check_dtype(C.dtype() == DType::f64, op, "needs f64, got ", name_of(C.dtype()));
  for (int64_t k = 0; k < C.numel(); ++k) {
    const double cost = C.data<double>()[k];
    check_value(
        std::abs(cost) <= kLargestCost, op, "cost ", k / C.size(1), ", ", k % C.size(1), " is ",
        cost, "; costs are at most ", kLargestCost);
  }
}

}  // namespace limpid::interpret
