// interpret/numerics/sinkhorn.cpp: values of eps, iterations, and what they leave.
#include "interpret/numerics/sinkhorn.h"

#include "framework/core/error.h"
#include "interpret/numerics/masses.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/scaled_plan.h"
#include "interpret/numerics/squared_distances.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace limpid::interpret {
namespace {

using Vector = ScaledPlan::Vector;

// At eps of this part of the costs that the start leaves, few iterations are needed from anywhere.
constexpr double kSlackPerFirstEpsilon = 16;
constexpr double kEpsilonFactor = 0.5;
constexpr double kEarlyTolerance = 0.01;  // marginal error at which the next eps starts

// The points that have mass.
struct Support {
  std::vector<int64_t> index;
  Vector mass;  // sums to 1
};
Support support_of(const Vector& masses, double total) {
  Support result;
  for (size_t i = 0; i < masses.size(); ++i) {
    if (masses[i] <= 0) continue;
    result.index.push_back(static_cast<int64_t>(i));
    result.mass.push_back(masses[i] / total);
  }
  return result;
}

void check_options(const char* op, const SinkhornOptions& o) {
  check_value(std::isfinite(o.epsilon) && o.epsilon > 0, op, "needs epsilon > 0, got ", o.epsilon);
  check_value(
      o.marginal_tolerance > 0 && o.max_iterations >= 1, op,
      "needs marginal_tolerance > 0 and max_iterations >= 1, got ", o.marginal_tolerance, " and ",
      o.max_iterations);
}

// Values of eps above the last, each half of the one before. Below the rounding of costs none
// helps.
Vector early_epsilons(double slack, double last) {
  Vector values;
  const double least = std::max(last, slack * std::numeric_limits<double>::epsilon());
  for (double e = slack / kSlackPerFirstEpsilon; e > least; e *= kEpsilonFactor) {
    values.push_back(e);
  }
  return values;
}

// Iterates until the row error is within the tolerance; false at the limit.
template <class Measure, class Advance>
bool iterate(
    double tolerance, int64_t max_iterations, SinkhornResult& result, Measure measure,
    Advance advance) {
  for (bool is_first = true;; is_first = false) {
    result.marginal_error = measure();
    if (!is_first && result.marginal_error <= tolerance) return true;
    if (result.iterations >= max_iterations) return false;
    advance();
    ++result.iterations;
  }
}

// C of the rows and columns that have mass; C itself where all have.
Tensor restricted(const Tensor& C, const Support& rows, const Support& columns) {
  const int64_t n = std::ssize(rows.index), m = std::ssize(columns.index);
  if (C.shape() == Shape({n, m})) return C;
  Tensor part = Tensor::empty({n, m}, DType::f64);
  double* out = part.mutable_data<double>();
  for (const int64_t i : rows.index) {
    for (const int64_t j : columns.index) *out++ = C.data<double>()[i * C.size(1) + j];
  }
  return part;
}

// The potential of point i of one side that the other side's implies:
//     -eps log sum_j b_j exp((g_j - C_ij) / eps), C_ij = cost(k) for the k-th j with mass.
template <class Cost>
double implied(const Vector& g, const Support& side, double epsilon, Cost cost) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (size_t k = 0; k < g.size(); ++k) top = std::max(top, g[k] - cost(side.index[k]));
  for (size_t k = 0; k < g.size(); ++k) {
    sum += side.mass[k] * std::exp((g[k] - cost(side.index[k]) - top) / epsilon);
  }
  return -top - epsilon * std::log(sum);
}

// Potentials of all n points: those with mass have theirs.
template <class Implied>
Tensor completed(int64_t n, const Support& side, const Vector& f, Implied of_point) {
  Tensor all = Tensor::empty({n}, DType::f64);
  double* out = all.mutable_data<double>();
  size_t k = 0;
  for (int64_t i = 0; i < n; ++i) {
    const bool has_mass = k < side.index.size() && side.index[k] == i;
    out[i] = has_mass ? f[k++] : of_point(i);
  }
  return all;
}

// Where eps is so small that rounding the potentials moves pi, what counts is the pi that they
// give.
void measure_rounded(SinkhornResult& result, ScaledPlan& plan, const SinkhornOptions& o) {
  double largest = 0;
  for (const double value : plan.f) largest = std::max(largest, std::abs(value));
  for (const double value : plan.g) largest = std::max(largest, std::abs(value));
  const double moved = largest * std::numeric_limits<double>::epsilon() / o.epsilon;
  if (moved < o.marginal_tolerance / 10) return;
  plan.absorb(o.epsilon);
  result.marginal_error = plan.measure();
}

void finish(
    SinkhornResult& result, ScaledPlan& plan, const Tensor& C, const Support& a, const Support& b,
    double total, const SinkhornOptions& o) {
  result.epsilon = o.epsilon;
  result.transport = total * plan.transport();
  plan.absorb_scalings();
  measure_rounded(result, plan, o);
  result.status = result.marginal_error <= o.marginal_tolerance ? SinkhornStatus::converged
                                                                : SinkhornStatus::iteration_limit;
  for (size_t i = 0; i < a.mass.size(); ++i) result.value += total * a.mass[i] * plan.f[i];
  for (size_t j = 0; j < b.mass.size(); ++j) result.value += total * b.mass[j] * plan.g[j];
  const double* c = C.data<double>();
  const int64_t n = C.size(0), m = C.size(1);
  result.f = completed(n, a, plan.f, [&](int64_t i) {
    return implied(plan.g, b, o.epsilon, [&](int64_t j) { return c[i * m + j]; });
  });
  result.g = completed(m, b, plan.g, [&](int64_t j) {
    return implied(plan.f, a, o.epsilon, [&](int64_t i) { return c[i * m + j]; });
  });
}

}  // namespace

