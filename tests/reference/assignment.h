// tests/reference/assignment.h: pairs of least total cost, one column after the other.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace limpid::reference {

/// The Hungarian method (Kuhn 1955): p(i) for each row of C [n, m], n <= m. Rows join one by one
/// along shortest augmenting paths.
std::vector<int64_t> least_cost_assignment(const Tensor& C);

}  // namespace limpid::reference
