// interpret/numerics/dot.h: the inner product of two short rows.
#pragma once

#include <concepts>
#include <span>

namespace limpid::interpret {

/// sum_i a_i b_i over n numbers, in order.
inline double dot(const double* a, const double* b, std::integral auto n) {
  double sum = 0;
  for (decltype(n) i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}
inline double dot(std::span<const double> a, std::span<const double> b) {
  return dot(a.data(), b.data(), a.size());
}

}  // namespace limpid::interpret
