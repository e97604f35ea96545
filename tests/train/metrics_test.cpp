// tests/train/metrics_test.cpp: figures computed by hand.
#include "framework/train/metrics.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <cmath>

namespace limpid {
namespace {

// Rows of logits whose softmax is exactly the given probabilities, up to rounding in f64.
Tensor logits_of(const Shape& shape, std::vector<double> probabilities) {
  for (double& p : probabilities) p = std::log(p);
  return Tensor::of(shape, probabilities, DType::f64);
}

}  // namespace

TEST_CASE("metrics: accuracy, confusion and accuracy per class") {
  // Guesses 0, 1, 1, 0 for the truth 0, 0, 1, 0; class 2 does not occur
  const Tensor logits = Tensor::of({4, 3}, {2, 1, 0, 0, 1, 0, -1, 5, 0, 3, 2, 1});
  const Tensor labels = Tensor::of_integers({4}, {0, 0, 1, 0});
  const Metrics m = classification_metrics(logits, labels);
  CHECK(m.count == 4);
  CHECK(m.accuracy == 0.75);
  CHECK(m.confusion == std::vector<std::vector<int64_t>>{{2, 1, 0}, {0, 1, 0}, {0, 0, 0}});
  REQUIRE(m.per_class.size() == 3);
  CHECK(m.per_class[0] == doctest::Approx(2.0 / 3).epsilon(1e-15));
  CHECK(m.per_class[1] == 1);
  CHECK(std::isnan(m.per_class[2]));
  CHECK(count_correct(logits, labels) == 3);
}

TEST_CASE("metrics: loss is the mean negative log probability of the label, in nats") {
  const Metrics m = classification_metrics(
      logits_of({2, 2}, {0.8, 0.2, 0.5, 0.5}), Tensor::of_integers({2}, {1, 0}));
  CHECK(m.loss == doctest::Approx(-(std::log(0.2) + std::log(0.5)) / 2).epsilon(1e-12));
}

TEST_CASE("metrics: expected calibration error over 15 bins") {
  // Largest probabilities 0.95, 0.96 (bin 14: [14/15, 1]), 0.68 (bin 10: [0.667, 0.733)),
  // 0.62 (bin 9: [0.6, 0.667)); right, wrong, right, wrong.
  //   bin 14: accuracy 1/2, confidence 0.955, two examples: 2 0.455
  //   bin 10: accuracy 1, confidence 0.68: 0.32    bin 9: accuracy 0, confidence 0.62: 0.62
  const Tensor logits = logits_of({4, 2}, {0.95, 0.05, 0.96, 0.04, 0.32, 0.68, 0.62, 0.38});
  const Metrics m = classification_metrics(logits, Tensor::of_integers({4}, {0, 1, 1, 1}));
  CHECK(m.ece == doctest::Approx((0.91 + 0.32 + 0.62) / 4).epsilon(1e-12));

  // Full certainty, always right: no error; always wrong: 1. The probability 1 is in the last bin
  const Tensor sure = Tensor::of({2, 2}, {1000, 0, 1000, 0}, DType::f64);
  CHECK(classification_metrics(sure, Tensor::of_integers({2}, {0, 0})).ece == 0);
  CHECK(classification_metrics(sure, Tensor::of_integers({2}, {1, 1})).ece == 1);
}

TEST_CASE("metrics: ties go to the first, NaN logits do not crash") {
  CHECK(count_correct(Tensor::zeros({2, 3}), Tensor::of_integers({2}, {0, 1})) == 1);
  const Tensor broken = Tensor::of({1, 2}, {std::nan(""), 1});
  const Metrics m = classification_metrics(broken, Tensor::of_integers({1}, {1}));
  CHECK(m.accuracy == 0);
  CHECK(std::isnan(m.loss));
}

TEST_CASE("metrics: shapes, labels and empty batches are checked") {
  const Tensor logits = Tensor::zeros({2, 3});
  CHECK_THROWS_AS(classification_metrics(logits, Tensor::of_integers({3}, {0, 1, 2})), ShapeError);
  CHECK_THROWS_AS(classification_metrics(logits, Tensor::of_integers({2}, {0, 3})), ValueError);
  CHECK_THROWS_AS(classification_metrics(logits, Tensor::of_integers({2}, {0, -1})), ValueError);
  CHECK_THROWS_AS(classification_metrics(logits, Tensor::of({2}, {0, 1})), DTypeError);
  CHECK_THROWS_AS(
      classification_metrics(Tensor::zeros({0, 3}), Tensor::zeros({0}, DType::i64)), ShapeError);
  CHECK_THROWS_WITH_AS(
      count_correct(logits, Tensor::of_integers({3}, {0, 1, 2})),
      "count_correct: needs logits [N, K] and labels [N] ([2, 3], [3])", ShapeError);
}

TEST_CASE("metrics: regression by hand") {
  const Tensor y = Tensor::of({3, 1}, {1, 2, 6}), t = Tensor::of({3, 1}, {1, 3, 5});
  const RegressionMetrics m = regression_metrics(y, t);
  CHECK(m.count == 3);
  CHECK(m.mse == doctest::Approx(2.0 / 3));
  CHECK(m.r2 == doctest::Approx(1 - (2.0 / 3) / (8.0 / 3)));
  CHECK(std::isnan(regression_metrics(y, Tensor::ones({3, 1})).r2));
  CHECK_THROWS_AS(regression_metrics(y, Tensor::ones({3})), ShapeError);
  CHECK_THROWS_AS(regression_metrics(Tensor::zeros({0}), Tensor::zeros({0})), ShapeError);
}

}  // namespace limpid
