// interpret/metrics/sensitivity.h: whether the sum of a map over pixels foretells their effect.
//
// Sensitivity-n (Ancona et al., ICLR 2018, section 3.3): for random sets of n pixels, the Pearson
// correlation between the sum of the map over the set and the drop of the score when the set is
// zeroed, all channels at once, in the space of the network. 1 for every n if the score is a sum
// over pixels and the map holds the terms.
#pragma once

#include "interpret/metrics/score.h"

namespace limpid::interpret {

struct SensitivityOptions {
  std::vector<int64_t> sizes = {};  // n; empty: seven from 1 to 80 % of the pixels, in equal ratios
  int64_t subsets = 50;             // per image and n
  uint64_t seed = 0;
};

struct Sensitivity {
  int64_t size = 0;                 // n
  std::vector<double> correlation;  // per image; NaN where the map or the drop is constant
};

/// maps [N, C or 1, H, W] are summed over channels. Image n depends on (seed, n) and itself alone.
/// Throws ShapeError for another form, ValueError for fewer than two subsets or a size outside
/// 1 ... H W.
std::vector<Sensitivity> sensitivity_n(
    const Score& score, const Tensor& images, const Tensor& maps,
    const SensitivityOptions& options = {});

/// 1, ..., 80 % of `pixels`, seven numbers in equal ratios, without repetition.
std::vector<int64_t> sensitivity_sizes(int64_t pixels);

}  // namespace limpid::interpret
