// framework/train/metrics.h: how good a set of logits is.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace limpid {

struct Metrics {
  int64_t count = 0;
  double loss = 0;                // mean cross-entropy, nats
  double accuracy = 0;            // share of examples whose largest logit is the label's
  double ece = 0;                 // expected calibration error, see below
  std::vector<double> per_class;  // accuracy per true class; NaN if it has no example
  std::vector<std::vector<int64_t>> confusion;  // [true][predicted]
  std::vector<int64_t> predicted;               // the class of each example's largest logit
};

/// Figures of logits [N, K] against labels [N] i64. Throws as cross_entropy does.
/// ece: examples in 15 bins of equal width by their largest probability; the mean over the examples
/// of |accuracy of the bin - mean largest probability of the bin| (Guo et al., ICML 2017, eq. 3).
Metrics classification_metrics(const Tensor& logits, const Tensor& labels);

/// How far predictions are from targets.
struct RegressionMetrics {
  int64_t count = 0;  // values
  double mse = 0;     // mean of (y - t)^2
  double r2 = 0;      // 1 - mse / variance of t; NaN if t is constant
};

/// Predictions y against targets t of the same shape. Throws ShapeError if they differ or are
/// empty.
RegressionMetrics regression_metrics(const Tensor& y, const Tensor& t);

/// How many rows of logits [N, K] have their first largest entry at the label, labels [N].
int64_t count_correct(const Tensor& logits, const Tensor& labels);

}  // namespace limpid
