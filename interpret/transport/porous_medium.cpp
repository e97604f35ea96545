// interpret/transport/porous_medium.cpp: Barenblatt's profile.
#include "interpret/transport/porous_medium.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limpid::interpret {
namespace {

double square_norm(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum;
}

}  // namespace

std::vector<double> tsallis_velocity(double density, std::span<const double> gradient, double a) {
  const double factor = density > 0 ? a * std::pow(density, a - 2) : 0;
  std::vector<double> v(gradient.begin(), gradient.end());
  for (double& component : v) component *= factor;
  return v;
}

Barenblatt::Barenblatt(int64_t m, double a) : m_(static_cast<double>(m)), a_(a) {
  check_value(m >= 1 && a > 1, "barenblatt", "needs m >= 1 and a > 1, got ", m, " and ", a);
  b_ = 1 / (m_ * (a - 1) + 2);
  k_ = b_ * (a - 1) / (2 * a);
  // Mass: int (C - k |x|^2)_+^q dx = C^(q + m/2) (pi / k)^(m/2) Gamma(q + 1) / Gamma(q + 1 + m/2)
  const double q = 1 / (a - 1);
  const double log_mass_at_1 =
      m_ / 2 * std::log(std::numbers::pi / k_) + std::lgamma(q + 1) - std::lgamma(q + 1 + m_ / 2);
  C_ = std::exp(-log_mass_at_1 / (q + m_ / 2));
}

double Barenblatt::density(std::span<const double> x, double age) const {
  const double inside = C_ - k_ * square_norm(x) * std::pow(age, -2 * b_);
  return std::pow(age, -m_ * b_) * std::pow(std::max(inside, 0.0), 1 / (a_ - 1));
}

std::vector<double> Barenblatt::gradient(std::span<const double> x, double age) const {
  const double scale = std::pow(age, -2 * b_);
  const double inside = C_ - k_ * square_norm(x) * scale;
  const double factor = inside > 0 ? -2 * k_ * scale * std::pow(age, -m_ * b_) / (a_ - 1) *
                                         std::pow(inside, 1 / (a_ - 1) - 1)
                                   : 0;
  std::vector<double> g(x.begin(), x.end());
  for (double& component : g) component *= factor;
  return g;
}

double Barenblatt::radius(double age) const { return std::sqrt(C_ / k_) * std::pow(age, b_); }

}  // namespace limpid::interpret
