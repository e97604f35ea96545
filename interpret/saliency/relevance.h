// interpret/saliency/relevance.h: scores handed back layer by layer so that their sum is kept.
//
// LRP (Bach et al., PLoS ONE 2015; rules as in Montavon et al. 2019). A layer z_j = sum_i a_i w_ij
// + b_j passes the relevance R_j of its outputs on to its inputs by their share:
//     R_i = a_i sum_j w'_ij R_j / z'_j,    z'_j = sum_i a_i w'_ij + b'_j
//   lrp-epsilon  w' = w, and z' + epsilon sign(z) below the fraction
//   lrp-gamma    w' = w + gamma w+ where z_j >= 0, w + gamma w- where z_j < 0 (Andeol et al. 2021),
//                so that z' has the sign of z and is not smaller
//   lrp-zplus    w' = w+
// The last two are for inputs that are never negative. A layer that sees the image itself, whose
// values lie between l_i (black) and h_i (white), then has the z_B rule (Montavon et al., Pattern
// Recognition 2017):
//     R_i = sum_j (x_i w_ij - l_i w+_ij - h_i w-_ij) R_j / z'_j,   z'_j the same summed over i.
// Here w = w+ + w- by sign. Biases count as weights of an input that is always 1, and keep their
// share. Batch norm is folded into the convolution before it; rectifiers pass relevance on, a
// maximum passes it to its winner, sums and means share it in proportion.
//
// For all of these, R_i / a_i is a derivative: of a network with the same values in which a layer
// has the slopes of z' times the constant z / z'. So LRP is one forward pass in which linear layers
// are substituted (Pass::substitute), one ordinary backward pass, and a product with the image.
//
// DeepLIFT, rescale rule (Shrikumar et al., ICML 2017, section 3.5.1). With a reference image x0,
// slopes of rectifiers and maxima become the quotient of differences, (v - v0) / (u - u0); then
//     C_i = m_i (x_i - x0_i),    sum_i C_i = y_c(x) - y_c(x0).
// It is a sweep over the tape of one pass with images and references in one batch.
//
// Both refuse networks with other ops between image and score, by name.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

enum class LrpRule : uint8_t { epsilon, gamma, z_plus };

struct LrpOptions {
  LrpRule rule = LrpRule::epsilon;
  double epsilon = 1e-9;  // also keeps the other rules from dividing by 0
  double gamma = 0.25;
  /// Bounds of the images, shaped like them; defined: z_B where the image enters, unless epsilon.
  Tensor low = {}, high = {};
};

/// R of each image's class score (logit), shaped like the images.
/// Throws ValueError naming the layer or op that has no rule.
Tensor lrp_map(
    Module& model, const Tensor& images, std::span<const int64_t> classes,
    const LrpOptions& options = {});

/// C of each image's class score (logit), shaped like the images.
/// Throws ValueError naming the op that has no rule.
Tensor deeplift_map(
    Module& model, const Tensor& images, const Tensor& references,
    std::span<const int64_t> classes);

}  // namespace limpid::interpret
