// interpret/numerics/transport.h: exact optimal transport, with its certificate.
//
//     min sum_ij C_ij pi_ij   over  pi >= 0,  sum_j pi_ij = a_i,  sum_i pi_ij = b_j
//     max sum_i a_i u_i + sum_j b_j v_j   over  u_i + v_j <= C_ij
//
// C [n, m] costs, a [n] and b [m] masses, pi the plan, u and v the dual potentials. The dual of
// every answer is feasible, so no plan costs less than `dual`, and `gap` says how near the plan is.
//
// One mass for all rows, one for all columns and n = m: an assignment (assignment.h). Else network
// simplex (network_simplex.h) on masses as whole multiples of about 2^-50 of their total, to which
// all sums of the plan are exact. Memory O(n m); n = m = 2,000 takes a fraction of a second.
// Bonneel, van de Panne, Paris and Heidrich (ACM Transactions on Graphics 30, 2011) made this
// method the usual one for transport; Peyre and Cuturi, "Computational Optimal Transport" (2019),
// chapter 3, is a good text.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

enum class TransportStatus : uint8_t {
  optimal,
  iteration_limit,  // a plan with the right sums, but not the cheapest; see the gap
};
const char* name_of(TransportStatus status);

struct TransportPlan {
  struct Flow {
    int64_t i, j;
    double mass;
  };
  int64_t n = 0, m = 0;
  std::vector<Flow> flows;   // pi_ij > 0, by (i, j), at most n + m - 1
  std::vector<double> u, v;  // [n] and [m]; where mass flows, u_i + v_j = C_ij
  double cost = 0;           // sum C_ij pi_ij
  double dual = 0;           // sum a_i u_i + sum b_j v_j
  /// (cost - dual) / max(|cost|, 1e-6 (sum a_i |u_i| + sum b_j |v_j|)), 0 if both are 0.
  double gap = 0;
  int64_t iterations = 0;  // pivots; of an assignment see there
  TransportStatus status = TransportStatus::optimal;
  bool is_renormalised = false;  // b was scaled by a relative difference above 2^-45 to fit a

  template <class Self, class Visit>
  static void fields(Self& self, Visit& visit) {
    visit(self.n, self.m, self.flows, self.u, self.v, self.cost, self.dual, self.gap);
    visit(self.iterations, self.status, self.is_renormalised);
  }
};

struct TransportOptions {
  int64_t max_iterations = 0;  // pivots; 0: 1,000 (n + m) + 100,000
};

/// The cheapest plan for C [n, m], f64. Total mass is that of a. Throws ShapeError if a or b do not
/// fit, ValueError for NaN or infinity, a negative mass, no mass, and for sums of a and b that
/// differ by more than 1e-6 of the larger; what differs by less is scaled.
TransportPlan optimal_transport(
    const Tensor& C, std::span<const double> a, std::span<const double> b,
    const TransportOptions& options = {});
/// All rows 1/n, all columns 1/m.
TransportPlan optimal_transport(const Tensor& C, const TransportOptions& options = {});

struct TransportProblem {
  Tensor C;
  std::vector<double> a = {}, b = {};  // both empty: all masses equal
};
/// Many small problems, shared out over threads and ranks (core/rank_map.h: all ranks must call
/// this), each with the same bits as alone.
std::vector<TransportPlan> optimal_transport(
    std::span<const TransportProblem> problems, const TransportOptions& options = {});

/// pi as a matrix [n, m].
Tensor dense_plan(const TransportPlan& plan);

/// Where the plan sends each row on average, sum_j pi_ij y_j / sum_j pi_ij, for points Y [m, d].
/// Rows without mass are NaN. Throws ShapeError.
Tensor barycentric_map(const TransportPlan& plan, const Tensor& Y);

/// Of points X [n, d] and Y [m, d] with masses that add up to 1:
///   W_2^2 = min sum_ij |x_i - y_j|^2 pi_ij
struct Wasserstein2 {
  double distance = 0;  // W_2
  double squared = 0;   // W_2^2
  TransportPlan plan;
};
/// f64. No masses: 1/n and 1/m. Masses are scaled to a total of 1. Throws as optimal_transport().
Wasserstein2 wasserstein2_exact(
    const Tensor& X, const Tensor& Y, std::span<const double> a = {},
    std::span<const double> b = {}, const TransportOptions& options = {});

}  // namespace limpid::interpret
