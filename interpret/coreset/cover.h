// interpret/coreset/cover.h: samples that together stand for the mean, or leave none far away.
//
// Every function returns k positions in the order of choice, so that a prefix is the choice for a
// smaller k; of equals the smallest index. All throw ValueError unless 1 <= k <= n.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace limpid::interpret {

/// Herding (Welling, ICML 2009): the sum of the first t + 1 stays near (t + 1) times the mean,
///     argmin_j |(t + 1) mu - sum_{s in S} z_s - z_j|.
std::vector<int64_t> herding(const Tensor& rows, int64_t k);

/// Herding of z = [x; vec(x x')], rows x [n, m] in units of their root mean square length: the
/// means of x and of x x' stay near those of all. z has m + m^2 entries and is never made, since
///     <z_i, z_j> = k(x_i, x_j) = <x_i, x_j> + <x_i, x_j>^2
/// (kernel herding; Chen, Welling and Smola, UAI 2010),
///     argmin_j k(x_j, x_j) - 2 ((t + 1) (1/n) sum_i k(x_i, x_j) - sum_{s in S} k(x_s, x_j)).
/// O(n m (m + k)).
std::vector<int64_t> moment_herding(const Tensor& rows, int64_t k);

/// The sample nearest to the mean: where k_center() may start.
int64_t nearest_to_mean(const Tensor& rows);

struct Covering {
  std::vector<int64_t> order;
  std::vector<double> radius;  // after each addition: the largest distance to the nearest of them
};
/// k-center, greedily: the sample farthest from all chosen ones comes next. The radius is at most
/// twice the best one of that size (Gonzalez 1985; Sener and Savarese, ICLR 2018).
Covering k_center(const Tensor& rows, int64_t k, int64_t start);
/// The same for any dissimilarity, given as distances(j, out) from sample j to all n.
Covering farthest_first(
    int64_t n, int64_t k, int64_t start,
    const std::function<void(int64_t, std::vector<double>&)>& distances);

/// Contextual Diversity (Agarwal et al., ECCV 2020): farthest first by the divergence J of the
/// probabilities [n, K] f64 (scores.h).
Covering contextual_diversity(const Tensor& probabilities, int64_t k, int64_t start);

}  // namespace limpid::interpret
