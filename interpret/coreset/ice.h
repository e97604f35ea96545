// interpret/coreset/ice.h: ICE, concepts whose sums are a layer's output.
//
//   symbol   shape           meaning
//   a        [n, C, h, w]    outputs of one layer on n images, at least 0
//   A        [n h w, C]      one row per image and position
//   V        [k, C]          concepts: rows of length 1, at least 0
//   S        [n h w, k]      how much of each concept stands where
//
//     min |A - S V|^2 over S, V >= 0          (interpret/numerics/factorise.h)
// Rows of an image of weight v are taken times sqrt(v), so that their squares count v times.
// (Zhang, Madumal, Miller, Ehinger and Rubinstein, "Invertible Concept-based Explanations for CNN
// Models with Non-negative Concept Activation Vectors", AAAI 2021.) With F_c the logit of class c
// as a function of a, the importance of concept t is the derivative along v_t at every position,
//     I_ct = mean over images of class c of  sum_ij <d F_c / d a_ij, v_t>,
// which their difference quotient with eps = 1e-4 approximates: here it is exact. Weights do not
// enter it.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/coreset/interpreter.h"
#include "interpret/numerics/factorise.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// [n, C, h, w] -> A [n h w, C], f64.
Tensor positions_of(const Tensor& maps);

/// I_ct of the concepts V [k, C] f64, for one class: [k]. All images count as images of class c.
/// Throws ShapeError if the layer has no maps or another number of channels.
std::vector<double> concept_importance(
    Module& model, const Module& layer, const Tensor& images, int64_t c, const Tensor& V);

/// What the network says once the layer's output is S V, S the best for V: mean |F_c(a) - F_c(S V)|
/// / (|mean F_c(a)| + 1e-4), the fidelity error of the paper. Likewise for images of class c.
double fidelity_error(
    Module& model, const Module& layer, const Tensor& images, int64_t c, const Tensor& V);

struct IceOptions {
  std::string layer = {};    // empty: the last of rectified_layers() with more than one position
  int64_t concepts = 0;      // k; 0: min(8, C / 4), at least 2
  bool is_per_class = true;  // concepts of each class, else one set for all
  bool has_true_labels = false;
  int64_t importance_images = 10;  // at most, per class
  int64_t max_rows = 20000;        // of A; of more images some are left out, evenly
  FactoriseOptions factorise = {};
};

/// Where a concept shows most.
struct ConceptPicture {
  std::vector<int64_t> samples;  // by the mean of S, first the largest
  Tensor maps;                   // [count, h, w] f64, S in units of its largest value there
};

/// ICE as a method of interpretation (coreset/interpreter.h).
class Ice : public Interpreter {
 public:
  /// Throws ValueError for a layer that is not there, ShapeError for one without maps.
  Ice(Module& model, Readings::Images images, std::vector<int64_t> labels, int64_t classes,
      const IceOptions& options);

  std::string headline() const override { return "matched_cosine"; }
  void see(SampleList samples) override { readings_.see(samples); }
  /// Outputs of the layer, means over the positions: [n, C].
  Tensor rows(SampleList samples) const override;
  /// From a random start.
  Interpretation again(SampleList samples, uint64_t seed) override;
  /// Concepts of uniform numbers; importance by the same formula.
  Interpretation chance(SampleList samples, uint64_t seed) override;
  Similarity compare(const Interpretation& reference, const Interpretation& other) override;

  const std::string& layer() const { return options_.layer; }
  int64_t concepts() const { return options_.concepts; }
  /// Of concept t of a group, among samples of this group that were fitted.
  ConceptPicture picture(
      const Interpretation& found, SampleList samples, int64_t group, int64_t t,
      int64_t count = 5) const;

 private:
  /// A class with no sample, or whose outputs are all 0, has concepts of 0. Throws ValueError for a
  /// layer with negative outputs.
  Interpretation fit_weighted(SampleList samples, SampleWeights weights) override;

  using MakeConcepts = std::function<Tensor(const Tensor& A, int64_t group)>;
  std::vector<std::vector<int64_t>> groups_of(SampleList samples) const;
  Interpretation with_importance(
      SampleList samples, const MakeConcepts& make, SampleWeights weights = {});
  std::vector<double> importance(std::span<const int64_t> group, int64_t g, const Tensor& V);
  Tensor positions_in(
      std::span<const int64_t> samples, const std::map<int64_t, double>& weights) const;

  Module& model_;
  const Module* layer_ = nullptr;
  IceOptions options_;
  std::vector<int64_t> labels_;
  int64_t K_;
  Readings readings_;
};

}  // namespace limpid::interpret
