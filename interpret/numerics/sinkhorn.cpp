// interpret/numerics/sinkhorn.cpp: the kernel with absorbed potentials, and its iterations.
#include "interpret/numerics/sinkhorn.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"
#include "interpret/numerics/masses.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/squared_distances.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace limpid::interpret {
namespace {

using Vector = std::vector<double>;

constexpr double kLargestScaling = 1e60;  // of u and v; beyond, they go over into f and g
// Exponents of K: below the first, an entry times u and v stays below 1e-119, and 0 is as good;
// above the second, the row is shifted.
constexpr double kLowestExponent = -550;
constexpr double kHighestExponent = 200;
// At eps of this part of the costs that the start leaves, few iterations are needed from anywhere.
constexpr double kSlackPerFirstEpsilon = 16;
constexpr double kEpsilonFactor = 0.5;
constexpr double kEarlyTolerance = 0.01;  // marginal error at which the next eps starts
constexpr int64_t kRowsPerBlock = 32;     // 32 rows of 1,000 stay in the second-level cache

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

Vector logarithms(const Vector& v) {
  Vector result(v.size());
  std::ranges::transform(v, result.begin(), [](double x) { return std::log(x); });
  return result;
}

// pi = diag(u) K diag(v) with K_ij = exp((f_i + g_j - C_ij) / eps + log a_i + log b_j); all masses
// are positive.
class Plan {
 public:
  Plan(const double* C, const Vector& a, const Vector& b)
      : f(a.size()),
        g(b.size()),
        u(a.size(), 1),
        v(b.size(), 1),
        n_(std::ssize(a)),
        m_(std::ssize(b)),
        C_(C),
        a_(a),
        b_(b),
        log_a_(logarithms(a)),
        log_b_(logarithms(b)),
        K_(a.size() * b.size()),
        next_u_(a.size()),
        partial_(static_cast<size_t>((n_ + kRowsPerBlock - 1) / kRowsPerBlock * m_)) {}

  Vector f, g, u, v;

  // f_i + g_j <= C_ij, with equality somewhere in every row and column.
  void start() {
    for (int64_t i = 0; i < n_; ++i) f[at(i)] = *std::min_element(C_ + i * m_, C_ + (i + 1) * m_);
    for (int64_t j = 0; j < m_; ++j) {
      double least = std::numeric_limits<double>::max();
      for (int64_t i = 0; i < n_; ++i) least = std::min(least, C_[i * m_ + j] - f[at(i)]);
      g[at(j)] = least;
    }
  }

  // The median of C_ij - f_i - g_j over entries at even distances: a single huge cost, which no
  // plan uses, does not count.
  double typical_slack() const {
    constexpr int64_t kEntries = 1024;
    const int64_t step = std::max<int64_t>(1, n_ * m_ / kEntries) | 1;
    Vector slack;
    for (int64_t k = 0; k < n_ * m_; k += step) {
      slack.push_back(C_[k] - f[at(k / m_)] - g[at(k % m_)]);
    }
    const auto middle = slack.begin() + std::ssize(slack) / 2;
    std::nth_element(slack.begin(), middle, slack.end());
    return std::max(0.0, *middle);
  }

  // f_i + f_j <= C_ij of symmetric costs.
  void start_symmetric() {
    for (int64_t i = 0; i < n_; ++i) {
      f[at(i)] = *std::min_element(C_ + i * m_, C_ + (i + 1) * m_) / 2;
    }
    g = f;
  }

  // Takes u and v over into f and g.
  void absorb_scalings() {
    for (size_t i = 0; i < f.size(); ++i) f[i] += epsilon_ * std::log(std::exchange(u[i], 1));
    for (size_t j = 0; j < g.size(); ++j) g[j] += epsilon_ * std::log(std::exchange(v[j], 1));
  }
  // And makes K for the next value of eps.
  void absorb(double next_epsilon) {
    absorb_scalings();
    epsilon_ = next_epsilon;
    for_row_blocks([&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) make_row(i);
    });
  }
  void absorb_large() {
    const auto is_large = [](double x) { return x > kLargestScaling || x < 1 / kLargestScaling; };
    if (std::ranges::any_of(u, is_large) || std::ranges::any_of(v, is_large)) absorb(epsilon_);
  }

  // The row error of this plan. Prepares the next u = a / K v, and K' of it while the rows are in
  // the cache.
  double measure() {
    for_row_blocks([&](int64_t begin, int64_t end) {
      multiply_rows(begin, end, v, next_u_);  // K v
      for (int64_t i = begin; i < end; ++i) {
        row_error_[at(i)] = std::abs(u[at(i)] * next_u_[at(i)] - a_[at(i)]);
        next_u_[at(i)] = ratio(a_[at(i)], next_u_[at(i)]);
      }
      kernels::gemm_serial<double>(
          {.M = 1,
           .N = m_,
           .K = end - begin,
           .a = next_u_.data() + begin,
           .lda = end - begin,
           .b = row(begin),
           .ldb = m_,
           .c = partial_.data() + begin / kRowsPerBlock * m_,
           .ldc = m_});
    });
    return std::accumulate(row_error_.begin(), row_error_.end(), 0.0);
  }

