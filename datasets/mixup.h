// datasets/mixup.h: training examples made of two, and the whole augmentation of a batch.
//
// As in transforms.h, everything is a function of (seed, epoch, position in the data set).
#pragma once

#include "datasets/dataset.h"
#include "datasets/transforms.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::datasets {

/// mixup (Zhang, Cisse, Dauphin, Lopez-Paz, ICLR 2018, arXiv:1710.09412): example i is trained as
///     x = w x_i + (1 - w) x_j,   y = w y_i + (1 - w) y_j,   w from Beta(alpha, alpha)
/// with labels y as distributions over the classes. The paper takes j from the same batch; here it
/// is drawn from all examples, so that it is a function of (seed, epoch, i) as well.
struct Mixup {
  std::vector<int64_t> partners = {};  // [B] positions in the data set, j
  std::vector<double> weights = {};    // [B] w
};

/// Partners among `examples` examples. Throws ValueError unless alpha > 0 and examples >= 1, and
/// for a negative position or epoch.
Mixup draw_mixup(
    std::span<const int64_t> indices, int64_t examples, int64_t epoch, uint64_t seed, double alpha);

/// Row by row w a + (1 - w) b: for images [B, C, H, W] and for soft labels [B, K], f32.
/// Throws ShapeError unless the shapes agree and there is one weight per row.
Tensor mix(const Tensor& a, const Tensor& b, std::span<const double> weights);

/// A variate of Beta(a, b), a, b > 0, as G_a / (G_a + G_b) with Gamma variates by Marsaglia and
/// Tsang (ACM TOMS 2000), in logarithms: for small parameters both may be too small for a double.
double beta_variate(double a, double b, Rng& rng);

// ---- All of it ----

/// Examples ready to be standardised.
struct Augmented {
  Tensor images = {};   // [B, C, H, W], f32
  Tensor targets = {};  // [B, K], f32, with mixup: labels as distributions; else undefined
};

/// The examples at these positions, gathered, augmented and, with mixup, mixed with partners that
/// were augmented in the same way: each row depends on (seed, epoch, position) alone.
/// Throws as augment, gather and check_dataset do.
Augmented augmented(
    const Dataset& dataset, std::span<const int64_t> indices, int64_t epoch, uint64_t seed,
    const Augmentation& augmentation);

}  // namespace limpid::datasets
