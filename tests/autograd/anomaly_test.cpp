// tests/autograd/anomaly_test.cpp: the op that made the first NaN is named.
#include "framework/autograd/anomaly.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/ops.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;

TEST_CASE("anomaly: the first op whose result is not finite, with shape and element") {
  const Tensor x = Tensor::of({2, 2}, {1, 2, -1, 0}, DType::f64);
  CHECK(std::isnan(sum(log(x) * 2.0).item()));  // not watched: NaN travels on
  AnomalyCheck check;
  const Observing watch(check);
  CHECK_THROWS_WITH_AS(
      sum(log(x) * 2.0),
      "log: the first value that is not finite is NaN in its result [2, 2], element 2",
      NumericError);
  CHECK(sum(exp(x)).item() > 0);
}

TEST_CASE("anomaly: a gradient that is not finite, though the result is") {
  Tensor x = Tensor::of({2}, {4, 0}, DType::f64).require_gradient();
  AnomalyCheck check;
  const Observing watch(check);
  const Tensor y = sum(sqrt(x) * 3.0);
  // The formula g / (2 out) is made of ops, so its own division is the first to make an infinity
  CHECK_THROWS_WITH_AS(
      grad(y, x), "div: the first value that is not finite is inf in its result [2], element 1",
      NumericError);
  CHECK_THROWS_AS(backward(y), NumericError);
  CHECK_FALSE(x.gradient().defined());
}

TEST_CASE("anomaly: the watch ends with its scope") {
  const Tensor zero = Tensor::of({1}, {0}, DType::f64);
  {
    AnomalyCheck check;
    const Observing watch(check);
    CHECK_THROWS_AS(log(zero), NumericError);
  }
  CHECK(Observing::current() == nullptr);
  CHECK(std::isinf(log(zero).item()));
}
