// interpret/support_vectors/synthesis.h: support vectors made from the weights alone.
//
// Paper    Deep Support Vectors (arXiv 2403.17329), eq. 9 and algorithm 1. The weights stay; images
//          x and multipliers lambda descend on
//
//     K(x) + eta K(A x) + b2 L_tot(x) + b3 L_norm(x),    K = b0 L_stat + b1 L_primal
//
//   x, lambda    candidates [n, C, H, W] and multipliers [n]    L_stat, L_primal  deep_kkt.h
//   A            a view drawn anew in each step                 A, L_tot, L_norm  manifold.h
//   b0 ... b3    TermWeights: given as they are, or as ratios of the lengths of the slopes
//
// A step: Adam on the pixels with cosine decay; a plain gradient step on lambda; a candidate whose
// lambda becomes negative leaves (the paper), or stays at 0. The paper says neither the optimiser
// nor the rates nor the formulas of the priors; what is chosen for it here are the defaults below.
// L_stat does not determine its solution: that the results look like data comes from the primal
// condition, views and priors as much as from stationarity. Compare with weights.stationarity = 0.
//
// Everything random in step t is a function of (seed, t): a run that goes on from tensors() ends
// with the same bits as one that never stopped, at any number of threads.
#pragma once

#include "framework/optim/adam.h"
#include "interpret/support_vectors/deep_kkt.h"
#include "interpret/support_vectors/manifold.h"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// One number per term: weights, ratios or lengths of slopes.
struct Terms {
  double stationarity = 0, primal = 0, variation = 0, size = 0;
};

enum class Infeasible : uint8_t {
  drop,     // lambda < 0: the candidate leaves, unless it is the last of its class
  project,  // lambda = max(lambda, 0)
};

struct SynthesisOptions {
  int64_t steps = 1000;
  uint64_t seed = 0;

  // Branches: algorithm 1 has both, with eta 5; eq. 9 has the view alone
  bool clean_branch = true;
  double eta = 5;  // 0: no view
  ViewOptions view = {};

  // Terms
  /// The cosine rather than the paper's l1: from noise it fell by 39 % in 400 steps, l1 by 18 %
  /// (LeNet-5, MNIST, 100 vectors, these weights).
  StationarityOptions stationarity = {.distance = Distance::cosine};
  /// More of the primal condition and of the priors than stationarity alone would need: a network
  /// of another kind then knows 98 % of those vectors, and 81 % at 1 : 1 : 0.1 : 0.01.
  Terms weights = {.stationarity = 1, .primal = 3, .variation = 3, .size = 3};
  /// The weights are ratios: b_k = weights_k / |slope_k|, in units of that of the first term that
  /// is not 0, with slopes by the pixels at the start, L_primal unmasked; a term without slope
  /// there gets 0. Otherwise they are b_k.
  bool weights_are_ratios = true;
  bool masks_satisfied = true;
  double margin = 5;             // logits, from which a candidate is satisfied (eq. 3)
  double soft_tolerance = 0.05;  // nats, for labels that are distributions
  bool averages_variation = false;
  SizePrior size = SizePrior::squared;
  Tensor centre = {};  // of the size prior; undefined: 0

  // Pixels
  double learning_rate = 0.1;  // Adam, in standardised units
  Tensor low = {}, high = {};  // [1, C, 1, 1] limits after each step; undefined: none
  int64_t start_scale = 1;     // pixels begin that many times coarser, halved stage by stage, ...
  int64_t basis = 1;           // ... and end that many times coarser; powers of 2

  // Multipliers
  double lambda_move = 0.05;  // largest move in one step, in units of lambda0
  Infeasible infeasible = Infeasible::drop;
  double warmup = 0.1;      // share of the steps during which nothing leaves
  int64_t exact_every = 0;  // exact multipliers every so many steps, in place of gradient steps

  /// Every so many steps, and after the last, lambda is scaled to its best length,
  /// <theta, -G> / |G|^2 with G = sum lambda g, if that is positive, and lambda0 with it; 0: never.
  /// Needed from noise: its gradients are large, those of the vectors it becomes are small, and the
  /// multipliers that fit the one are too short for the other. The cosine does not feel it.
  int64_t length_every = 20;

  int64_t trace_every = 50;
};

