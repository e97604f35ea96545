// interpret/saliency/perturbation.h: maps made of the scores of images that are partly covered.
//
// With masks m [H, W] that show (1) or blacken (0) each pixel, and the class score s(m) of the
// masked image:
//
//   occlusion  sum over windows of (s(1) - s(m)) (1 - m)        Zeiler and Fergus, ECCV 2014
//   rise       1 / (N p) sum over N random masks of s(m) m      Petsiuk et al., BMVC 2018, eq. 6
//
// Masks act on pixels (pixels.h). Only forward passes are needed. They are made in pieces, so that
// no more than a batch of them is in memory.
#pragma once

#include "interpret/saliency/methods.h"
#include "interpret/saliency/target.h"

#include <cstdint>
#include <functional>
#include <span>

namespace limpid::interpret {

/// Masks number begin ... end-1: [end - begin, 1, H, W] in the type of the images.
struct Masks {
  int64_t count = 0;
  std::function<Tensor(int64_t begin, int64_t end)> piece;
};

/// Black windows of size x size pixels, every `stride` pixels and at the last row and column.
/// Throws ValueError unless the size is from 1 to the shorter side and the stride at least 1.
Masks windows(const Shape& images, DType dtype, int64_t size, int64_t stride);

/// RISE's masks (section 3.2): a grid of cells x cells, each 1 with probability `keep`, enlarged
/// bilinearly to (cells + 1) times ceil(side / cells) and cut at a random place to H x W.
/// Mask i depends on the seed and i alone. Throws ValueError unless 0 < keep < 1, cells >= 1.
Masks random_grids(
    const Shape& images, DType dtype, int64_t count, int64_t cells, double keep, uint64_t seed);

/// Scores of one image [1, C, H, W] under masks [M, 1, H, W]: [M, 1]. Logit or probability.
Tensor scores_under(
    const Explained& subject, const Tensor& image, const Tensor& masks, int64_t wanted_class,
    Target target);

/// [N, 1, H, W], summed in double. Scores are logits.
Tensor occlusion_map(
    const Explained& subject, const Tensor& images, std::span<const int64_t> classes,
    const Masks& windows, bool divides_by_coverage = false);

/// [N, 1, H, W], summed in double. RISE's own score is the probability. Where it is the same under
/// all masks, the map is its expectation: that score everywhere.
Tensor rise_map(
    const Explained& subject, const Tensor& images, std::span<const int64_t> classes,
    const Masks& masks, double keep, Target target = Target::probability);

}  // namespace limpid::interpret
