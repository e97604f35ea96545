// interpret/coreset/diversity_graph.h: difficult samples that are not each other's neighbours.
//
// DGPruning, "diversity-graph based pruning": the message passing of D2-Pruning (Maharana et al.,
// ICLR 2024) with node scores that need no training run; in the paper's variant s_i is the distance
// from the class centre. Values of k, gamma and the scale are those of D2-Pruning's code or ours.
//
//   symbol   meaning
//   s_i      score of sample i, at least 0
//   N(i)     its k nearest neighbours, made symmetric: j in N(i) if and only if i in N(j)
//   d_ij     their distance, divided by the median distance of a sample to its k neighbours, so
//            that the weights do not vanish with the unit of the features
//
//   forward   g_i = s_i + sum_{j in N(i)} exp(-forward d_ij^power) max(s_j, 1e-7)
//   reverse   choose p = argmax g;  g_j -= exp(-reverse d_pj^power) g_p for j in N(p)
//
// Of equals the smallest index. With infinite gammas the order is that of s. A prefix of the order
// is the choice for a smaller count.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct DiversityGraphOptions {
  int64_t neighbours = 5;
  double forward = 1;    // gamma of the forward messages
  double reverse = 0.1;  // and of the reverse ones
  double power = 1;      // of the distance
  bool scales = true;    // false: distances as they are
};

struct DiversityOrder {
  std::vector<int64_t> order;
  std::vector<double> first;  // g_i after the forward pass; s_i without a graph
  std::vector<double> last;   // g_i when i was chosen, or in the end
  double mean_weight = 0;     // of the forward messages; near 0 there is no graph to speak of
};

/// Chooses `count` of the rows [n, d] with scores s [n]. With n <= k there is no graph and the
/// order is that of the rows. Throws ValueError unless 1 <= count <= n and the scores are finite
/// and at least 0.
DiversityOrder diversity_order(
    const Tensor& rows, std::span<const double> s, int64_t count,
    const DiversityGraphOptions& options = {});

}  // namespace limpid::interpret
