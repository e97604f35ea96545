// interpret/coreset/vebi.h: VEBI, the few units by which a network tells its classes apart.
//
//   symbol   shape        meaning
//   A_lf     [h, w]       output of unit f of layer l on one image (one number for a vector)
//   x        [m]          x_lf = e_lf / sum_f' e_lf',  e_lf = sum A_lf^2: shares of a layer's
//                         energy, all layers one after the other; 0 for a layer that is silent
//   X        [n, m]       x of n samples
//   L        [n, K]       1 where a sample has the class, else 0
//   v        [n]          weights of the samples, 1 unless given
//   w_c      [m]          weights of class c: those above 0 are its relevant units
//
//     w_c = arg min sum_i v_i (L_ic - x_i w)^2   subject to   sum w <= mu_c, w >= 0
// (Oramas, Wang and Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019; there without
// v.) X is needed only through Q = X' diag(v) X and q = X' diag(v) L, which add up over samples.
// mu_c is a number, or the share of the sum of the unconstrained weights that the first fit finds;
// it then stays, so that samples are all that differs between two fits. The penalised form instead
// is
//     w_c = arg min sum_i v_i (L_ic - x_i w)^2 / (2 sum v) + alpha sum w.
//
// A class without a sample has w_c = 0, as have units that never respond. Shares of a layer add up
// to 1, so layers depend on each other: a ridge makes the solution one.
#pragma once

#include "framework/core/rng.h"
#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/coreset/interpreter.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace limpid::interpret {

/// Shares of energy of one layer's output [b, C, ...]: [b, C] f64.
Tensor energy_shares(const Tensor& output);

/// Q [m, m] and q [m, K] of the samples so far, f64.
struct VebiMoments {
  Tensor Q = {}, q = {};
  double samples = 0;  // sum of v
  /// X [n, m] f64, classes [n] in 0 ... K - 1.
  void add(
      const Tensor& X, std::span<const int64_t> classes, int64_t K, SampleWeights weights = {});
};

enum class VebiForm : uint8_t { share, mu, alpha };

struct VebiOptions {
  VebiForm form = VebiForm::share;
  double strength = 0.5;                 // the share, mu or alpha
  double ridge = 1e-8;                   // in units of the mean of the diagonal of Q
  bool has_true_labels = false;          // else the classes that the network predicts
  std::vector<std::string> layers = {};  // empty: rectified_layers()
};

/// W [K, m], row per class. `budgets` are mu_c of the share form: filled if empty, else used.
/// Throws ValueError for a share above 1 or a negative strength.
Tensor vebi_weights(const VebiMoments& moments, const VebiOptions& o, std::vector<double>& budgets);

/// A relevant unit and its weight.
struct RelevantUnit {
  std::string layer;
  int64_t unit = 0;
  double weight = 0;
};

/// VEBI as a method of interpretation (coreset/interpreter.h).
class Vebi : public WeightInterpreter {
 public:
  /// Throws ValueError for a layer that is not there and for a network without rectified layers.
  Vebi(Module& model, const Data& data, const VebiOptions& options = {});

  /// Of a class, the heaviest first.
  std::vector<RelevantUnit> relevant_units(const Interpretation& found, int64_t c) const;
  /// As many units of each layer, any of them; their weights are 0.
  std::vector<RelevantUnit> random_units(std::span<const RelevantUnit> like, const Rng& rng) const;
  const std::vector<std::string>& layers() const { return options_.layers; }

 private:
  struct Completed {};  // options with layers
  Vebi(Module& model, const Data& data, const VebiOptions& options, Completed);
  Interpretation solve(
      SampleList samples, std::span<const int64_t> classes, SampleWeights weights) override;

  VebiOptions options_;
  std::vector<double> budgets_;
};

/// What a unit responds to.
struct UnitPicture {
  std::vector<int64_t> images;  // positions among those given: where it responds most, first
  Tensor average;               // [C, h, w]: the mean of the crops around these responses
  Tensor heat;                  // [count, 1, H, W] guided gradient of each response, not negative
};

/// Crops are as large as the largest reach of the response in the image (where its plain gradient
/// is not 0), centred there and black beyond the border. The heat map is the gradient of the
/// response under the guided rule, its largest value over the channels (Springenberg et al. 2015).
/// Throws ValueError for a unit out of range or no images, ShapeError unless images are
/// [N, C, H, W].
UnitPicture picture_of_unit(
    Module& model, const std::string& layer, int64_t unit, const Tensor& images, int64_t count = 5);

}  // namespace limpid::interpret
