// interpret/metrics/confidence.h: what remains of a prediction on the pixels that a map shows.
//
// With p the probability of the class on the image and o that on the image times its map, over N
// images, in percent:
//   AD  average drop      100/N sum max(0, p - o) / p          0 to 100, lower is better
//   AG  average gain      100/N sum max(0, o - p) / (1 - p)    0 to 100, higher is better
//   AI  average increase  100/N sum 1[o > p]                   0 to 100, higher is better
// AD and AI: Chattopadhyay et al., Grad-CAM++, WACV 2018, section 4.1. AG: Zhang et al., Opti-CAM,
// 2023, the counterpart of AD, because AI counts any tiny rise. A map that hides nothing has AD
// near 0, so rows of control maps (controls.h) belong beside these figures.
//
// The mask acts on pixels, where 0 is black, and p goes through the same arithmetic as o: a mask
// of ones gives exactly 0, 0, 0.
#pragma once

#include "interpret/metrics/score.h"

namespace limpid::interpret {

/// One number per image; the averages above are the means of drop, gain and increase.
struct Confidence {
  std::vector<double> plain;     // p
  std::vector<double> shown;     // o
  std::vector<double> drop;      // 100 max(0, p - o) / p
  std::vector<double> gain;      // 100 max(0, o - p) / (1 - p)
  std::vector<double> increase;  // 100 if o > p, else 0
};

/// The formulas, given p and o. Denominators are kept from 0 by 2^-52.
/// Throws ShapeError unless both have one length.
Confidence confidence(std::span<const double> plain, std::span<const double> shown);

/// p: scores of images [N, C, H, W] under masks of ones.
std::vector<double> plain_scores(const Score& score, const Tensor& images, const PixelSpace& space);
/// o: scores under masks [N, 1, H, W] in [0, 1].
std::vector<double> masked_scores(
    const Score& score, const Tensor& images, const Tensor& masks, const PixelSpace& space);

}  // namespace limpid::interpret