  // The next plan: its columns fit.
  void advance() {
    std::swap(u, next_u_);
    Vector sums(v.size());
    for (size_t k = 0; k < partial_.size(); k += sums.size()) {
      for (size_t j = 0; j < sums.size(); ++j) sums[j] += partial_[k + j];
    }
    for (size_t j = 0; j < sums.size(); ++j) v[j] = ratio(b_[j], sums[j]);
    absorb_large();
  }

  // The same of a symmetric plan, u = v: half a step of both sides at once.
  double measure_symmetric() {
    for_row_blocks([&](int64_t begin, int64_t end) {
      multiply_rows(begin, end, u, next_u_);
      for (int64_t i = begin; i < end; ++i) {
        row_error_[at(i)] = std::abs(u[at(i)] * next_u_[at(i)] - a_[at(i)]);
        next_u_[at(i)] = std::sqrt(u[at(i)] * ratio(a_[at(i)], next_u_[at(i)]));
      }
    });
    return std::accumulate(row_error_.begin(), row_error_.end(), 0.0);
  }
  void advance_symmetric() {
    std::swap(u, next_u_);
    v = u;
    absorb_large();
  }

  // <pi, C>
  double transport() const {
    return parallel::sum_blocks(n_, kRowsPerBlock, [&](int64_t begin, int64_t end) {
      double total = 0;
      for (int64_t i = begin; i < end; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < m_; ++j) sum += row(i)[j] * v[at(j)] * C_[i * m_ + j];
        total += u[at(i)] * sum;
      }
      return total;
    });
  }

 private:
  static size_t at(int64_t i) { return static_cast<size_t>(i); }
  // Of masses, where the second may have vanished.
  static double ratio(double a, double b) {
    constexpr double kMost = kLargestScaling * kLargestScaling;
    return std::clamp(a / b, 1 / kMost, kMost);
  }
  const double* row(int64_t i) const { return K_.data() + i * m_; }
  template <class F>
  void for_row_blocks(F&& f_of_rows) const {
    parallel::for_blocks(n_, kRowsPerBlock, f_of_rows);
  }

  void multiply_rows(int64_t begin, int64_t end, const Vector& x, Vector& y) const {
    kernels::gemm_serial<double>(
        {.M = end - begin,
         .N = 1,
         .K = m_,
         .a = row(begin),
         .lda = m_,
         .b = x.data(),
         .ldb = 1,
         .c = y.data() + begin,
         .ldc = 1});
  }

  // A leap of eps may leave exponents beyond all numbers: then f_i takes the largest of its row.
  void make_row(int64_t i) {
    const double* c = C_ + i * m_;
    double* k = K_.data() + i * m_;
    double top = -std::numeric_limits<double>::max();
    for (int64_t j = 0; j < m_; ++j) {
      const double exponent =
          (f[at(i)] + g[at(j)] - c[j]) / epsilon_ + log_a_[at(i)] + log_b_[at(j)];
      k[j] = std::min(exponent, kLargestCost);
      top = std::max(top, k[j]);
    }
    const double shift = top > kHighestExponent ? top : 0;
    f[at(i)] -= epsilon_ * shift;
    for (int64_t j = 0; j < m_; ++j) {
      const double exponent = k[j] - shift;
      k[j] = exponent < kLowestExponent ? 0 : std::exp(exponent);
    }
  }

  int64_t n_, m_;
  const double* C_;
  const Vector &a_, &b_;
  Vector log_a_, log_b_;
  double epsilon_ = 0;
  Vector K_;       // [n, m]
  Vector next_u_;  // [n]
  Vector row_error_ = Vector(u.size());
  Vector partial_;  // [blocks of rows, m]: sums of columns
};

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
void measure_rounded(SinkhornResult& result, Plan& plan, const SinkhornOptions& o) {
  double largest = 0;
  for (const double value : plan.f) largest = std::max(largest, std::abs(value));
  for (const double value : plan.g) largest = std::max(largest, std::abs(value));
  const double moved = largest * std::numeric_limits<double>::epsilon() / o.epsilon;
  if (moved < o.marginal_tolerance / 10) return;
  plan.absorb(o.epsilon);
  result.marginal_error = plan.measure();
}

void finish(
    SinkhornResult& result, Plan& plan, const Tensor& C, const Support& a, const Support& b,
    double total, const SinkhornOptions& o) {
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

  Plan plan(costs.data<double>(), rows.mass, columns.mass);
  plan.start();
  SinkhornResult result;
  const auto run = [&](double epsilon, double tolerance, int64_t max_iterations) {
    plan.absorb(epsilon);
    return iterate(
        tolerance, max_iterations, result, [&] { return plan.measure(); }, [&] { plan.advance(); });
  };
  // The last eps keeps an iteration for itself, so that columns fit however few there are
  for (const double epsilon : early_epsilons(plan.typical_slack(), o.epsilon)) {
    if (!run(epsilon, kEarlyTolerance, o.max_iterations - 1)) break;
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

  Plan plan(costs.data<double>(), points.mass, points.mass);
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
    const SinkhornResult& result, double epsilon) {
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
  for (size_t i = 0; i < masses.a.size(); ++i) {
    for (size_t j = 0; j < masses.b.size(); ++j) {
      const double exponent = (f[i] + g[j] - *c++) / epsilon;
      const double product = masses.a[i] * (masses.b[j] / masses.total);
      *out++ = product > 0 ? std::exp(std::min(exponent + std::log(product), kHighestExponent)) : 0;
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
