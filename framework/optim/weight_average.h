// framework/optim/weight_average.h: a running mean of the weights, to evaluate in their place.
#pragma once

#include "framework/optim/optimizer.h"

#include <string>
#include <utility>
#include <vector>

namespace limpid {

/// Exponential moving average of weights (Polyak and Juditsky 1992; in this form Tarvainen and
/// Valpola, NIPS 2017). Starts as a copy of the weights, in their type.
///   WeightAverage average(parameters(model));
///   optimizer.step(lr);  average.update(0.999);                           // each step
///   { const AveragedWeights scope(average);  evaluate(model); }           // now and then
class WeightAverage {
 public:
  /// Running statistics may be listed too. Throws DTypeError for i64.
  explicit WeightAverage(NamedParameters parameters);
  WeightAverage(const WeightAverage&) = delete;
  WeightAverage& operator=(const WeightAverage&) = delete;

  /// a = decay a + (1 - decay) w, as a + (1 - decay) (w - a): without bias in f32. Throws
  /// ValueError unless 0 <= decay <= 1, and Error while the averages stand in for the weights.
  void update(double decay);
  /// Writes the averages over the weights, for good.
  void become_weights();
  /// The averages under the names of the weights, to save and to restore by assign().
  NamedParameters averages() const;

 private:
  friend class AveragedWeights;

  NamedParameters parameters_;
  std::vector<Tensor> averages_;  // per parameter
  int scopes_ = 0;                // of AveragedWeights, alive
};

/// Puts the averages in place of the weights for a scope; the weights come back at its end, so
/// what was written to them meanwhile is lost. Scopes may be nested.
class AveragedWeights {
 public:
  explicit AveragedWeights(WeightAverage& average);
  ~AveragedWeights();
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  WeightAverage& average_;
  std::vector<Tensor> weights_;  // copies, per parameter
};

}  // namespace limpid
