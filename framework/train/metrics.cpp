// framework/train/metrics.cpp: accuracy, confusion and calibration.
#include "framework/train/metrics.h"

#include "framework/core/error.h"
#include "framework/ops/loss.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace limpid {

int64_t count_correct(const Tensor& logits, const Tensor& labels) {
  check_shape(
      logits.rank() == 2 && labels.rank() == 1 && logits.size(0) == labels.size(0), "count_correct",
      "needs logits [N, K] and labels [N] (", logits.shape(), ", ", labels.shape(), ")");
  const Tensor predicted = arg_max(logits, 1);  // [N, 1]
  const int64_t* guess = predicted.data<int64_t>();
  const int64_t* truth = labels.data<int64_t>();
  int64_t correct = 0;
  for (int64_t n = 0; n < labels.numel(); ++n) correct += guess[n] == truth[n];
  return correct;
}

Metrics classification_metrics(const Tensor& logits, const Tensor& labels) {
  const Recording off(false);
  Metrics m;
  m.loss = cross_entropy(logits, labels).item();
  m.count = labels.numel();
  const auto classes = static_cast<size_t>(logits.size(1));
  const Tensor predicted = arg_max(logits, 1);        // [N, 1]
  const Tensor confidence = max(softmax(logits), 1);  // [N, 1]
  const std::vector<double> sure = confidence.to_vector();

  // Confusion matrix and calibration bins in one walk
  constexpr size_t kBins = 15;  // as in Guo et al.
  struct Bin {
    double correct = 0;
    double sure = 0;
  };
  std::array<Bin, kBins> bins{};
  m.confusion.assign(classes, std::vector<int64_t>(classes, 0));
  int64_t correct = 0;
  for (int64_t n = 0; n < m.count; ++n) {
    const auto truth = static_cast<size_t>(labels.data<int64_t>()[n]);
    const auto guess = static_cast<size_t>(predicted.data<int64_t>()[n]);
    ++m.confusion[truth][guess];
    m.predicted.push_back(predicted.data<int64_t>()[n]);
    correct += truth == guess;
    const double p = sure[static_cast<size_t>(n)];
    const double place = std::isfinite(p) ? p * static_cast<double>(kBins) : 0;
    Bin& bin = bins[std::min(static_cast<size_t>(place), kBins - 1)];
    bin.correct += truth == guess;
    bin.sure += p;
  }
  const double count = static_cast<double>(m.count);
  m.accuracy = static_cast<double>(correct) / count;
  for (const Bin& bin : bins) m.ece += std::abs(bin.correct - bin.sure) / count;

  for (size_t k = 0; k < classes; ++k) {
    int64_t total = 0;
    for (const int64_t cell : m.confusion[k]) total += cell;
    m.per_class.push_back(
        total == 0 ? std::numeric_limits<double>::quiet_NaN()
                   : static_cast<double>(m.confusion[k][k]) / static_cast<double>(total));
  }
  return m;
}

RegressionMetrics regression_metrics(const Tensor& y, const Tensor& t) {
  check_shape(
      y.shape() == t.shape() && y.numel() > 0, "regression_metrics",
      "needs predictions and targets of one shape (", y.shape(), ", ", t.shape(), ")");
  const std::vector<double> guess = y.to_vector(), truth = t.to_vector();
  const auto count = static_cast<double>(truth.size());
  double mean = 0;
  for (const double value : truth) mean += value / count;
  double error = 0, spread = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    error += (guess[i] - truth[i]) * (guess[i] - truth[i]) / count;
    spread += (truth[i] - mean) * (truth[i] - mean) / count;
  }
  return {
      .count = y.numel(),
      .mse = error,
      .r2 = spread > 0 ? 1 - error / spread : std::numeric_limits<double>::quiet_NaN()};
}

}  // namespace limpid
