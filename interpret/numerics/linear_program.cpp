// interpret/numerics/linear_program.cpp: the two phases of the bounded simplex method.
#include "interpret/numerics/linear_program.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPivot = 1e-9;         // of the largest entry of a column: smaller is rounding
constexpr int64_t kRefactorEvery = 64;  // steps
constexpr int64_t kPatience = 50;       // steps without gain before the smallest index enters

using Vector = std::vector<double>;
size_t at(int64_t i) { return static_cast<size_t>(i); }

enum class Place : uint8_t { basic, at_lower, at_upper, free_at_zero };

class Simplex {
 public:
  Simplex(const LinearProgram& p, const LinearOptions& o)
      : m_(p.A.size(0)),
        n_(p.A.size(1)),
        A_(p.A.to_vector()),
        b_(p.b.to_vector()),
        cost_(p.c.to_vector()) {
    lower_ = p.lower.defined() ? p.lower.to_vector() : Vector(at(n_), 0.0);
    upper_ = p.upper.defined() ? p.upper.to_vector() : Vector(at(n_), kInfinity);
    for (const double v : cost_) c_scale_ = std::max(c_scale_, std::abs(v));
    for (const double v : b_) b_scale_ = std::max(b_scale_, std::abs(v));
    tolerance_ = o.tolerance;
    limit_ = o.max_iterations > 0 ? o.max_iterations : 50 * (m_ + n_);
  }

  LinearResult solve() {
    start();
    // Phase 1: the sum of the artificial variables, each with the sign of its residual
    Vector phase(at(n_ + m_), 0.0);
    for (int64_t i = 0; i < m_; ++i) phase[at(n_ + i)] = 1;
    LinearStatus status = minimise(phase, 1);
    double left = 0;
    for (int64_t i = 0; i < m_; ++i) left += x_[at(n_ + i)];
    if (status == LinearStatus::max_iterations) return result(status, cost_);
    if (left > tolerance_ * b_scale_ * static_cast<double>(m_)) {
      return result(LinearStatus::infeasible, phase);
    }
    for (int64_t i = 0; i < m_; ++i) upper_[at(n_ + i)] = 0;  // and there they stay
    Vector cost = cost_;
    cost.resize(at(n_ + m_), 0.0);
    status = minimise(cost, std::max(c_scale_, std::numeric_limits<double>::min()));
    return result(status, cost);
  }

 private:
  // Column j: of A, or the unit vector of an artificial variable with its sign
  double entry(int64_t i, int64_t j) const {
    if (j < n_) return A_[at(i * n_ + j)];
    return j - n_ == i ? sign_[at(i)] : 0.0;
  }

  void start() {
    x_.assign(at(n_ + m_), 0.0);
    place_.assign(at(n_ + m_), Place::basic);
    for (int64_t j = 0; j < n_; ++j) {
      const bool has_lower = std::isfinite(lower_[at(j)]), has_upper = std::isfinite(upper_[at(j)]);
      place_[at(j)] = has_lower   ? Place::at_lower
                      : has_upper ? Place::at_upper
                                  : Place::free_at_zero;
      x_[at(j)] = has_lower ? lower_[at(j)] : has_upper ? upper_[at(j)] : 0.0;
    }
    const Vector r = residual();
    sign_.assign(at(m_), 1.0);
    basis_.clear();
    lower_.resize(at(n_ + m_), 0.0);
    upper_.resize(at(n_ + m_), kInfinity);
    inverse_.assign(at(m_ * m_), 0.0);
    for (int64_t i = 0; i < m_; ++i) {
      if (r[at(i)] < 0) sign_[at(i)] = -1;
      x_[at(n_ + i)] = std::abs(r[at(i)]);
      basis_.push_back(n_ + i);
      inverse_[at(i * m_ + i)] = sign_[at(i)];
    }
  }

  // b - A x over the variables of the program
  Vector residual() const {
    Vector r = b_;
    for (int64_t i = 0; i < m_; ++i) {
      for (int64_t j = 0; j < n_; ++j) r[at(i)] -= A_[at(i * n_ + j)] * x_[at(j)];
    }
    return r;
  }

