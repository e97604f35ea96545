// interpret/numerics/scaled_plan.h: the plan that Sinkhorn's iteration scales.
//
//     pi = diag(u) K diag(v),     K_ij = a_i b_j exp((f_i + g_j - C_ij) / eps)
//
// What u and v become is taken over into f and g before it grows out of range, so that K holds the
// entries that matter at any eps (sinkhorn.h). One pass over K makes K v and K'u, 32 rows at a time
// while they are in the cache.
#pragma once

#include <cstdint>
#include <vector>

namespace limpid::interpret {

/// pi = diag(u) K diag(v).
class ScaledPlan {
 public:
  using Vector = std::vector<double>;

  /// C [n, m] and positive masses a [n], b [m], which must all outlive the plan.
  ScaledPlan(const double* C, const Vector& a, const Vector& b);

  Vector f, g;  // potentials, without what is in u and v
  Vector u, v;

  /// The first f and g: f_i + g_j <= C_ij, with equality somewhere in every row and column.
  void start();
  /// The same for symmetric C with f = g, equality only if it can be had.
  void start_symmetric();
  /// The median of C_ij - f_i - g_j over entries at even distances: a single huge cost, which no
  /// plan uses, does not count.
  double typical_slack() const;

  /// Takes u and v over into f and g.
  void absorb_scalings();
  /// And makes K for the next value of eps.
  void absorb(double next_epsilon);

  /// sum_i |sum_j pi_ij - a_i|. Prepares the next step.
  double measure();
  /// u = a / K v, then v = b / K'u, after measure(): the columns fit.
  void advance();

  /// The same for f = g and u = v: u = sqrt(u a / K u), half a step of both sides at once.
  double measure_symmetric();
  void advance_symmetric();

  /// <pi, C>
  double transport() const;

 private:
  const double* row(int64_t i) const { return K_.data() + i * m_; }
  void make_row(int64_t i);
  void multiply_rows(int64_t begin, int64_t end, const Vector& x, Vector& y) const;
  void absorb_large();

  int64_t n_, m_;
  const double* C_;
  const Vector &a_, &b_;
  Vector log_a_, log_b_;
  double epsilon_ = 0;
  Vector K_;          // [n, m]
  Vector next_u_;     // [n]
  Vector row_error_;  // [n]
  Vector partial_;    // [blocks of rows, m]: sums of columns
};

}  // namespace limpid::interpret
