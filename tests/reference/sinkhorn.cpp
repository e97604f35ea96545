// tests/reference/sinkhorn.cpp: one log-sum-exp per potential.
#include "tests/reference/sinkhorn.h"

#include <algorithm>
#include <cmath>

namespace limpid::reference {
namespace {

// -eps log sum_k mass_k exp((h_k - cost_k) / eps)
template <class Cost>
double soft_minimum(
    std::span<const double> mass, const std::vector<double>& h, double epsilon, Cost cost) {
  double top = -1e300, sum = 0;
  for (size_t k = 0; k < h.size(); ++k) top = std::max(top, h[k] - cost(k));
  for (size_t k = 0; k < h.size(); ++k) sum += mass[k] * std::exp((h[k] - cost(k) - top) / epsilon);
  return -top - epsilon * std::log(sum);
}

}  // namespace

Potentials sinkhorn(
    const Tensor& C, std::span<const double> a, std::span<const double> b, double epsilon,
    int64_t iterations) {
  const double* c = C.data<double>();
  const size_t n = a.size(), m = b.size();
  Potentials p{std::vector<double>(n), std::vector<double>(m)};
  for (int64_t round = 0; round < iterations; ++round) {
    for (size_t i = 0; i < n; ++i) {
      p.f[i] = soft_minimum(b, p.g, epsilon, [&](size_t j) { return c[i * m + j]; });
    }
    for (size_t j = 0; j < m; ++j) {
      p.g[j] = soft_minimum(a, p.f, epsilon, [&](size_t i) { return c[i * m + j]; });
    }
  }
  for (size_t i = 0; i < n; ++i) p.value += a[i] * p.f[i];
  for (size_t j = 0; j < m; ++j) p.value += b[j] * p.g[j];
  return p;
}

}  // namespace limpid::reference
