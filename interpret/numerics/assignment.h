// interpret/numerics/assignment.h: pairs of rows and columns of least total cost.
//
//     min sum_i C[i, p(i)]   over  p: rows -> columns, no column twice,    C [n, m], n <= m
//
// Its dual is max sum_i u_i + sum_j v_j over u_i + v_j <= C[i, j], with v_j <= 0 where n < m. Both
// are equal at the optimum: pairs have u_i + v_j = C[i, j], and columns left over have v_j = 0.
//
// Method (Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
// assignment problems", Computing 38, 1987), every step a scan of one row, O(n^2 m) at most:
//   column reduction      square C only: v_j = min_i C[i, j], and a free row that has it takes j
//   reduction transfer    a row of one column only lets v_j fall as far as it keeps that column
//   row reduction         a free row takes its cheapest column, whose v_j falls until the second
//                         cheapest costs as much; who had the column is free again
//   augmentation          what is left joins along shortest paths of reduced costs C - u - v
// In few dimensions paths get long and reach most rows: square problems that are about to take
// more than 50 scans a row are left to network simplex (network_simplex.h), which is steadier.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct Assignment {
  std::vector<int64_t> column;  // p(i) of each row
  std::vector<double> v;        // potentials of the columns; u_i = min_j C[i, j] - v_j
  int64_t iterations = 0;       // rows scanned, and pivots of the simplex
};

/// C [n, m] row by row, finite, n <= m.
Assignment solve_assignment(std::span<const double> C, int64_t n, int64_t m);

/// p(i) for each row. Throws ShapeError unless C is [n, m] with n <= m, DTypeError unless f64,
/// ValueError for NaN or infinity.
std::vector<int64_t> least_cost_assignment(const Tensor& C);

}  // namespace limpid::interpret
