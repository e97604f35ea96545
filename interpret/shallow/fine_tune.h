// interpret/shallow/fine_tune.h: the local models trained further, the regions as they are.
//
//   minimise over theta_j = (alpha_j, beta_j)
//     1/m sum over i in region j of -log softmax(Lambda_j(x_i))_{y_i}
//         + pull/2 |theta_j - theta_j^0|^2
//
//   symbol      code     shape      meaning
//   x, y                 [m, n], m  examples with labels in 0 to q - 1
//   theta_j^0                       what the deep network has on region j
//   pull        pull                how much staying with it counts
//
// Infinite weights have no gradient, so the shallow network cannot be tuned as a whole; alpha and
// beta are finite, and with the regions fixed each region is a convex problem of its own.
// Nesterov's method with the constant momentum of a strongly convex function (Introductory Lectures
// on Convex Optimization 2004, 2.2.1): smoothness at most 1/(2 m) sum |(x_i, 1)|^2 + pull. Regions
// without an example stay.
//
// The deep network is continuous and a tuned one need not be: facets() measures by how much it
// jumps.
#pragma once

#include "interpret/shallow/regions.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

struct FineTuneOptions {
  double pull = 1e-3;  // above 0
  int64_t steps = 1000;
};

/// The same tree with other weights and biases, at any thread count. Throws ValueError for a
/// network of one output, a label that is no output and a pull that is not positive, ShapeError if
/// points and labels do not fit.
RegionTree fine_tune(
    const RegionTree& tree, std::span<const double> points, std::span<const int64_t> labels,
    const FineTuneOptions& options = {});

/// What a tree makes of examples; those in no region count as wrong and have no loss.
struct TreeScore {
  double accuracy = 0;
  double loss = 0;  // mean cross-entropy
  int64_t uncovered = 0;
};
TreeScore score(
    const RegionTree& tree, std::span<const double> points, std::span<const int64_t> labels);

}  // namespace limpid::interpret
