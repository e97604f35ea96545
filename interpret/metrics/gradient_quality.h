// interpret/metrics/gradient_quality.h: how clean the gradient of the loss by the image is.
//
// With delta = dl/dx, l the cross-entropy of one image, and delta_G the same under the guided rule,
// per image:
//   cosine       <delta, delta_G> / (|delta| |delta_G|)   agreement with the guided gradient
//   variation    sum of |differences of neighbours| of |delta| / |delta|_1, both directions; 0 to
//   4,
//                lower is smoother
//   sparsity     Gini index of |delta| over all values, higher is sparser
//   stability    cosine of delta(x) and delta(x + noise)
// The model runs in evaluation mode and is not written to.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct GradientQualityOptions {
  double noise = 0.05;  // deviation of the noise as a share of max x - min x of each image
  uint64_t seed = 0;
};

/// One number per image; NaN where delta is zero.
struct GradientQuality {
  std::vector<double> cosine, variation, sparsity, stability;
};

/// images [N, C, H, W] as the network sees them. Throws ShapeError for anything but images.
GradientQuality gradient_quality(
    Module& model, const Tensor& images, std::span<const int64_t> classes,
    const GradientQualityOptions& options = {});

/// sum |v[y+1,x] - v[y,x]| + sum |v[y,x+1] - v[y,x]| of v = |map| / |map|_1, over all channels of
/// [N, C, H, W], per image; NaN for a map of zeros.
std::vector<double> total_variation(const Tensor& maps);

}  // namespace limpid::interpret
