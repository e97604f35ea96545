// tests/reference/shapley.cpp: every coalition for every input; a regression; every order.
#include "tests/reference/shapley.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>

namespace limpid::reference {
namespace {

// v of all 2^n coalitions
std::vector<double> coalition_values(
    const std::function<double(std::span<const double>)>& f, std::span<const double> x,
    std::span<const double> background) {
  const size_t n = x.size(), m = background.size() / n;
  std::vector<double> values;
  for (uint64_t S = 0; S < uint64_t{1} << n; ++S) {
    double sum = 0;
    for (size_t k = 0; k < m; ++k) {
      std::vector<double> y;
      for (size_t i = 0; i < n; ++i) y.push_back((S >> i & 1) != 0 ? x[i] : background[k * n + i]);
      sum += f(y);
    }
    values.push_back(sum / static_cast<double>(m));
  }
  return values;
}

// Solves A x = b, rows of A | b, by elimination with pivots
std::vector<double> solve(std::vector<std::vector<double>> rows) {
  const size_t n = rows.size();
  for (size_t c = 0; c < n; ++c) {
    const auto largest = std::max_element(
        rows.begin() + static_cast<std::ptrdiff_t>(c), rows.end(),
        [&](const auto& a, const auto& b) { return std::abs(a[c]) < std::abs(b[c]); });
    std::swap(rows[c], *largest);
    for (size_t r = 0; r < n; ++r) {
      if (r == c) continue;
      const double factor = rows[r][c] / rows[c][c];
      for (size_t k = c; k <= n; ++k) rows[r][k] -= factor * rows[c][k];
    }
  }
  std::vector<double> x;
  for (size_t c = 0; c < n; ++c) x.push_back(rows[c][n] / rows[c][c]);
  return x;
}

}  // namespace

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

std::vector<double> kernel_shap(
    const std::function<double(std::span<const double>)>& f, std::span<const double> x,
    std::span<const double> background) {
  const size_t n = x.size();
  const std::vector<double> v = coalition_values(f, x, background);
  const double whole = v.back() - v.front();
  if (n == 1) return {whole};
  // The last value is the rest: phi_n = whole - sum of the others
  std::vector<std::vector<double>> normal(n - 1, std::vector<double>(n, 0.0));
  for (uint64_t S = 1; S + 1 < uint64_t{1} << n; ++S) {
    const auto size = static_cast<double>(std::popcount(S));
    double choose = 1;
    for (double k = 1; k <= size; ++k) choose *= (static_cast<double>(n) - size + k) / k;
    const double weight =
        static_cast<double>(n - 1) / (choose * size * (static_cast<double>(n) - size));
    const double last = static_cast<double>(S >> (n - 1) & 1);
    std::vector<double> row;
    for (size_t i = 0; i + 1 < n; ++i) row.push_back(static_cast<double>(S >> i & 1) - last);
    row.push_back(v[S] - v[0] - last * whole);
    for (size_t i = 0; i + 1 < n; ++i) {
      for (size_t j = 0; j < n; ++j) normal[i][j] += weight * row[i] * row[j];
    }
  }
  std::vector<double> phi = solve(std::move(normal));
  phi.push_back(whole - std::accumulate(phi.begin(), phi.end(), 0.0));
  return phi;
}

std::vector<double> permutation_shap(
    const std::function<double(std::span<const double>)>& f, std::span<const double> x,
    std::span<const double> background) {
  const size_t n = x.size();
  const std::vector<double> v = coalition_values(f, x, background);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::vector<double> phi(n, 0.0);
  double count = 0;
  do {
    uint64_t S = 0;
    for (const size_t i : order) {
      phi[i] += v[S | uint64_t{1} << i] - v[S];
      S |= uint64_t{1} << i;
    }
    ++count;
  } while (std::ranges::next_permutation(order).found);
  for (double& value : phi) value /= count;
  return phi;
}

}  // namespace limpid::reference
