// interpret/numerics/ode.cpp: one table per method, one step for all of them.
#include "interpret/numerics/ode.h"

#include "framework/core/error.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace limpid::interpret {
namespace {

using Values = std::vector<double>;

// An explicit Runge-Kutta method: stage i is v(t + nodes[i] h, x + h sum_j weights[i][j] stage j),
// the step adds h sum_i sums[i] stage i, and h sum_i errors[i] stage i estimates its error.
struct Tableau {
  size_t stages = 0;
  std::array<double, 7> nodes = {};
  std::array<std::array<double, 6>, 7> weights = {};
  std::array<double, 7> sums = {};
  std::array<double, 7> errors = {};
};

constexpr Tableau kEuler = {.stages = 1, .sums = {1}};

constexpr Tableau kRk4 = {
    .stages = 4,
    .nodes = {0, 0.5, 0.5, 1},
    .weights = {{{}, {0.5}, {0, 0.5}, {0, 0, 1}}},
    .sums = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6}};

constexpr Tableau kRk45 = {
    .stages = 7,
    .nodes = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1},
    .weights =
        {{{},
          {1.0 / 5},
          {3.0 / 40, 9.0 / 40},
          {44.0 / 45, -56.0 / 15, 32.0 / 9},
          {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
          {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
          {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}}},
    .sums = {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84, 0},
    .errors = {
        71.0 / 57600, 0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40}};

const Tableau& tableau_of(Stepper stepper) {
  switch (stepper) {
    case Stepper::euler: return kEuler;
    case Stepper::rk4: return kRk4;
    case Stepper::rk45: return kRk45;
  }
  raise<ValueError>("solve_ode", "unknown stepper");
}

bool is_finite(std::span<const double> values) {
  return std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
}

class Solver {
 public:
  Solver(const OdeField& field, const OdeOptions& options, size_t size)
      : field_(field),
        options_(options),
        table_(tableau_of(options.stepper)),
        stages_(table_.stages, Values(size)),
        point_(size),
        error_(size) {}

  // From t to `end` in equal steps
  void equal_steps(Values& x, double t, double end) {
    const auto steps = static_cast<double>(options_.steps);
    const double h = (end - t) / steps;
    for (double i = 0; i < steps; ++i) {
      step(x, t + i * h, h);
      x = point_;
      check(x, t + (i + 1) * h);
    }
  }

  // From t to `end` in steps whose estimated error is allowed
  void adaptive_steps(Values& x, double t, double end) {
    if (h_ == 0) h_ = first_step(x, t, end);
    while (t != end) {
      const bool is_last = std::abs(h_) >= std::abs(end - t);
      const double h = is_last ? end - t : h_;
      if (++steps_ > options_.max_steps) {
        throw NumericError(
            join_text("solve_ode: more than ", options_.max_steps, " steps, at t = ", t), t);
      }
      step(x, t, h);
      const double error = relative_error(x);
      // The error grows as h^5: aim at 0.9^5 of what is allowed, change slowly
      const double factor = error > 0 ? std::clamp(0.9 * std::pow(error, -0.2), 0.2, 5.0) : 5.0;
      if (error <= 1) {
        t = is_last ? end : t + h;
        x = point_;
        check(x, t);
        if (!is_last || factor < 1) h_ = h * factor;
      } else {
        ++result.rejected;
        h_ = h * (std::isfinite(error) ? factor : 0.2);
        if (t + h_ == t) {
          throw NumericError(join_text("solve_ode: the step vanishes at t = ", t), t);
        }
      }
    }
  }

  OdeResult result;

 private:
  // Leaves the new point in point_ and the error estimate in error_
  void step(const Values& x, double t, double h) {
    for (size_t i = 0; i < table_.stages; ++i) {
      point_ = x;
      for (size_t j = 0; j < i; ++j) add(point_, h * table_.weights[i][j], stages_[j]);
      field_(t + table_.nodes[i] * h, point_, stages_[i]);
      ++result.evaluations;
    }
    point_ = x;
    std::ranges::fill(error_, 0.0);
    for (size_t i = 0; i < table_.stages; ++i) {
      add(point_, h * table_.sums[i], stages_[i]);
      add(error_, h * table_.errors[i], stages_[i]);
    }
  }

  static void add(Values& to, double factor, const Values& from) {
    if (factor == 0) return;
    for (size_t k = 0; k < to.size(); ++k) to[k] += factor * from[k];
  }

  // Moves nothing by more than a hundredth of its scale (Hairer, Norsett and Wanner, "Solving
  // Ordinary Differential Equations I", section II.4)
  double first_step(const Values& x, double t, double end) {
    field_(t, x, stages_[0]);
    ++result.evaluations;
    double size = 0, speed = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      const double scale = options_.absolute + options_.relative * std::abs(x[k]);
      size = std::max(size, std::abs(x[k]) / scale);
      speed = std::max(speed, std::abs(stages_[0][k]) / scale);
    }
    const double whole = std::abs(end - t);
    const double h = speed > 0 && size > 0 ? std::min(0.01 * size / speed, whole) : whole / 100;
    return std::copysign(h, end - t);
  }

  double relative_error(const Values& x) const {
    double largest = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      const double size = std::max(std::abs(x[k]), std::abs(point_[k]));
      const double error = std::abs(error_[k]) / (options_.absolute + options_.relative * size);
      if (!std::isfinite(error)) return error;
      largest = std::max(largest, error);
    }
    return largest;
  }

  static void check(const Values& x, double t) {
    if (!is_finite(x)) {
      throw NumericError(join_text("solve_ode: the solution is not finite at t = ", t), t);
    }
  }

  const OdeField& field_;
  const OdeOptions& options_;
  const Tableau& table_;
  std::vector<Values> stages_;
  Values point_, error_;
  double h_ = 0;  // 0: not chosen yet
  int64_t steps_ = 0;
};

}  // namespace

OdeResult solve_ode(
    const OdeField& field, std::span<const double> start, std::span<const double> times,
    const OdeOptions& options) {
  check_value(!times.empty() && is_finite(times), "solve_ode", "needs finite times");
  const bool is_in_order =
      std::ranges::is_sorted(times) || std::ranges::is_sorted(times, std::greater<>());
  check_value(is_in_order, "solve_ode", "times must ascend or descend");
  check_value(options.steps >= 1 && options.max_steps >= 1, "solve_ode", "needs at least one step");
  check_value(
      options.relative > 0 && options.absolute >= 0, "solve_ode", "tolerances must be positive");
  check_value(is_finite(start), "solve_ode", "the start holds NaN or infinity");

  Solver solver(field, options, start.size());
  Values x(start.begin(), start.end());
  solver.result.states.push_back(x);
  for (size_t i = 1; i < times.size(); ++i) {
    if (times[i] != times[i - 1]) {
      if (options.stepper == Stepper::rk45) {
        solver.adaptive_steps(x, times[i - 1], times[i]);
      } else {
        solver.equal_steps(x, times[i - 1], times[i]);
      }
    }
    solver.result.states.push_back(x);
  }
  return std::move(solver.result);
}

}  // namespace limpid::interpret
