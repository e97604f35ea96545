// interpret/coreset/scores.h: one number per sample, the higher the harder.
//
//   symbol   shape    meaning
//   p        [n, K]   probabilities, f64
//   y        [n]      labels, i64
//   h        [n, d]   features before the last layer
//
//   least confidence   1 - max_k p_k
//   entropy            -sum_k p_k ln p_k                        in nats
//   margin             1 - (p_(1) - p_(2))                      of the two largest
//   EL2N               |p - e_y|                                Paul, Ganguli and Dziugaite 2021
//   GraNd              |p - e_y| sqrt(1 + |h|^2)                the gradient of the last layer
//   contrast           mean J(p_i, p_j) over the 10 nearest neighbours j by h
//                                                               CAL, Margatina et al. 2021
//   forgetting         how often a sample went from right to wrong while training; infinite if it
//                      was never right                          Toneva et al. 2019
// with J(p, q) = sum_k (p_k - q_k) ln(p_k / q_k) / 2, probabilities at least 1e-12.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// exp(x_k) / sum exp(x) of logits [n, K], in f64.
Tensor probabilities_of(const Tensor& logits);

/// p - e_y, [n, K] f32: the slope of the cross-entropy by the logits.
Tensor logit_slopes(const Tensor& p, const Tensor& y);

/// The scores of the table above, [n].
std::vector<double> least_confidence(const Tensor& p);
std::vector<double> entropy(const Tensor& p);
std::vector<double> margin_difficulty(const Tensor& p);
std::vector<double> el2n(const Tensor& p, const Tensor& y);
std::vector<double> grand(const Tensor& p, const Tensor& y, const Tensor& h);
std::vector<double> contrast(const Tensor& p, const Tensor& h, int64_t neighbours = 10);

/// J of two distributions.
double symmetric_divergence(std::span<const double> p, std::span<const double> q);

/// Counts over a training run.
class ForgettingCount {
 public:
  /// is_right[i] after one more epoch. Throws ShapeError if the count of samples changes.
  void record(const std::vector<bool>& is_right);

  const std::vector<int64_t>& events() const { return events_; }
  std::vector<bool> never_learnt() const;
  /// Events; infinity for samples that were never right.
  std::vector<double> scores() const;

 private:
  std::vector<int64_t> events_;
  std::vector<bool> was_right_, learnt_;
};

}  // namespace limpid::interpret
