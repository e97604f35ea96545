// interpret/shallow/attack.cpp: random points and projected gradient steps.
#include "interpret/shallow/attack.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double length_of(std::span<const double> v) {
  double square = 0;
  for (const double x : v) square += x * x;
  return std::sqrt(square);
}

class Attacker {
 public:
  Attacker(
      const PiecewiseLinear& net, const Domain& domain, std::span<const double> x0, int64_t label,
      const AttackOptions& options)
      : net_(net), domain_(domain), x0_(x0), label_(label), options_(options), rng_(options.seed) {}

  bool changes(std::span<const double> x) const { return decision(net_(x)) != label_; }

  // Uniform in the ball, then moved into the box
  std::vector<double> random_point(double eps) {
    std::vector<double> x(x0_.size());
    rng_.normal(x, 0, 1);
    const double reach = std::pow(rng_.uniform(0, 1), 1 / static_cast<double>(x.size()));
    const double scale = eps * reach / length_of(x);
    for (size_t i = 0; i < x.size(); ++i) x[i] = x0_[i] + scale * x[i];
    project(x, eps);
    return x;
  }

  // The first end of steps with another label, or the last one
  std::vector<double> ascend(double eps, int64_t start) {
    std::vector<double> x =
        start == 0 ? std::vector<double>(x0_.begin(), x0_.end()) : random_point(eps);
    for (int64_t step = 0; step < options_.steps && !changes(x); ++step) {
      const std::vector<double> g = gap_gradient(x);
      const double length = length_of(g);
      if (length == 0) break;
      for (size_t i = 0; i < x.size(); ++i) x[i] += eps / 10 * g[i] / length;
      project(x, eps);
    }
    return x;
  }

  // Distance of another label found in the ball, or infinity
  double found_within(double eps) {
    for (int64_t start = 0; start < options_.starts; ++start) {
      const std::vector<double> x = ascend(eps, start);
      if (changes(x)) return distance(x);
    }
    return kInfinity;
  }

  double radius() {
    double low = 0, high = kInfinity;
    const double farthest = largest_distance();
    for (double eps = farthest / 1024; high == kInfinity && eps < 2 * farthest; eps *= 2) {
      high = found_within(eps);
      if (high == kInfinity) low = eps;
    }
    for (int k = 0; k < 20 && high < kInfinity && high - low > 1e-6 * high; ++k) {
      const double middle = (low + high) / 2;
      const double found = found_within(middle);
      (found < kInfinity ? high : low) = std::min(found, middle);
    }
    return high;
  }

  double distance(std::span<const double> x) const {
    double square = 0;
    for (size_t i = 0; i < x.size(); ++i) square += (x[i] - x0_[i]) * (x[i] - x0_[i]);
    return std::sqrt(square);
  }

 private:
  // Into the ball, then the box; x0 is in both, so the second step does not leave the ball
  void project(std::vector<double>& x, double eps) const {
    const double far = distance(x);
    for (size_t i = 0; i < x.size(); ++i) {
      if (far > eps) x[i] = x0_[i] + eps / far * (x[i] - x0_[i]);
      if (!domain_.is_all) x[i] = std::clamp(x[i], domain_.low[i], domain_.high[i]);
    }
  }

  // Of the best other output minus the label's; of one output towards the other sign
  std::vector<double> gap_gradient(const std::vector<double>& x) const {
    const std::vector<double> y = net_(x);
    const Pattern pattern = net_.pattern(x);
    if (y.size() == 1) {
      std::vector<double> g = net_.gradient(pattern, 0);
      for (double& v : g) v *= label_ == 1 ? -1 : 1;
      return g;
    }
    int64_t other = label_ == 0 ? 1 : 0;
    for (int64_t k = 0; k < std::ssize(y); ++k) {
      if (k != label_ && y[static_cast<size_t>(k)] > y[static_cast<size_t>(other)]) other = k;
    }
    std::vector<double> g = net_.gradient(pattern, other);
    const std::vector<double> own = net_.gradient(pattern, label_);
    for (size_t i = 0; i < g.size(); ++i) g[i] -= own[i];
    return g;
  }

  double largest_distance() const {
    if (domain_.is_all) return 1000 * std::max(1.0, length_of(x0_));
    double square = 0;
    for (size_t i = 0; i < x0_.size(); ++i) {
      const double side = domain_.high[i] - domain_.low[i];
      square += side * side;
    }
    return std::sqrt(square);
  }

  const PiecewiseLinear& net_;
  const Domain& domain_;
  std::span<const double> x0_;
  int64_t label_;
  const AttackOptions& options_;
  Rng rng_;
};

}  // namespace

int64_t decision(const std::vector<double>& outputs) {
  if (outputs.size() == 1) return outputs[0] > 0 ? 1 : 0;
  return std::ranges::max_element(outputs) - outputs.begin();
}

Attack attack(
    const PiecewiseLinear& net, const Domain& domain, std::span<const double> x0,
    const Certificate& certificate, const AttackOptions& options) {
  check_shape(
      std::ssize(x0) == net.inputs(), "attack", "needs ", net.inputs(), " inputs, got ", x0.size());
  Attacker attacker(net, domain, x0, certificate.label, options);
  Attack result;
  result.radius = attacker.radius();
  // Where the decision never changes, as far as the attack looks
  const double largest = std::isfinite(result.radius) ? certificate.distance : length_of(x0) + 10;
  const double eps = (1 - 1e-9) * std::min(certificate.distance, largest);
  for (int64_t k = 0; k < options.random_points; ++k, ++result.tried) {
    result.changed += attacker.changes(attacker.random_point(eps)) ? 1 : 0;
  }
  for (int64_t start = 0; start < options.starts; ++start, ++result.tried) {
    result.changed += attacker.changes(attacker.ascend(eps, start)) ? 1 : 0;
  }
  if (certificate.point.empty()) return result;
  std::vector<double> on_ray(x0.size());
  for (size_t i = 0; i < x0.size(); ++i) {
    on_ray[i] = x0[i] + (1 + 1e-6) * (certificate.point[i] - x0[i]);
  }
  result.is_tight_on_ray = attacker.changes(on_ray);
  if (certificate.beyond.empty()) return result;
  // 1e-12: rounding of the distance
  result.is_tight =
      attacker.changes(certificate.beyond) &&
      attacker.distance(certificate.beyond) <= (1 + 1e-6 + 1e-12) * certificate.distance;
  return result;
}

}  // namespace limpid::interpret
