// framework/optim/lbfgs.h: a minimiser for smooth losses that are computed over all data at once.
//
// Quasi-Newton with limited memory (Liu and Nocedal, Mathematical Programming 45, 1989): the
// direction is -H g, where H is the inverse Hessian that the last m steps and gradient changes
// imply, and the step along it satisfies the strong Wolfe conditions. Numbers of algorithms and
// equations: Nocedal and Wright, "Numerical Optimization", 2nd edition, 2006.
#pragma once

#include "framework/optim/optimizer.h"

#include <cstdint>
#include <functional>

namespace limpid {

struct LbfgsOptions {
  int64_t history = 10;  // m: pairs of steps and gradient changes that are remembered
  int64_t max_iterations = 500;
  int64_t max_trials = 40;            // evaluations of one line search
  double gradient_tolerance = 1e-8;   // on the Euclidean norm; f32 losses need more, about 1e-4
  double sufficient_decrease = 1e-4;  // c1, for quasi-Newton directions (section 3.1)
  double curvature = 0.9;             // c2, likewise
};

enum class LbfgsStatus : uint8_t { converged, max_iterations, line_search_failed };
/// "converged", "max iterations" or "line search failed".
const char* name_of(LbfgsStatus status);

/// All figures are those of the point where the parameters are left.
struct LbfgsResult {
  LbfgsStatus status;
  double loss;
  double gradient_norm;  // Euclidean
  int64_t iterations;    // accepted steps
  int64_t evaluations;   // calls of evaluate()
};

/// Minimises over the parameters, from their values on. `evaluate` returns the loss at their
/// present values and leaves its gradient in them, as backward() does:
///   minimise_lbfgs(parameters(model), [&] {
///     const Tensor loss = ...;
///     backward(loss);
///     return loss.item();
///   });
/// Gradients are cleared before each call and at the end; none counts as zero. Vectors and inner
/// products are f64 whatever the type of the parameters. A line search that fails leaves the last
/// accepted point: the loss has kinks or no minimum, or differs only by rounding.
/// Throws ValueError for options out of range (0 < c1 < c2 < 1) and NumericError if the loss or
/// the gradient is not finite at the start; what evaluate throws comes after the last accepted
/// point has been put back.
LbfgsResult minimise_lbfgs(
    NamedParameters parameters, const std::function<double()>& evaluate,
    const LbfgsOptions& options = {});

}  // namespace limpid
