// framework/optim/lbfgs.cpp: two-loop recursion and line search, on flat vectors of doubles.
#include "framework/optim/lbfgs.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>

namespace limpid {
namespace {

using Vector = std::vector<double>;  // all parameters one after the other

constexpr int64_t kBlock = 1 << 14;  // elements, so that sums do not depend on the threads

double dot(const Vector& a, const Vector& b) {
  return parallel::sum_blocks(
      static_cast<int64_t>(a.size()), kBlock, [&](int64_t begin, int64_t end) {
        double sum = 0;
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
          sum += a[i] * b[i];
        }
        return sum;
      });
}

// a x + y
Vector combine(double a, const Vector& x, const Vector& y) {
  Vector z(x.size());
  parallel::for_blocks(static_cast<int64_t>(x.size()), kBlock, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      z[i] = a * x[i] + y[i];
    }
  });
  return z;
}

struct Point {
  Vector x;
  double loss;
  Vector gradient;
};

// The loss as a function of a vector.
class Objective {
 public:
  Objective(NamedParameters parameters, const std::function<double()>& evaluate)
      : parameters_(std::move(parameters)), evaluate_(evaluate) {}

  int64_t evaluations() const { return evaluations_; }

  // The values of the parameters now.
  Vector position() const {
    Vector x;
    for (const auto& [name, w] : parameters_) append(w, x);
    return x;
  }
  void move_to(const Vector& x) {
    auto next = x.begin();
    for (auto& [name, w] : parameters_) {
      visit_float("minimise_lbfgs", w.dtype(), [&, &tensor = w]<class T>() {
        T* values = tensor.template mutable_data<T>();
        for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<T>(*next++);
      });
    }
  }
  // Loss and gradient at the present position, which f32 may have rounded.
  Point evaluate() {
    clear_gradients();
    ++evaluations_;
    Point point{position(), evaluate_(), {}};
    for (const auto& [name, w] : parameters_) {
      const Tensor g = w.gradient();
      if (g.defined()) {
        append(g, point.gradient);
      } else {
        point.gradient.resize(point.gradient.size() + static_cast<size_t>(w.numel()));
      }
    }
    return point;
  }
  void clear_gradients() {
    for (auto& [name, w] : parameters_) w.clear_gradient();
  }
  // The rounding unit of the loss: that of the least exact parameter.
  double unit() const {
    double unit = std::numeric_limits<double>::epsilon();
    for (const auto& [name, w] : parameters_) {
      if (w.dtype() == DType::f32) unit = std::ldexp(1, -23);
    }
    return unit;
  }

 private:
  static void append(const Tensor& tensor, Vector& x) {
    visit_float("minimise_lbfgs", tensor.dtype(), [&]<class T>() {
      for (const T value : tensor.values<T>()) x.push_back(static_cast<double>(value));
    });
  }

  NamedParameters parameters_;
  const std::function<double()>& evaluate_;
  int64_t evaluations_ = 0;
};

// The last m pairs s = x' - x, y = g' - g; together an approximation H of the inverse Hessian.
class History {
 public:
  explicit History(int64_t limit) : limit_(static_cast<size_t>(limit)) {}

  // Keeps a pair if s y is positive beyond rounding, without which H would not be positive
  // definite.
  void add(const Point& from, const Point& to) {
    Pair pair{combine(-1, from.x, to.x), combine(-1, from.gradient, to.gradient), 0};
    const double product = dot(pair.s, pair.y);
    const double squares = dot(pair.y, pair.y);
    if (!(product > std::numeric_limits<double>::epsilon() * squares)) return;
    pair.rho = 1 / product;
    scale_ = product / squares;  // eq. 7.20
    pairs_.push_back(std::move(pair));
    if (pairs_.size() > limit_) pairs_.pop_front();
  }

  // -H g (algorithm 7.4); before the first pair a step of length 1 at most.
  Vector direction(const Vector& g) const {
    const double first = std::min(1.0, 1 / std::sqrt(dot(g, g)));
    Vector q = g;
    Vector alphas;
    for (auto pair = pairs_.rbegin(); pair != pairs_.rend(); ++pair) {
      alphas.push_back(pair->rho * dot(pair->s, q));
      q = combine(-alphas.back(), pair->y, q);
    }
    const double scale = pairs_.empty() ? first : scale_;
    for (double& value : q) value *= scale;
    for (const Pair& pair : pairs_) {
      const double beta = pair.rho * dot(pair.y, q);
      q = combine(alphas.back() - beta, pair.s, q);
      alphas.pop_back();
    }
    for (double& value : q) value = -value;
    return q;
  }

 private:
  struct Pair {
    Vector s, y;
    double rho;  // 1 / (s y)
  };

  size_t limit_;
  std::deque<Pair> pairs_;  // the oldest first
  double scale_ = 1;
};

// The loss along the direction: phi(t) and its derivative.
struct Trial {
  double t, value, slope;
  bool is_finite() const { return std::isfinite(value) && std::isfinite(slope); }
};