const char* name_of(SinkhornStatus status) {
  return status == SinkhornStatus::converged ? "converged" : "iteration_limit";
}

SinkhornResult sinkhorn(
    const Tensor& C, std::span<const double> a, std::span<const double> b,
    const SinkhornOptions& o) {
  check_costs("sinkhorn", C);
  check_options("sinkhorn", o);
  const Masses masses = balanced_masses("sinkhorn", C.size(0), C.size(1), a, b);
  const Support rows = support_of(masses.a, masses.total);
  const Support columns = support_of(masses.b, masses.total);
  const Tensor costs = restricted(C, rows, columns);

  ScaledPlan plan(costs.data<double>(), rows.mass, columns.mass);
  plan.start();
  SinkhornResult result;
  const auto run = [&](double epsilon, double tolerance, int64_t max_iterations) {
    plan.absorb(epsilon);
    return iterate(
        tolerance, max_iterations, result, [&] { return plan.measure(); }, [&] { plan.advance(); });
  };
  // The last eps keeps an iteration for itself, so that columns fit however few there are
  for (const double epsilon : early_epsilons(plan.typical_slack(), o.epsilon)) {
    const double tolerance = std::max(kEarlyTolerance, o.marginal_tolerance);
    if (!run(epsilon, tolerance, o.max_iterations - 1)) break;
  }
  run(o.epsilon, o.marginal_tolerance, o.max_iterations);
  finish(result, plan, C, rows, columns, masses.total, o);
  return result;
}

SinkhornResult sinkhorn_self(const Tensor& C, std::span<const double> a, const SinkhornOptions& o) {
  check_costs("sinkhorn_self", C);
  check_options("sinkhorn_self", o);
  const int64_t n = C.size(0);
  check_shape(C.size(1) == n, "sinkhorn_self", "needs C [n, n], got ", C.shape());
  const double* c = C.data<double>();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      check_value(
          c[i * n + j] == c[j * n + i], "sinkhorn_self", "costs are not symmetric: ", c[i * n + j],
          " and ", c[j * n + i], " of ", i, " and ", j);
    }
  }
  const Masses masses = balanced_masses("sinkhorn_self", n, n, a, a);
  const Support points = support_of(masses.a, masses.total);
  const Tensor costs = restricted(C, points, points);

  ScaledPlan plan(costs.data<double>(), points.mass, points.mass);
  plan.start_symmetric();
  plan.absorb(o.epsilon);
  SinkhornResult result;
  iterate(
      o.marginal_tolerance, o.max_iterations, result, [&] { return plan.measure_symmetric(); },
      [&] { plan.advance_symmetric(); });
  finish(result, plan, C, points, points, masses.total, o);
  return result;
}

Tensor sinkhorn_plan(
    const Tensor& C, std::span<const double> a, std::span<const double> b,
    const SinkhornResult& result) {
  check_costs("sinkhorn_plan", C);
  const int64_t n = C.size(0), m = C.size(1);
  const Masses masses = balanced_masses("sinkhorn_plan", n, m, a, b);
  check_shape(
      result.f.shape() == Shape({n}) && result.g.shape() == Shape({m}), "sinkhorn_plan",
      "potentials ", result.f.shape(), " and ", result.g.shape(), " do not fit costs ", C.shape());
  const auto f = result.f.values<double>(), g = result.g.values<double>();
  Tensor plan = Tensor::empty(C.shape(), DType::f64);
  const double* c = C.data<double>();
  double* out = plan.mutable_data<double>();
  constexpr double kLargest = 300;  // exponent, so that entries of coarse potentials add up
  for (size_t i = 0; i < masses.a.size(); ++i) {
    for (size_t j = 0; j < masses.b.size(); ++j, ++c, ++out) {
      const double product = masses.a[i] * (masses.b[j] / masses.total);
      const double exponent = std::log(product) + (f[i] + g[j] - *c) / result.epsilon;
      *out = product > 0 ? std::exp(std::min(exponent, kLargest)) : 0;
    }
  }
  return plan;
}

bool SinkhornDivergence::converged() const {
  return between.status == SinkhornStatus::converged &&
         self_x.status == SinkhornStatus::converged && self_y.status == SinkhornStatus::converged;
}

SinkhornDivergence sinkhorn_divergence(
    const Tensor& X, const Tensor& Y, const SinkhornOptions& o, std::span<const double> a,
    std::span<const double> b) {
  check_points("sinkhorn_divergence", X, Y);
  SinkhornDivergence s;
  s.between = sinkhorn(squared_distances(X, Y), a, b, o);
  s.self_x = sinkhorn_self(squared_distances_within(X), a, o);
  s.self_y = sinkhorn_self(squared_distances_within(Y), b, o);
  s.value = s.between.value - (s.self_x.value + s.self_y.value) / 2;
  return s;
}

}  // namespace limpid::interpret
