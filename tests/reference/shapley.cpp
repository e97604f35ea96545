// tests/reference/shapley.cpp: every coalition for every input.
#include "tests/reference/shapley.h"

#include <cstdint>

namespace limpid::reference {

std::vector<double> shapley(
    const std::function<double(std::span<const double>)>& f, std::span<const double> x,
    std::span<const double> background) {
  const size_t n = x.size(), m = background.size() / n;
  const auto value = [&](uint64_t S) {
    double sum = 0;
    for (size_t k = 0; k < m; ++k) {
      std::vector<double> y;
      for (size_t i = 0; i < n; ++i) y.push_back((S >> i & 1) != 0 ? x[i] : background[k * n + i]);
      sum += f(y);
    }
    return sum / static_cast<double>(m);
  };
  const auto factorial = [](size_t k) {
    double product = 1;
    for (size_t i = 2; i <= k; ++i) product *= static_cast<double>(i);
    return product;
  };
  std::vector<double> phi(n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (uint64_t S = 0; S < uint64_t{1} << n; ++S) {
      if ((S >> i & 1) != 0) continue;
      size_t size = 0;
      for (size_t j = 0; j < n; ++j) size += S >> j & 1;
      const double weight = factorial(size) * factorial(n - size - 1) / factorial(n);
      phi[i] += weight * (value(S | uint64_t{1} << i) - value(S));
    }
  }
  return phi;
}

}  // namespace limpid::reference