// The minimiser of the cubic through two trials (eq. 3.59), kept a tenth of the interval away from
// both; the middle where there is no such cubic.
double between(const Trial& a, const Trial& b) {
  const double width = b.t - a.t;
  const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.t - b.t);
  const double d2 = std::copysign(std::sqrt(d1 * d1 - a.slope * b.slope), width);
  const double t = b.t - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
  if (!std::isfinite(t)) return a.t + width / 2;
  const auto [low, high] = std::minmax({a.t + width / 10, b.t - width / 10});
  return std::clamp(t, low, high);
}

// A point along `direction` that satisfies the strong Wolfe conditions (3.7), or nothing.
// Algorithms 3.5 and 3.6 in one loop: `hi` is missing as long as no minimum is bracketed. A trial
// that satisfies the conditions is taken at once, whichever side it lies on.
std::optional<Point> line_search(
    Objective& objective, const Point& start, const Vector& direction, const LbfgsOptions& o) {
  const double slope0 = dot(start.gradient, direction);
  if (!(slope0 < 0)) return std::nullopt;
  // Where losses differ only by rounding, the slope tells: the approximate Wolfe conditions (Hager
  // and Zhang, SIAM Journal on Optimization 16, 2005, section 4)
  const double noise = 10 * objective.unit() * std::abs(start.loss);
  const auto decreases = [&](const Trial& r) {
    return r.value <= start.loss + o.sufficient_decrease * r.t * slope0 ||
           (r.value <= start.loss + noise && r.slope <= (2 * o.sufficient_decrease - 1) * slope0);
  };

  Trial lo{0, start.loss, slope0};  // the best so far
  std::optional<Trial> hi;          // the other end of the bracket
  double t = 1;
  for (int64_t k = 0; k < o.max_trials; ++k) {
    objective.move_to(combine(t, direction, start.x));
    Point point = objective.evaluate();
    const Trial trial{t, point.loss, dot(point.gradient, direction)};
    const bool falls = trial.is_finite() && decreases(trial);
    if (falls && std::abs(trial.slope) <= -o.curvature * slope0) return point;

    // Narrow the bracket, or step out until there is one
    if (!falls || trial.value >= lo.value) {
      hi = trial;
    } else {
      const double ahead = hi ? hi->t - lo.t : 1;  // only the sign counts
      if (trial.slope * ahead >= 0) hi = lo;
      lo = trial;
    }
    t = hi ? between(lo, *hi) : 2 * t;
  }
  return std::nullopt;
}

void check(const LbfgsOptions& o) {
  check_value(
      o.history >= 1 && o.max_iterations >= 0 && o.max_trials >= 1, "minimise_lbfgs",
      "needs history >= 1, iterations >= 0 and trials >= 1, got ", o.history, ", ",
      o.max_iterations, ", ", o.max_trials);
  check_value(
      o.gradient_tolerance >= 0 && o.sufficient_decrease > 0 &&
          o.sufficient_decrease < o.curvature && o.curvature < 1,
      "minimise_lbfgs", "needs tolerance >= 0 and 0 < c1 < c2 < 1, got ", o.gradient_tolerance,
      ", ", o.sufficient_decrease, ", ", o.curvature);
}

}  // namespace

const char* name_of(LbfgsStatus status) {
  switch (status) {
    case LbfgsStatus::converged: return "converged";
    case LbfgsStatus::max_iterations: return "max iterations";
    case LbfgsStatus::line_search_failed: return "line search failed";
  }
  return "unknown";
}

LbfgsResult minimise_lbfgs(
    NamedParameters parameters, const std::function<double()>& evaluate, const LbfgsOptions& o) {
  check(o);
  Objective objective(std::move(parameters), evaluate);
  Point point = objective.evaluate();
  double norm = std::sqrt(dot(point.gradient, point.gradient));
  if (!std::isfinite(point.loss) || !std::isfinite(norm)) {
    objective.clear_gradients();
    throw NumericError(
        join_text("minimise_lbfgs: starts at loss ", point.loss, ", gradient norm ", norm),
        point.loss);
  }

  History history(o.history);
  LbfgsStatus status = LbfgsStatus::converged;
  int64_t iterations = 0;
  try {
    while (norm > o.gradient_tolerance) {
      if (iterations == o.max_iterations) {
        status = LbfgsStatus::max_iterations;
        break;
      }
      std::optional<Point> next =
          line_search(objective, point, history.direction(point.gradient), o);
      if (!next) {
        status = LbfgsStatus::line_search_failed;
        break;
      }
      history.add(point, *next);
      point = std::move(*next);
      norm = std::sqrt(dot(point.gradient, point.gradient));
      ++iterations;
    }
  } catch (...) {
    objective.move_to(point.x);
    throw;
  }
  objective.move_to(point.x);
  objective.clear_gradients();
  return {status, point.loss, norm, iterations, objective.evaluations()};
}

}  // namespace limpid
