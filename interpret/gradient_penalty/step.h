// interpret/gradient_penalty/step.h: one training step with the gradient penalty, by three routes.
//
// The penalty needs d<a, u>/d theta, with a = ds/dx and u = dE/da (penalty.h). The derivatives
// commute (derivation.md), so it can be had in three ways; in units of one forward pass, where a
// plain step costs 3:
//
//   route              penalty                                     exact  forwards
//   double_backward    lambda L_R, through the recorded a          yes    7
//   finite_difference  lambda (S(X + h U) - S(X)) / h, h small,    O(h)   7, first order only
//                      by the gates at X
//   shift              the same with h = lambda and its own gates: O(lambda)  6, first order only
//                      the step descends L(X + lambda U)
//
// S is the mean of the scores; where they are not the losses, fd costs 8. Its second pass holds the
// gates of the first (framework/tensor/gates.h), as derivatives do: it sees no kink, and agrees
// with double_backward to h. shift is training on other images, and a pass over those has its own
// gates. Section 4 of derivation.md has the figures.
// Where the penalised gradient is that of another network than the trained pass (`evaluate`), the
// loss has a pass of its own, at 3 more.
// Further passes over the batch repeat its dropout, take their own batch statistics, and leave
// running statistics alone. Whatever the route, the value of the loss is L_C + lambda L_R, and what
// is random is a function of the generator of the pass.
#pragma once

#include "framework/nn/module.h"
#include "framework/train/trainer.h"
#include "interpret/gradient_penalty/penalty.h"

#include <functional>
#include <string>

namespace limpid::interpret {

/// Whose gradient is compared: of the loss that is trained, of minus that loss, of the logit of the
/// label, or of log softmax at the label. Guiding -s is not minus guiding s: a guided loss keeps
/// what raises the loss, a guided logit what raises the logit.
enum class GradientSource : uint8_t { loss, negative_loss, logit, log_probability };
/// loss, neg-loss, logit or log-prob. Throws ValueError for another name.
GradientSource gradient_source_named(const std::string& name);

enum class GradientRoute : uint8_t { double_backward, finite_difference, shift };
/// double, fd or shift. Throws ValueError for another name.
GradientRoute gradient_route_named(const std::string& name);

/// Whose gradient is penalised; the paper does not say. It matters where training computes another
/// network than evaluation does, with batch norm and dropout (derivation.md, section 7).
///   held      that of the training pass, its batch statistics held constant, as the network that
///             is used and explained has them. Exact route only.
///   evaluate  that of the network of evaluation, with the running statistics of the moment and
///             without dropout, in a pass of its own
///   train     that of the training pass: with batch norm it has no part along the mean and the
///             scale of a channel, and the gradient of evaluation stays as it was, or worse
enum class PenalisedGradient : uint8_t { held, evaluate, train };
/// held, evaluate or train. Throws ValueError for another name.
PenalisedGradient penalised_gradient_named(const std::string& name);

struct InterpretableOptions {
  GradientPenaltyOptions penalty;
  GradientSource source = GradientSource::loss;  // the paper's
  GradientRoute route = GradientRoute::double_backward;
  /// Penalise every k-th step only, with k lambda.
  int64_t every = 1;
  /// Penalise a random part of the batch, in a pass of its own over that part; L_R is its mean.
  double share = 1;
  PenalisedGradient gradient = PenalisedGradient::held;
  /// finite_difference: rms(h U) / rms(X); 0: sqrt(epsilon), 3.5e-4 in f32 and 1.5e-8 in f64.
  double step = 0;
};

/// The losses of a batch, [N], from its logits [N, K]; their mean is trained.
using ExampleLosses = std::function<Tensor(const Tensor& logits, const Batch& batch)>;

/// s of each example, [N].
Tensor gradient_scores(
    GradientSource source, const Tensor& logits, const Tensor& losses, const Tensor& labels);

/// U [N, ...] as it is added to the images: gradient_error_slopes(), where an example's slope that
/// is longer than ten times the median of those that are not 0 is cut to that length, lest one
/// example with a flat gradient decide h. Not recorded.
Tensor capped_slopes(const Tensor& slopes);

/// L_C + lambda L_R of a batch, recorded: call backward(total, parameters). `step` counts from 0
/// over the whole run; a step that is not penalised, and lambda = 0, give L_C alone.
/// Throws ValueError for options that exclude each other: shift descends a loss, so its source is
/// loss; finite_difference and shift hold the target constant; smoothgrad is constant.
Tensor penalised_loss(
    Module& model, const Batch& batch, Pass& pass, Tensor& logits, const ExampleLosses& losses_of,
    int64_t step, const InterpretableOptions& options = {});

/// Throws ValueError as penalised_loss does.
void check_options(const InterpretableOptions& options);

}  // namespace limpid::interpret
