// interpret/numerics/nonnegative_lasso.h: non-negative least squares with an l1 term, at scale.
//
//     minimise  P(lambda) = 1/2 |theta + sum_i lambda_i g_i|^2 + rho sum_i lambda_i,  lambda >= 0
//
//   symbol   shape     meaning
//   theta    [p]       what is to be cancelled
//   g_i      [p]       n vectors; never seen here, only their inner products are
//   r        [p]       residual theta + sum lambda g
//   s_i      scalar    slopes <r, g_i>; the derivative of P is s_i + rho
//
// Certificate. For every u with <u, g_i> >= -rho for all i, D(u) = <u, theta> - |u|^2 / 2 is at
// most the minimum of P. So P(lambda) - D(u) bounds how far lambda is from optimal:
//   rho > 0   u = a r with the best a in [0, rho / max_i(-s_i)]: always admissible;
//   rho = 0   no multiple of r need be. Among the lambda' with sum lambda' <= B the bound is
//             sum_i lambda_i s_i + B max_i max(0, -s_i); given here for B = 2 sum lambda: no
//             multipliers of up to twice the total do better by more than the gap.
// It is measured over all n at every iteration and needs no rate of convergence to be trusted.
//
// Working sets: the entries that are positive, or whose slope says that they should be, form a
// small dense problem, which is solved by coordinate descent (each lambda_j at its minimum in turn;
// Hsieh et al., ICML 2008) and by Newton steps on the positive entries; then the slopes of all n
// are taken again (as celer does: Massias, Gramfort and Salmon, ICML 2018). Memory: the Gram matrix
// of a working set, and n numbers.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace limpid::interpret {

/// Vectors g_1 ... g_n and theta, known by their inner products alone. Results are f64.
class InnerProducts {
 public:
  virtual ~InnerProducts() = default;
  virtual int64_t count() const = 0;
  /// |theta|^2.
  virtual double target_square() = 0;
  /// <theta + sum_j lambda_j g_j, g_i> for all i: lambda [n] -> [n].
  virtual Tensor slopes(const Tensor& lambda) = 0;
  /// <g_i, g_j>: [rows, columns].
  virtual Tensor gram(std::span<const int64_t> rows, std::span<const int64_t> columns) = 0;
};

/// The same from vectors that are held: G [n, p] and theta [p], both f64.
class DenseInnerProducts : public InnerProducts {
 public:
  /// Throws ShapeError if they do not fit, DTypeError unless both are f64.
  DenseInnerProducts(Tensor G, Tensor theta);
  int64_t count() const override { return G_.size(0); }
  double target_square() override;
  Tensor slopes(const Tensor& lambda) override;
  Tensor gram(std::span<const int64_t> rows, std::span<const int64_t> columns) override;

 private:
  Tensor G_, theta_;
};

struct LassoOptions {
  double rho = 0;
  /// The gap that is good enough, in units of P(lambda), or of 1e-6 P(0) where that is larger: the
  /// second is for problems whose minimum is 0.
  double tolerance = 1e-3;
  int64_t max_iterations = 200;     // working sets
  int64_t largest_working_set = 0;  // entries; 0: no limit
  /// Called after every working set; the solver stops where it is if this returns false.
  std::function<bool(int64_t iteration, double relative_gap)> progress = {};
};

struct LassoStep {
  double objective = 0;  // P
  double gap = 0;
  double residual_square = 0;  // |r|^2
  int64_t positive = 0;        // entries above 0
};

struct LassoResult {
  Tensor lambda;            // [n] f64
  Tensor slopes;            // [n] f64, at lambda
  bool converged = false;   // else: max_iterations, or the gap is as small as rounding lets it be
  double objective = 0;     // P(lambda)
  double gap = 0;           // at least P(lambda) - min P, see above
  double relative_gap = 0;  // gap / max(P(lambda), 1e-6 P(0))
  int64_t positive = 0;
  std::vector<LassoStep> trace;  // one per working set, the last one is the result
};

/// Throws ValueError for a negative rho or tolerance, for n = 0 and for inner products that are not
/// finite.
LassoResult nonnegative_lasso(InnerProducts& products, const LassoOptions& options = {});

/// P and the gap of any lambda >= 0, with the certificate above.
LassoStep measure_lasso(InnerProducts& products, const Tensor& lambda, double rho);

}  // namespace limpid::interpret