  // B^-1 from the basis by elimination with row pivots; then the basic variables from the others.
  // False if the basis is singular: the inverse stays as it was.
  bool refactor() {
    Vector B(at(m_ * m_)), inverse(at(m_ * m_), 0.0);
    for (int64_t i = 0; i < m_; ++i) {
      for (int64_t k = 0; k < m_; ++k) B[at(i * m_ + k)] = entry(i, basis_[at(k)]);
      inverse[at(i * m_ + i)] = 1;
    }
    for (int64_t k = 0; k < m_; ++k) {
      int64_t pivot = k;
      for (int64_t i = k + 1; i < m_; ++i) {
        if (std::abs(B[at(i * m_ + k)]) > std::abs(B[at(pivot * m_ + k)])) pivot = i;
      }
      const double value = B[at(pivot * m_ + k)];
      if (std::abs(value) < 1e-14) return false;
      for (int64_t j = 0; j < m_; ++j) {
        std::swap(B[at(k * m_ + j)], B[at(pivot * m_ + j)]);
        std::swap(inverse[at(k * m_ + j)], inverse[at(pivot * m_ + j)]);
        B[at(k * m_ + j)] /= value;
        inverse[at(k * m_ + j)] /= value;
      }
      for (int64_t i = 0; i < m_; ++i) {
        const double factor = B[at(i * m_ + k)];
        if (i == k || factor == 0) continue;
        for (int64_t j = 0; j < m_; ++j) {
          B[at(i * m_ + j)] -= factor * B[at(k * m_ + j)];
          inverse[at(i * m_ + j)] -= factor * inverse[at(k * m_ + j)];
        }
      }
    }
    inverse_ = std::move(inverse);
    Vector r = residual();
    for (int64_t k = 0; k < m_; ++k) {  // without the basic variables
      if (basis_[at(k)] >= n_) continue;
      for (int64_t i = 0; i < m_; ++i) r[at(i)] += entry(i, basis_[at(k)]) * x_[at(basis_[at(k)])];
    }
    for (int64_t k = 0; k < m_; ++k) {
      double value = 0;
      for (int64_t i = 0; i < m_; ++i) value += inverse_[at(k * m_ + i)] * r[at(i)];
      x_[at(basis_[at(k)])] = value;
    }
    return true;
  }

  // y = B^-T c_B
  Vector prices(const Vector& cost) const {
    Vector y(at(m_), 0.0);
    for (int64_t k = 0; k < m_; ++k) {
      const double c = cost[at(basis_[at(k)])];
      if (c == 0) continue;
      for (int64_t i = 0; i < m_; ++i) y[at(i)] += c * inverse_[at(k * m_ + i)];
    }
    return y;
  }
  // d = c - A' y of the variables of the program
  Vector reduced(const Vector& cost, const Vector& y) const {
    Vector d(cost.begin(), cost.begin() + n_);
    for (int64_t i = 0; i < m_; ++i) {
      if (y[at(i)] == 0) continue;
      for (int64_t j = 0; j < n_; ++j) d[at(j)] -= y[at(i)] * A_[at(i * n_ + j)];
    }
    return d;
  }

  // The variable that enters; an artificial one never comes back. -1 at the optimum.
  int64_t entering(const Vector& d, double least, bool takes_first) const {
    int64_t best = -1;
    double steepest = least;
    for (int64_t j = 0; j < n_; ++j) {
      const Place place = place_[at(j)];
      if (place == Place::basic || lower_[at(j)] == upper_[at(j)]) continue;
      const double pays = place == Place::at_lower   ? -d[at(j)]
                          : place == Place::at_upper ? d[at(j)]
                                                     : std::abs(d[at(j)]);
      if (pays <= steepest) continue;
      if (takes_first) return j;
      best = j;
      steepest = pays;
    }
    return best;
  }

