// tests/reference/sinkhorn.h: Sinkhorn's iteration as it is written, in logarithms.
#pragma once

#include "framework/tensor/tensor.h"

#include <span>
#include <vector>

namespace limpid::reference {

struct Potentials {
  std::vector<double> f, g;
  double value = 0;  // sum a f + sum b g
};

/// `iterations` times f_i = -eps log sum_j b_j exp((g_j - C_ij) / eps), then the same for g_j, from
/// g = 0. Masses are positive and sum to 1.
Potentials sinkhorn(
    const Tensor& C, std::span<const double> a, std::span<const double> b, double epsilon,
    int64_t iterations);

}  // namespace limpid::reference
