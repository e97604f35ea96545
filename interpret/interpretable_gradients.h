// interpret/interpretable_gradients.h: training so that the input gradient agrees with the guided.
//
// Paper    A Learning Paradigm for Interpretable Gradients (arXiv 2404.15024): the classification
//          loss gets a term that pulls the gradient of the loss with respect to the image towards
//          the guided gradient, which is smoother; the network is the same at test time.
// Here     the loss of the paper with its four errors. The penalty is differentiated through the
//          recorded input gradient (double backward). What the paper leaves open is marked.
//
//   symbol       code            shape           meaning
//   x            images          [N, ...]        network input, standardised
//   l            losses          [N]             cross-entropy of each example
//   delta        recorded pass   [N, ...]        dl/dx
//   delta_G      guided pass     [N, ...]        dl/dx with the guided rule at every rectifier
//   L_C + lambda L_R             scalar          L_C = mean l, L_R = mean E(delta, delta_G)
//
// Cost     one forward; two sweeps to the image, the guided one not recorded; one final sweep to
//          the parameters: about 7 forwards where a plain step has 3. Both sweeps see the batch
//          statistics and dropout masks of the one forward.
// Limits   networks whose rectifiers are relu or relu6; other activations keep their own rule, and
//          without any rectifier the two gradients are equal.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <string>

namespace limpid::interpret {

/// E(a, b) of one example, a = delta and b = delta_G flattened to d numbers:
///   cosine     1 - <a, b> / (|a| |b|)                                     the paper's choice
///   mse        |a - b|^2 / d
///   mae        |a - b|_1 / d
///   histogram  1 - sum_j min(|a_j| / |a|_1, |b_j| / |b|_1)                our normalisation
/// The norms of cosine and histogram are kept from 0, so that a flat gradient costs nothing and has
/// no slope.
enum class GradientError : uint8_t { cosine, mse, mae, histogram };

/// cosine, mse, mae or hi. Throws ValueError for another name.
GradientError gradient_error_named(const std::string& name);

/// Errors of a batch: a, b [N, ...] -> [N].
Tensor gradient_errors(GradientError error, const Tensor& a, const Tensor& b);

struct GradientPenaltyOptions {
  GradientError error = GradientError::cosine;
  double lambda = 7.5e-3;       // the paper's
  bool detaches_target = true;  // delta_G is a constant: the usual reading, not stated in the paper
};

/// lambda L_R, recorded: add it to the mean of the losses and call backward(total, parameters).
/// `images` must have required a gradient before the forward pass. Throws GraphError otherwise.
Tensor gradient_penalty(
    const Tensor& losses, const Tensor& images, const GradientPenaltyOptions& options = {});

/// Cosine of delta and delta_G for each example: what the penalty raises. Not recorded. [N].
Tensor gradient_cosines(const Tensor& losses, const Tensor& images);

}  // namespace limpid::interpret