  LinearStatus minimise(const Vector& cost, double scale) {
    int64_t without_gain = 0;
    int64_t since_refactor = 0;
    while (true) {
      const Vector d = reduced(cost, prices(cost));
      const int64_t j = entering(d, tolerance_ * scale, without_gain > kPatience);
      if (j < 0) {
        if (since_refactor == 0 || !refactor()) return LinearStatus::optimal;
        since_refactor = 0;  // once more, with a fresh inverse
        continue;
      }
      if (iterations_ == limit_) return LinearStatus::max_iterations;
      ++iterations_;
      const double direction =
          place_[at(j)] == Place::at_upper || (place_[at(j)] == Place::free_at_zero && d[at(j)] > 0)
              ? -1.0
              : 1.0;
      const double step = pivot(j, direction);
      if (std::isinf(step)) return LinearStatus::unbounded;
      without_gain = step > 0 ? 0 : without_gain + 1;
      if (++since_refactor >= kRefactorEvery) {
        refactor();
        since_refactor = 0;
      }
    }
  }

  // Moves x_j by step in a direction until a variable meets a bound. Returns the step, infinite if
  // none does; the direction of all variables is then in ray_.
  double pivot(int64_t j, double direction) {
    Vector w(at(m_), 0.0);  // B^-1 A_j: basic variables fall by w per unit of x_j
    double largest = 0;
    for (int64_t k = 0; k < m_; ++k) {
      for (int64_t i = 0; i < m_; ++i) w[at(k)] += inverse_[at(k * m_ + i)] * entry(i, j);
      largest = std::max(largest, std::abs(w[at(k)]));
    }
    double step = upper_[at(j)] - lower_[at(j)];  // to the variable's own other bound
    int64_t leaving = -1;
    for (int64_t k = 0; k < m_; ++k) {
      const double rate = -direction * w[at(k)];  // of the basic variable
      if (std::abs(rate) <= kPivot * std::max(1.0, largest)) continue;
      const int64_t i = basis_[at(k)];
      const double room = rate > 0 ? upper_[at(i)] - x_[at(i)] : x_[at(i)] - lower_[at(i)];
      const double reach = std::max(0.0, room) / std::abs(rate);
      // Of equals the larger pivot: rounding grows by its inverse
      const bool is_better = reach < step || (reach == step && leaving >= 0 &&
                                              std::abs(rate) > std::abs(w[at(leaving)]));
      if (!is_better) continue;
      step = reach;
      leaving = k;
    }
    if (std::isinf(step)) {
      ray_.assign(at(n_), 0.0);
      ray_[at(j)] = direction;
      for (int64_t k = 0; k < m_; ++k) {
        if (basis_[at(k)] < n_) ray_[at(basis_[at(k)])] = -direction * w[at(k)];
      }
      return step;
    }
    for (int64_t k = 0; k < m_; ++k) x_[at(basis_[at(k)])] -= direction * step * w[at(k)];
    x_[at(j)] += direction * step;
    if (leaving < 0) {  // from bound to bound
      place_[at(j)] = direction > 0 ? Place::at_upper : Place::at_lower;
      x_[at(j)] = direction > 0 ? upper_[at(j)] : lower_[at(j)];
      return step;
    }
    const int64_t out = basis_[at(leaving)];
    const bool falls = -direction * w[at(leaving)] < 0;
    place_[at(out)] = falls ? Place::at_lower : Place::at_upper;
    x_[at(out)] = falls ? lower_[at(out)] : upper_[at(out)];
    place_[at(j)] = Place::basic;
    basis_[at(leaving)] = j;
    // B^-1 after the exchange
    double* pivot_row = inverse_.data() + leaving * m_;
    for (int64_t i = 0; i < m_; ++i) pivot_row[i] /= w[at(leaving)];
    for (int64_t k = 0; k < m_; ++k) {
      if (k == leaving || w[at(k)] == 0) continue;
      for (int64_t i = 0; i < m_; ++i) inverse_[at(k * m_ + i)] -= w[at(k)] * pivot_row[i];
    }
    return step;
  }