/// What is known about the candidates that are left, at one step.
struct TracePoint {
  int64_t step = 0;
  double stationarity = 0;           // L_stat, clean
  double relative_residual = 0;      // |theta + sum lambda g| / |theta|, clean
  double primal = 0;                 // L_primal, clean, masked
  double primal_accuracy = 0;        // clean
  double primal_accuracy_views = 0;  // in a view drawn for this; each image its own
  double entropy = 0;                // mean of H(p_i), nats
  double margin = 0;                 // mean of logit of the class minus largest other
  int64_t alive = 0;
  Terms slopes = {};                         // lengths of the unweighted slopes by the pixels
  std::vector<double> class_entropy = {};    // [K], NaN without candidates
  std::vector<double> class_margin = {};     // [K]
  std::vector<double> class_accuracy = {};   // [K]
  std::vector<double> tensor_residual = {};  // per parameter tensor, |R_k| / |theta_k|
};

/// The descent on images and multipliers, one step at a time.
class Synthesis {
 public:
  /// Starts from `images` [n, C, H, W] (or [n, D]) with `labels` [n] i64, or [n, K] distributions.
  /// The model is used in evaluation mode and stays as it is; parameters that freeze() left out
  /// take no part in stationarity. Throws ValueError for options out of range, ShapeError for
  /// images and labels that do not fit.
  Synthesis(
      Module& model, const Tensor& images, const Tensor& labels, const SynthesisOptions& options);
  /// Goes on from what tensors() gave; `image` is the shape of one. Throws ValueError for tensors
  /// that are missing or misshapen.
  Synthesis(
      Module& model, const Shape& image, const std::map<std::string, Tensor>& tensors,
      const Tensor& labels, const SynthesisOptions& options);

  bool is_done() const { return step_ >= options_.steps; }
  int64_t steps_done() const { return step_; }
  /// One step; writes a line of the trace when it is due. Throws NumericError if a slope is not
  /// finite; the pixels are then those of the step before.
  void advance();

  /// All candidates at full size [n, C, H, W], and their labels and multipliers.
  Tensor images() const;
  const Tensor& labels() const { return labels_; }
  const Tensor& lambda() const { return lambda_; }   // [n], 0 of those that left
  std::vector<int64_t> alive() const;                // positions of those that are left
  Tensor logits() const;                             // [n, K] of all, clean
  const Terms& weights() const { return weights_; }  // b_0 ... b_3 as numbers
  double lambda0() const { return lambda0_; }
  const std::vector<TracePoint>& trace() const { return trace_; }
  TracePoint measured() const;

  /// Everything that a continuation needs, under names.
  std::map<std::string, Tensor> tensors() const;

 private:
  struct Slopes {
    Tensor by_pixels, by_lambda;
  };
  void check() const;
  void begin(const Tensor& images);
  void set_classes();
  void set_pixels(const Tensor& pixels);
  Shape pixels_shape(int64_t step) const;
  int64_t scale_at(int64_t step) const;
  void enter_stage();
  Slopes slopes(
      const std::vector<int64_t>& rows, const View& view, const Terms& weights,
      bool masks_satisfied) const;
  Slopes condition_slopes(
      const Tensor& images, const std::vector<int64_t>& rows, const View& view,
      const ConditionOptions& options) const;
  Terms slope_lengths(bool masks_satisfied) const;
  void set_weights();
  void set_lambda0();
  double best_length() const;
  void set_length();
  void move_lambda(const std::vector<int64_t>& rows, const Tensor& slope);
  void leave_or_stay();
  View view_of(uint64_t stream, int64_t count, bool per_image) const;

  Module& model_;
  SynthesisOptions options_;
  Shape shape_;                   // of the images at full size
  Tensor labels_;                 // [n] or [n, K]
  std::vector<int64_t> classes_;  // the class of each candidate
  int64_t step_ = 0;
  Tensor pixels_;    // [n, C, h, w]
  Tensor lambda_;    // [n]
  Tensor is_alive_;  // [n] i64
  std::unique_ptr<Adam> adam_;
  Terms weights_;
  double lambda0_ = 0;
  double lambda_rate_ = 0;  // 0: not yet set
  std::vector<TracePoint> trace_;
};

/// Normal noise of `count` images, N(0, 1) in standardised units.
Tensor noise_images(const Shape& image, int64_t count, DType dtype, uint64_t seed);

/// Labels 0, ..., 0, 1, ..., K - 1: `per_class` of each.
Tensor labels_per_class(int64_t classes, int64_t per_class);

/// (1 - mix) e_a + mix e_b for each mix, [mixes, K]: labels as latent variables.
/// Throws ValueError for a class outside 0 to K - 1 or a mix outside 0 to 1.
Tensor mixed_labels(int64_t a, int64_t b, std::span<const double> mixes, int64_t classes);

}  // namespace limpid::interpret
