// interpret/coreset/interpreter.h: one method of interpretation, on any part of the data.
//
// An interpreter watches the network on each sample once and keeps what it needs of it, so that
// parts which overlap, as growing ones do, never run the network twice. From the parts alone it
// makes its interpretation, and it knows how alike two of them are.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace limpid {
class Module;
}

namespace limpid::interpret {

using SampleList = std::span<const int64_t>;    // positions in the data
using SampleWeights = std::span<const double>;  // v, one per sample; none: all count 1

/// What a method says about a network. All f64.
struct Interpretation {
  Tensor weights = {};                // [K, m], row per class; undefined for concepts
  std::vector<Tensor> concepts = {};  // [k, C] of each group
  std::vector<std::vector<double>> importance = {};  // of each concept, per group
  std::vector<int64_t> active = {};                  // units of each class, or concepts of a group
};

/// Measures by name; one value per class, or per group of concepts. NaN where one has no meaning.
using Similarity = std::map<std::string, std::vector<double>>;

/// One method of interpretation, on any part of the data.
class Interpreter {
 public:
  virtual ~Interpreter() = default;
  /// The measure that decides.
  virtual std::string headline() const = 0;
  /// Runs the network on those samples that it has not seen, and on those that compare() needs.
  virtual void see(SampleList samples) = 0;
  /// Its interpretation by these samples; one of weight v counts like v equal ones. Throws
  /// ValueError for one that was not seen and for weights that are negative, not finite, all 0 or
  /// not as many as the samples.
  Interpretation fit(SampleList samples, SampleWeights weights = {});
  /// What the problem that it solves knows of the samples, row by row: [n, m] f64.
  virtual Tensor rows(SampleList samples) const = 0;
  /// The same from another start or order: how alike two can be at best.
  virtual Interpretation again(SampleList samples, uint64_t seed) = 0;
  /// What looks like an interpretation and knows nothing: how alike two are by chance.
  virtual Interpretation chance(SampleList samples, uint64_t seed) = 0;
  virtual Similarity compare(const Interpretation& reference, const Interpretation& other) = 0;

 protected:
  /// With weights that are as they should be.
  virtual Interpretation fit_weighted(SampleList samples, SampleWeights weights) = 0;
};

/// What a network shows on some images.
struct Reading {
  Tensor rows;    // [b, ...] f32, kept
  Tensor logits;  // [b, K]
};

/// Readings of samples, each taken once.
class Readings {
 public:
  using Images = std::function<Tensor(SampleList)>;  // as the network expects them
  using Reader = std::function<Reading(const Tensor& images)>;

  /// Of a data set with so many samples.
  Readings(Images images, int64_t samples, Reader reader);

  /// Reads those that are new, some at a time. Throws ValueError for one out of range, NumericError
  /// for NaN or infinity.
  void see(SampleList samples);
  /// How many have been read.
  int64_t seen() const { return seen_; }
  /// Rows of the samples in f64, [n, ...]. Throws ValueError for one that was not seen and for
  /// none.
  Tensor rows(SampleList samples) const;
  /// arg max of the logits.
  std::vector<int64_t> predicted(SampleList samples) const;
  Tensor images(SampleList samples) const { return images_(samples); }

 private:
  Images images_;
  Reader reader_;
  Shape shape_;                           // of one row
  std::vector<std::vector<float>> rows_;  // empty: not seen
  std::vector<int64_t> predicted_;
  int64_t seen_ = 0;
};

/// Interpreters that give each class a row of weights: they solve one problem on the rows of
/// samples and their classes.
class WeightInterpreter : public Interpreter {
 public:
  struct Data {
    Readings::Images images;
    std::vector<int64_t> labels;  // of all samples
    int64_t classes = 0;
    std::vector<int64_t> probe = {};  // samples on which functions are compared
  };

  std::string headline() const override { return "cosine"; }
  void see(SampleList samples) override;
  Tensor rows(SampleList samples) const override { return readings_.rows(samples); }
  /// The samples in another order: equal up to rounding.
  Interpretation again(SampleList samples, uint64_t seed) override;
  /// The classes of the samples in another order.
  Interpretation chance(SampleList samples, uint64_t seed) override;
  Similarity compare(const Interpretation& reference, const Interpretation& other) override;

 protected:
  WeightInterpreter(const Data& data, bool has_true_labels, const Readings::Reader& reader);
  Interpretation fit_weighted(SampleList samples, SampleWeights weights) override;
  virtual Interpretation solve(
      SampleList samples, std::span<const int64_t> classes, SampleWeights weights) = 0;

  int64_t K_;
  std::vector<int64_t> groups_;  // of columns: where each begins, and the end; may be empty
  Readings readings_;

 private:
  std::vector<int64_t> classes_of(SampleList samples) const;

  std::vector<int64_t> labels_, probe_;
  bool has_true_labels_;
};

/// Layers whose output is what a rectifier let through: those of type ReLU or ReLU6; where a
/// network has none, the blocks whose output on these images is at least 0 (residual networks,
/// which rectify inside). In the order in which they run.
std::vector<std::string> rectified_layers(Module& model, const Tensor& images);

/// How alike two sets of class weights are, by measures 1 to 7 of similarity.h: `cosine`,
/// `angular`, `relative_l2`, `jaccard`, `dice`, `top_jaccard`, `weighted_jaccard`, `kuncheva`,
/// `spearman`, `kendall`, `rbo`, and with rows X [n, m] `functional`, with groups of columns
/// `layer_cosine`, `layer_jaccard` and `layer_share` (1 - half the sum of differences of shares).
/// Supports and min / max say nothing of weights of both signs: NaN.
Similarity compare_weights(
    const Tensor& a, const Tensor& b, const Tensor& X = {}, std::span<const int64_t> groups = {});

/// Measures 8 to 10: `matched_cosine`, `importance` (Pearson of the importance after matching),
/// `pwsm` (1 - 2 theta / pi with alpha = 0), `procrustes` (alpha = 1), `subspace`. The shape
/// measures are NaN unless C >= 2 k + 2, where they would be large for anything.
Similarity compare_concepts(const Interpretation& a, const Interpretation& b);

}  // namespace limpid::interpret