  // What the prices prove: a lower bound of c'x, for c = 0 of 0. -infinity if a bound is missing.
  double lower_bound(const Vector& y, const Vector& d) const {
    double bound = 0, scale = 0;
    for (int64_t i = 0; i < m_; ++i) bound += y[at(i)] * b_[at(i)];
    for (const double v : y) scale = std::max(scale, std::abs(v));
    for (int64_t j = 0; j < n_; ++j) {
      const double end = d[at(j)] > 0 ? lower_[at(j)] : upper_[at(j)];
      if (std::isfinite(end)) {
        bound += d[at(j)] * end;
      } else if (std::abs(d[at(j)]) > 100 * tolerance_ * std::max({1.0, c_scale_, scale})) {
        return -kInfinity;
      }
    }
    return bound;
  }

  LinearResult result(LinearStatus status, const Vector& cost) const {
    LinearResult r;
    r.status = status;
    r.iterations = iterations_;
    r.x = Tensor::of({n_}, Vector(x_.begin(), x_.begin() + n_), DType::f64);
    for (const double v : residual()) r.primal_residual = std::max(r.primal_residual, std::abs(v));
    for (int64_t j = 0; j < n_; ++j) r.objective += cost_[at(j)] * x_[at(j)];
    const Vector y = prices(cost);
    r.y = Tensor::of({m_}, y, DType::f64);
    if (status == LinearStatus::infeasible) {
      // With c = 0 the prices would bound 0 from below by more than 0
      r.gap = -lower_bound(y, reduced(Vector(at(n_), 0.0), y));
    } else if (status == LinearStatus::unbounded) {
      r.ray = Tensor::of({n_}, ray_, DType::f64);
      r.gap = kInfinity;
    } else {
      r.gap = r.objective - lower_bound(y, reduced(cost, y));
    }
    return r;
  }

  int64_t m_, n_;
  Vector A_, b_, cost_, lower_, upper_, x_, sign_, inverse_, ray_;
  std::vector<Place> place_;
  std::vector<int64_t> basis_;
  double c_scale_ = 0, b_scale_ = 1, tolerance_ = 0;
  int64_t limit_ = 0, iterations_ = 0;
};

void check_program(const LinearProgram& p) {
  const char* op = "linear_program";
  check_shape(
      p.A.rank() == 2 && p.c.shape() == Shape({p.A.size(1)}) && p.b.shape() == Shape({p.A.size(0)}),
      op, "needs c [n], A [m, n] and b [m], got ", p.c.shape(), ", ", p.A.shape(), " and ",
      p.b.shape());
  for (const Tensor& bound : {p.lower, p.upper}) {
    check_shape(
        !bound.defined() || bound.shape() == p.c.shape(), op, "a bound per variable, not ",
        bound.defined() ? bound.shape() : Shape());
  }
  for (const Tensor& t : {p.c, p.A, p.b, p.lower, p.upper}) {
    check_dtype(!t.defined() || t.dtype() == DType::f64, op, "needs f64");
  }
  for (const Tensor& t : {p.c, p.A, p.b}) {
    for (const double v : t.values<double>()) {
      check_value(std::isfinite(v), op, "c, A or b holds NaN or infinity");
    }
  }
  for (int64_t j = 0; j < p.c.numel(); ++j) {
    const double low = p.lower.defined() ? p.lower.data<double>()[j] : 0;
    const double high = p.upper.defined() ? p.upper.data<double>()[j] : kInfinity;
    check_value(
        low <= high && low < kInfinity && high > -kInfinity, op, "bounds ", low, " and ", high,
        " of variable ", j, " leave nothing");
  }
}

}  // namespace

const char* name_of(LinearStatus status) {
  switch (status) {
    case LinearStatus::optimal: return "optimal";
    case LinearStatus::infeasible: return "infeasible";
    case LinearStatus::unbounded: return "unbounded";
    case LinearStatus::max_iterations: break;
  }
  return "max iterations";
}

LinearResult linear_program(const LinearProgram& program, const LinearOptions& options) {
  check_program(program);
  return Simplex(program, options).solve();
}

}  // namespace limpid::interpret
