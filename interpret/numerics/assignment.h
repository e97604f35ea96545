// interpret/numerics/assignment.h: pairs of rows and columns of least total cost.
//
//     min sum_i C[i, p(i)]   over  p: rows -> columns, no column twice,    C [n, m], n <= m
//
// The Hungarian method with potentials (Kuhn 1955; Jonker and Volgenant, Computing 38, 1987): rows
// join one by one along shortest augmenting paths, O(n^2 m). Of equal columns the lowest is tried
// first.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace limpid::interpret {

/// p(i) for each row. Throws ShapeError unless C is [n, m] with n <= m, DTypeError unless f64,
/// ValueError for NaN or infinity.
std::vector<int64_t> least_cost_assignment(const Tensor& C);

}  // namespace limpid::interpret
