// interpret/coreset/moderate.h: neither the typical samples of a class nor the odd ones.
//
// Moderate Selection (Xia et al., ICLR 2023): with s_i = |z_i - m|, m the centre of a class, the
// samples ranked by (s_i, i) around the middle rank: those whose distance is near the median.
// For k of n they are the ranks (n - k) / 2, rounded down, and the k - 1 after it. From k to k + 1
// one rank is added at one end, so there is an order whose prefixes are all these windows.
//
// Three quantiles: the paper's authors name such a variant and do not define it. Reconstructed here
// as three windows around the ranks of the quantiles 1/4, 1/2, 3/4. They take turns, the middle
// one first, then the lower, then the upper; each takes the free rank nearest to its own, of two
// the lower. So windows that meet go on beyond each other, and prefixes nest.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

enum class Centre : uint8_t { mean, median };  // median: of each dimension

/// s_i of all rows.
std::vector<double> distances_to_centre(const Tensor& rows, Centre centre);

/// Positions of the numbers s, the middle ranks first. Throws ValueError unless 1 <= k <= n.
std::vector<int64_t> moderate_order(std::span<const double> s, int64_t k);
std::vector<int64_t> three_quantile_order(std::span<const double> s, int64_t k);

}  // namespace limpid::interpret
