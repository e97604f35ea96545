// interpret/metrics/confidence.cpp: average drop, gain and increase.
#include "interpret/metrics/confidence.h"

#include "framework/core/error.h"

#include <algorithm>
#include <limits>

namespace limpid::interpret {

Confidence confidence(std::span<const double> plain, std::span<const double> shown) {
  check_shape(
      plain.size() == shown.size(), "confidence", "lengths differ (", plain.size(), ", ",
      shown.size(), ")");
  constexpr double kTiny = std::numeric_limits<double>::epsilon();
  Confidence c{{plain.begin(), plain.end()}, {shown.begin(), shown.end()}, {}, {}, {}};
  for (size_t n = 0; n < plain.size(); ++n) {
    const double p = plain[n];
    const double o = shown[n];
    c.drop.push_back(100 * std::max(0.0, p - o) / std::max(p, kTiny));
    c.gain.push_back(100 * std::max(0.0, o - p) / std::max(1 - p, kTiny));
    c.increase.push_back(o > p ? 100 : 0);
  }
  return c;
}

std::vector<double> plain_scores(
    const Score& score, const Tensor& images, const PixelSpace& space) {
  return masked_scores(
      score, images, Tensor::ones({images.size(0), 1, images.size(2), images.size(3)}), space);
}

std::vector<double> masked_scores(
    const Score& score, const Tensor& images, const Tensor& masks, const PixelSpace& space) {
  return scores_of(score, masked(images, masks, space));
}

}  // namespace limpid::interpret
