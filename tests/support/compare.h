// tests/support/compare.h: how far two values are apart.
#pragma once

#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"
#include "framework/tensor/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace limpid {

/// |a - b| / max(1, |a|, |b|). Two NaNs agree, as do equal infinities; all else that is not finite
/// is infinitely far apart.
inline double relative_error(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double error = std::abs(a - b) / std::max({1.0, std::abs(a), std::abs(b)});
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

/// The largest relative error over all elements; infinite if the shapes differ. Types may differ.
inline double max_error(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  const std::vector<double> left = a.to_vector();
  const std::vector<double> right = b.to_vector();
  double worst = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    worst = std::max(worst, relative_error(left[i], right[i]));
  }
  return worst;
}

inline bool close(const Tensor& a, const Tensor& b, double tolerance = 1e-12) {
  return max_error(a, b) <= tolerance;
}

/// The same type, shape and bits.
inline bool bitwise_equal(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin());
}

/// Runs the kernels of one instruction set for a scope.
class InstructionScope {
 public:
  explicit InstructionScope(kernels::InstructionSet set) : before_(kernels::instruction_set()) {
    kernels::use(set);
  }
  ~InstructionScope() { kernels::use(before_); }
  InstructionScope(const InstructionScope&) = delete;
  InstructionScope& operator=(const InstructionScope&) = delete;

 private:
  kernels::InstructionSet before_;
};

}  // namespace limpid
