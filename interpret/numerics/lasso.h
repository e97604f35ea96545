// interpret/numerics/lasso.h: few non-negative weights that rebuild a target, exactly.
//
//   symbol   shape    meaning
//   X        [n, m]   columns to weigh, only through Q = X'X [m, m] and q = X'y [m], which add up
//   y        [n]      over batches of rows
//   w        [m]      weights, at least 0
//
// Three forms of one problem (the mu-LASSO of VEBI, Oramas, Wang and Tuytelaars, ICLR 2019):
//   mu         min |y - X w|^2                     subject to sum w <= mu
//   lambda     min |y - X w|^2 / 2 + lambda sum w
//   relative   mu = share of sum w where nothing binds (lambda = 0)
// For lambda from max_j q_j down to 0 the solutions are one path, piecewise linear in lambda, and
// sum w grows along it (Osborne, Presnell and Turlach 2000; Efron et al., Annals of Statistics 32,
// 2004). A weight enters where its correlation c_j = q_j - (Q w)_j reaches lambda, and leaves
// where it falls to 0. In between, w_A = Q_AA^-1 (q_A - lambda 1).
//
// With weights of any sign each column also stands there with the opposite sign, and sum |w| takes
// the place of sum w.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace limpid::interpret {

struct LassoPathOptions {
  bool is_signed = false;
  /// Added to the diagonal of Q, in units of its mean: the solution is unique where columns depend
  /// on each other, as shares that add up to 1 do.
  double ridge = 1e-10;
  int64_t max_knots = 0;  // 0: 8 m + 8
};

/// The path between two changes of the support.
struct LassoKnot {
  double lambda = 0;
  double sum = 0;  // of |w|
  std::vector<double> w;
};

/// The solutions for every lambda: between two knots they are linear in lambda.
class LassoPath {
 public:
  /// Q [m, m] and q [m] in f64. Throws ShapeError if they do not fit, ValueError if they are not
  /// finite, NumericError if the path does not end within max_knots.
  LassoPath(const Tensor& Q, const Tensor& q, const LassoPathOptions& options = {});

  /// From the largest lambda, where w = 0, to lambda = 0.
  const std::vector<LassoKnot>& knots() const { return knots_; }

  /// The solutions [m] of the three forms. Throw ValueError for a negative argument, at_share for
  /// one above 1.
  Tensor at_mu(double mu) const;
  Tensor at_lambda(double lambda) const;
  Tensor at_share(double share) const;

 private:
  std::vector<LassoKnot> knots_;
};

/// How far w >= 0 is from the optimum of form mu, in units of q: with slopes c = q - Q w and theta
/// = max(0, max_j c_j) optimal if and only if c_j = theta where w_j > 0 and theta (mu - sum w) = 0.
/// The largest violation, negative weights and sum w - mu > 0 among them.
double lasso_violation(const Tensor& Q, const Tensor& q, const Tensor& w, double mu);

}  // namespace limpid::interpret
