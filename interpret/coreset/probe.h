// interpret/coreset/probe.h: linear probing, the classes as linear functions of features.
//
//   symbol   shape     meaning
//   v        [n]       weights of the samples over their sum, 1 / n unless given
//   H        [n, d]    features of n samples, minus their mean sum_i v_i h_i
//   Y        [n, K]    1 where a sample has the class, minus the share of the class, likewise
//   W        [K, d]    the probe; its rows are the directions of the classes
//
//     W' = arg min sum_i v_i |y_i - W h_i|^2 + ridge s |W|^2
//        = (H' diag(v) H + ridge s I)^-1 H' diag(v) Y
// (Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2016; here
// with squared errors, so that the best probe has a closed form). s is the mean of the diagonal of
// H' diag(v) H: the ridge has no unit and means the same for any number of samples.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/coreset/interpreter.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::interpret {

struct LinearProbe {
  Tensor weight;  // [K, d] f64
  Tensor bias;    // [K]
};
/// H [n, d] f64 as it is, classes [n]. Features that are all equal have W = 0. Throws ShapeError if
/// they do not fit, ValueError unless ridge > 0.
LinearProbe fit_probe(
    const Tensor& H, std::span<const int64_t> classes, int64_t K, double ridge = 1e-3,
    SampleWeights weights = {});
/// arg max_c of W_c h + b_c for each row.
std::vector<int64_t> probe_predictions(const LinearProbe& probe, const Tensor& H);

struct ProbeOptions {
  std::string layer =
      {};  // its output, averaged over positions; empty: the input of the last layer
  double ridge = 1e-3;
  bool has_true_labels = true;  // else the classes that the network predicts
};

/// Linear probing as a method of interpretation (coreset/interpreter.h).
class Probe : public WeightInterpreter {
 public:
  /// Throws ValueError for a layer that is not there and for a ridge that is not above 0.
  Probe(Module& model, const Data& data, const ProbeOptions& options = {});

 private:
  Interpretation solve(
      SampleList samples, std::span<const int64_t> classes, SampleWeights weights) override;

  double ridge_;
};

}  // namespace limpid::interpret
