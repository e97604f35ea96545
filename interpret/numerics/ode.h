// interpret/numerics/ode.h: differential equations x' = v(t, x), from Euler's broken line on.
//
//   euler   x + h v(t, x)                                         error O(h)
//   rk4     four evaluations a step (Kutta 1901)                  error O(h^4)
//   rk45    steps of an order 5 that choose their own length by comparison with order 4 (Dormand
//           and Prince, Journal of Computational and Applied Mathematics 6, 1980): a step is
//           taken if max_i |error_i| / (absolute + relative max(|x_i|, |new x_i|)) <= 1
//
// A residual network is the first line: layer x + f(x) is a step of length 1.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

enum class Stepper : uint8_t { euler, rk4, rk45 };

/// Writes v(t, x) into the last argument, which is as long as x.
using OdeField = std::function<void(double t, std::span<const double> x, std::span<double> v)>;

struct OdeOptions {
  Stepper stepper = Stepper::rk45;
  int64_t steps = 1;  // euler and rk4: equal steps between two of the times asked for
  double relative = 1e-8, absolute = 1e-10;  // rk45
  int64_t max_steps = 100'000;               // rk45, in all
};

struct OdeResult {
  std::vector<std::vector<double>> states;  // one per time, the first is the start
  int64_t evaluations = 0;                  // of v
  int64_t rejected = 0;                     // steps of rk45 that were taken again, shorter
};

/// The states at `times`, which ascend or descend from the time of `start`. Throws ValueError
/// unless there are times that are finite and in order, for options out of range and a start that
/// is not finite; NumericError if the solution leaves the finite numbers or needs more than
/// max_steps.
OdeResult solve_ode(
    const OdeField& field, std::span<const double> start, std::span<const double> times,
    const OdeOptions& options = {});

}  // namespace limpid::interpret
