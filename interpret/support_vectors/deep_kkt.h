// interpret/support_vectors/deep_kkt.h: the conditions that make a sample a deep support vector.
//
// Paper    Deep Support Vectors (arXiv 2403.17329): the Karush-Kuhn-Tucker conditions of a support
//          vector machine, written for a trained classifier whose weights theta stay as they are.
//
//   symbol   code        shape      meaning
//   x        images      [n, ...]   candidates
//   y        labels      [n]        their classes, or [n, K] as distributions
//   lambda   lambda      [n]        multipliers, at least 0 (dual feasibility)
//   L_i                             cross-entropy of candidate i
//   g_i                             d L_i / d theta
//   R        residual    per tensor theta + sum_i lambda_i g_i
//
//   stationarity (eq. 8)   L_stat = sum_k c_k d(R_k)            here: stationarity()
//   primal (eq. 7)         mean over i of L_i where x_i is not classified as y_i
//
// The paper's text has d = |.| and an average "per parameter". Read here as the mean within each
// tensor, summed over the tensors, so that a bias weighs as much as a kernel; or as the mean over
// all scalars. Both are there.
// What the slopes need: with v_k = c_k d'(R_k) held fixed,
//     d L_stat / d lambda_i = <v, g_i>,    d L_stat / d x_i = lambda_i d <v, g_i> / d x_i,
// a mixed second derivative. It comes exactly, by differentiating the recorded gradient, or from
// two ordinary passes at theta + e v and theta - e v, error O(e^2) and rounding / e.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <string>
#include <utility>
#include <vector>

namespace limpid::interpret {

/// d of one number r.
///   l1       |r|              the paper's text
///   squared  r^2              its algorithm
///   huber    r^2 / (2 delta) up to delta, |r| - delta / 2 beyond; delta is a tenth of the median
///            |theta| of the tensor
///   cosine   not of one number: 1 - cos(theta, -sum_i lambda_i g_i) over all tensors together,
///            which does not feel the length of lambda; Average plays no part
enum class Distance : uint8_t { l1, squared, huber, cosine };

enum class Average : uint8_t {
  tensor,  // c_k = 1 / (scalars of tensor k)
  all,     // c_k = 1 / (scalars of all tensors)
};

enum class MixedRoute : uint8_t { double_backward, two_passes };

struct StationarityOptions {
  Distance distance = Distance::l1;
  Average average = Average::tensor;
  MixedRoute route = MixedRoute::double_backward;
};

struct Stationarity {
  double value = 0;  // L_stat
  Tensor by_lambda;  // [n]
  Tensor by_images;  // like the images; undefined if not asked for
  /// |R_k|_2 / |theta_k|_2 of each tensor: 0 where the condition holds, 1 where lambda does
  /// nothing.
  std::vector<std::pair<std::string, double>> relative_residual;
};

/// Names and tensors of the parameters that require a gradient: freeze() leaves others out.
NamedTensors stationary_parameters(Module& model);

/// L_i [n] of logits [n, K]; labels are classes [n] or distributions [n, K].
Tensor cross_entropies(const Tensor& logits, const Tensor& labels);
/// |p_i - y_i| [n] f64 of the same: what turns lambda into the multiplier of an SVM.
Tensor residual_sizes(const Tensor& logits, const Tensor& labels);

/// L_stat of the candidates in evaluation mode, with its slopes. The model is as it was afterwards,
/// bit for bit, also if this throws.
/// Throws ShapeError unless there is one label and one lambda per image, ValueError if no parameter
/// requires a gradient.
Stationarity stationarity(
    Module& model, const Tensor& images, const Tensor& labels, const Tensor& lambda,
    bool wants_image_slopes, const StationarityOptions& options = {});

/// L_primal and its slope by the images: the mean over all n of L_i, where a candidate that is
/// classified as its label counts 0 and has no slope.
struct Primal {
  double value = 0;
  double accuracy = 0;
  Tensor by_images;
};
Primal primal(Module& model, const Tensor& images, const Tensor& labels);

/// Both conditions from one pass through the network, as a step of synthesis needs them.
struct ConditionOptions {
  StationarityOptions stationarity = {};
  double stationarity_weight = 1;  // 0: L_stat is not computed
  double primal_weight = 1;        // b_1
  /// Candidates that satisfy the primal condition count 0: those classified as their label with
  /// margin Phi_y - max_{c != y} Phi_c >= `margin` (eq. 3), or, for labels that are distributions,
  /// with L_i - H(y_i) <= soft_tolerance (entropy H, nats).
  bool masks_satisfied = true;
  double margin = 0;             // logits
  double soft_tolerance = 0.05;  // nats; ours
};

struct Conditions {
  double stationarity = 0;  // L_stat
  double primal = 0;        // L_primal
  int64_t satisfied = 0;    // candidates that satisfy the primal condition
  Tensor logits;            // [n, K]
  Tensor by_lambda;         // [n], of the weighted sum of both
  Tensor by_images;         // like the images, of the weighted sum of both
};

/// Values of both conditions, and the slopes of
/// stationarity_weight L_stat + primal_weight L_primal. By two passes the slope of L_primal is that
/// of the mean of both passes, error O(e^2) as well. Leaves the model alone and throws as
/// stationarity() does.
Conditions conditions(
    Module& model, const Tensor& images, const Tensor& labels, const Tensor& lambda,
    const ConditionOptions& options = {});

/// The exact multipliers of the squared distance (Average::all up to its factor): the non-negative
/// least squares problem min |theta + sum_i lambda_i g_i|^2 / 2 + rho sum lambda over the Gram
/// matrix <g_i, g_j>. rho > 0 stands in for the complementary slackness that the conditions leave
/// out: it prefers the smallest margins. Gradients of all candidates are held at once, n P numbers.
struct Multipliers {
  Tensor lambda;                 // [n] f64
  Tensor alpha;                  // [n] f64: lambda_i |p_i - y_i|, the multiplier of the SVM
  double relative_residual = 0;  // |theta + sum lambda g| / |theta|
  bool converged = false;
  double largest_slope = 0;  // optimality, see numerics/nnls.h
};
Multipliers exact_multipliers(
    Module& model, const Tensor& images, const Tensor& labels, double rho = 0);

}  // namespace limpid::interpret
