// interpret/metrics/score.h: what a metric asks the network, and pixels as the network sees them.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace limpid::interpret {

/// Scores of changed images: variants [B, C, H, W], and for each the position of the image it was
/// made from, which decides the class. Metrics take any such function; they never see the network.
using Score = std::function<std::vector<double>(const Tensor& variants, std::span<const int64_t>)>;

/// softmax(model(x))_c in evaluation mode, nothing recorded; classes[n] belongs to image n. Model
/// and classes must outlive it.
Score class_probability(Module& model, std::span<const int64_t> classes);
/// model(x)_c, likewise.
Score class_logit(Module& model, std::span<const int64_t> classes);

/// Scores of the images themselves, some at a time: [N].
std::vector<double> scores_of(const Score& score, const Tensor& images);

/// The network sees (pixel - mean) / deviation; mean and deviation are [C] or [1], undefined: 0
/// and 1.
struct PixelSpace {
  Tensor mean = {};
  Tensor deviation = {};

  Tensor pixels(const Tensor& images) const;  // deviation x + mean
  Tensor images(const Tensor& pixels) const;  // (pixel - mean) / deviation
};

/// Masks in pixel space: images(S pixels(x)), S [N, 1, H, W]; where S is 0 the image is black.
Tensor masked(const Tensor& images, const Tensor& masks, const PixelSpace& space);

/// Images [N, ...] per call of the network that keep its activations in the cache.
inline constexpr int64_t kVariantsPerPass = 64;

}  // namespace limpid::interpret
