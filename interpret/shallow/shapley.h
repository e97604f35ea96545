// interpret/shallow/shapley.h: Shapley values of a network's output, exact where that is possible.
//
//   symbol            code        shape    meaning
//   f                                      one output of the network
//   x                 x           [n]      the point that is explained
//   B                 background  [m, n]   points z that stand for what is not known
//   mu                                     their mean
//   Lambda_j = alpha_j . x + beta_j        f on the region j of x
//   phi               values      [n]      what each input adds to the output
//
//   variant          phi_i                                               base
//   global           alpha_{j,i} (x_i - mu_i)                            Lambda_j(mu)
//   region           the same, mu the mean of those z in region j        mean of f over those z
//   interventional   mean over z of sum over S without i of              mean of f over B
//                    |S|! (n - |S| - 1)! / n! (v_z(S + i) - v_z(S)),
//                    v_z(S) = f(x on S, z elsewhere)
//   path             mean over z of (x_i - z_i) times the mean of        mean of f over B
//                    alpha_i along the segment from z to x
//
// All of them add up: sum phi = f(x) - base, but for rounding, the residual. Only the last two
// always account for f(x) - mean f(B): region j's map says nothing about points elsewhere, so what
// `global` and `region` miss of it stands in `gap`.
//
// Interventional values cost 2^n evaluations per z. The inputs of a coalition enter linearly, so 64
// coalitions share one vector of the first layer, and 64 are evaluated at a time; inputs that f
// does not read or that are equal in x and B get 0 and are no players; and where one region holds
// the whole box between x and z, checked by interval arithmetic, the values are alpha_i (x_i -
// z_i). Path values cost as many evaluations as regions are crossed: a segment is cut, stage by
// stage, where a unit changes its sign.
//
// Paper    Any Deep ReLU Network is Shallow (arXiv 2306.11827) does not say which baseline its
//          Shapley values have, so all four stand here. Global is what the package shap gives for
//          the local linear model; interventional: Lundberg and Lee, NIPS 2017; path: Aumann and
//          Shapley 1974, integrated gradients of Sundararajan et al., ICML 2017, without steps.
#pragma once

#include "interpret/shallow/piecewise_linear.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

class Coalitions;

struct ShapleyValues {
  std::vector<double> values;     // [n]
  double prediction = 0;          // f(x)
  double base = 0;                // what the values count from
  double residual = 0;            // prediction - base - sum of values
  double gap = 0;                 // prediction - mean f(B) - sum of values
  std::vector<double> low, high;  // [n], 95 % interval of what was sampled; else empty
  int64_t points = 0;             // background points used; region: 0 means its Chebyshev centre
  int64_t evaluations = 0;        // of f; path: regions crossed
};

/// What exact interventional values of one point take.
struct ShapleyCost {
  int64_t players = 0;     // inputs that are not 0 by definition
  double evaluations = 0;  // 2^players for each background point that needs them
  double operations = 0;   // multiplications
};

struct SampleOptions {
  int64_t rounds = 32;  // each takes every background point once, at least 2
  uint64_t seed = 0;
};

/// Same values, bit for bit, at any thread count.
class Shapley {
 public:
  /// Throws ShapeError unless the background is [m, n] with m >= 1, ValueError for an output that
  /// does not exist and for background values that are not finite.
  Shapley(const PiecewiseLinear& net, int64_t output, std::vector<double> background);

  ShapleyValues global(std::span<const double> x) const;
  /// Without a background point in the region, mu is the centre of the largest ball in the part of
  /// the region inside the box that x and the background span.
  ShapleyValues region(std::span<const double> x) const;
  ShapleyValues path(std::span<const double> x) const;

  ShapleyCost cost(std::span<const double> x) const;
  /// Throws ValueError above max_operations or 26 players, with the cost and the way out.
  ShapleyValues interventional(std::span<const double> x, double max_operations = 1e11) const;
  /// Estimates the same from random orders of the inputs, each with its reverse (Castro et al.,
  /// Computers & Operations Research 2009; Mitchell et al., JMLR 2022): unbiased, and it adds up.
  /// The interval is bootstrap_mean() of the rounds. Throws ValueError for fewer than 2 rounds.
  ShapleyValues sampled(std::span<const double> x, const SampleOptions& options = {}) const;

  int64_t background_size() const { return size_; }
  double mean_output() const { return mean_output_; }

 private:
  struct Players;

  std::span<const double> background(int64_t k) const {
    return std::span(background_).subspan(static_cast<size_t>(k * net_.inputs()), net_.inputs());
  }
  void check_point(std::span<const double> x) const;
  Players players(std::span<const double> x) const;
  std::vector<double> coalition_values(std::span<const double> x, const Players& p) const;
  void add_order(
      const Coalitions& coalitions, std::span<const double> z, std::span<const double> x,
      const std::vector<size_t>& order, double* phi) const;
  ShapleyValues local(std::span<const double> x, std::span<const double> mean) const;
  /// Sets residual and gap. Throws Error if the values do not add up.
  ShapleyValues finish(const char* variant, ShapleyValues result) const;

  PiecewiseLinear net_;  // of the one output
  std::vector<double> background_;
  int64_t size_ = 0;
  std::vector<Pattern> patterns_;  // of the background
  double mean_output_ = 0;
};

}  // namespace limpid::interpret
