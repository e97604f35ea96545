// interpret/gradient_penalty/penalty.h: training so that the input gradient agrees with the guided.
//
// Paper    A Learning Paradigm for Interpretable Gradients (arXiv 2404.15024): the classification
//          loss gets a term that pulls the gradient of the loss with respect to the image towards
//          the guided gradient, which is smoother; the network is the same at test time.
// Here     the loss of the paper with its four errors, differentiated exactly. What the paper
//          leaves open is an option, and its default is marked.
// More     step.h: a whole training step, by three routes and with other targets.
//          derivation.md: what the penalty does to the weights, derived.
//
//   symbol       code      shape      meaning
//   x            images    [N, ...]   network input, standardised
//   s            scores    [N]        what is differentiated: the cross-entropy of each example
//   a, delta     gradient  [N, ...]   ds/dx
//   b, delta_G   target    [N, ...]   ds/dx with the guided rule at every rectifier
//   L_C + lambda L_R       scalar     L_C = mean loss, L_R = mean E(a, b)
//
// Cost     one forward; two sweeps to the image, the guided one not recorded; one final sweep to
//          the parameters: about 7 forwards where a plain step has 3. Both sweeps see the batch
//          statistics and dropout masks of the one forward.
// Limits   the guided rule acts at relu, relu6 and gelu and stops at attention weights
//          (framework/tensor/record.h); without any of them the two gradients are equal.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <string>

namespace limpid::interpret {

/// E(a, b) of one example, a and b flattened to d numbers:
///   cosine     1 - <a, b> / (|a| |b|)                                     the paper's choice
///   mse        |a - b|^2 / d
///   mae        |a - b|_1 / d
///   histogram  1 - sum_j min(|a_j| / |a|_1, |b_j| / |b|_1)                our normalisation
/// Cosine and histogram of an example are 0, and have no slope, if the norm of a or b is below
/// `smallest`.
enum class GradientError : uint8_t { cosine, mse, mae, histogram };
constexpr double kSmallestGradient = 1e-8;  // our choice

/// cosine, mse, mae or hi. Throws ValueError for another name.
GradientError gradient_error_named(const std::string& name);

/// Errors of a batch: a, b [N, ...] -> [N].
Tensor gradient_errors(
    GradientError error, const Tensor& a, const Tensor& b, double smallest = kSmallestGradient);

/// u = dE/da in closed form, b held fixed; not recorded. [N, ...]. With c = <a, b> / (|a| |b|),
/// A = |a| / |a|_1, B = |b| / |b|_1 and q_j = -1 where A_j <= B_j, else 0:
///   cosine     -(b / |b| - c a / |a|) / |a|
///   mse        2 (a - b) / d
///   mae        sign(a - b) / d
///   histogram  sign(a) / |a|_1 (q - sum_j q_j A_j)
/// u is orthogonal to a for cosine and histogram, which do not see the length of a.
Tensor gradient_error_slopes(
    GradientError error, const Tensor& a, const Tensor& b, double smallest = kSmallestGradient);

/// What the gradient is pulled towards.
enum class GradientTarget : uint8_t {
  guided,      // the paper's
  deconv,      // the deconvnet's rule in place of the guided
  smoothgrad,  // mean of the standard gradient over noisy inputs (Smilkov et al. 2017)
  permuted,    // control: the guided gradient of another image of the batch
  edges,       // control: the Sobel magnitude of the image, without any network
};
/// guided, deconv, smoothgrad, permuted or edges. Throws ValueError for another name.
GradientTarget gradient_target_named(const std::string& name);

struct GradientPenaltyOptions {
  GradientError error = GradientError::cosine;
  double lambda = 7.5e-3;  // the paper's
  GradientTarget target = GradientTarget::guided;
  bool detaches_target = true;  // b is a constant: the usual reading, not stated in the paper
  /// Both gradients take the statistics that batch norm found in the batch for constants, as the
  /// network of evaluation does with running ones (record.h).
  bool holds_statistics = false;
  double smallest = kSmallestGradient;
};

/// b for every target that needs no second forward pass; recorded unless detaches_target.
/// Throws ValueError for smoothgrad, for edges of anything but images [N, C, H, W] of 3 x 3 pixels
/// or more, and for a permuted batch of one.
Tensor gradient_target(
    const Tensor& scores, const Tensor& images, const GradientPenaltyOptions& options = {});

/// lambda L_R for a given b, recorded: add it to the mean of the losses and call
/// backward(total, parameters). `images` must have required a gradient before the forward pass.
/// Throws GraphError otherwise.
Tensor gradient_penalty(
    const Tensor& scores, const Tensor& images, const Tensor& target,
    const GradientPenaltyOptions& options);
/// The same with gradient_target().
Tensor gradient_penalty(
    const Tensor& scores, const Tensor& images, const GradientPenaltyOptions& options = {});

/// Cosine of delta and delta_G for each example: what the penalty raises. NaN where one of them is
/// 0, or so short that squares of its length leave f32. Not recorded. [N].
Tensor gradient_cosines(const Tensor& scores, const Tensor& images);

}  // namespace limpid::interpret
