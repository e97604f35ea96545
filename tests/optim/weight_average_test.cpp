// tests/optim/weight_average_test.cpp: the running mean of the weights, and swapping it in.
#include "framework/optim/weight_average.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>

namespace limpid {
namespace {

using Values = std::vector<double>;

}  // namespace

TEST_CASE("weight average: five updates by a naive loop, in f64 and f32") {
  const std::vector<Values> weights = {{2, -1}, {4, 0.5}, {-3, 7}, {0.1, 0.2}, {9, -9}};
  const Values decays = {0.5, 0.9, 0, 0.99, 1};
  for (const DType dtype : {DType::f64, DType::f32}) {
    Tensor w = Tensor::of({2}, {1, -3}, dtype);
    WeightAverage average({{"w", w}});
    Values expected = {1, -3};  // starts as a copy
    CHECK(average.averages()[0].second.to_vector() == expected);
    for (size_t step = 0; step < weights.size(); ++step) {
      w.assign(Tensor::of({2}, weights[step], DType::f64));
      average.update(decays[step]);
      for (size_t i = 0; i < 2; ++i) {
        expected[i] = decays[step] * expected[i] + (1 - decays[step]) * weights[step][i];
      }
      const double tolerance = dtype == DType::f64 ? 1e-14 : 1e-6;  // f32: a few units of 2^-24
      CHECK(close(average.averages()[0].second, Tensor::of({2}, expected, DType::f64), tolerance));
    }
    CHECK(w.to_vector() == Values{9, -9});
  }
}

TEST_CASE("weight average: a constant stays put in f32, however long") {
  const Tensor w = Tensor::of({1}, {0.7}, DType::f32);
  WeightAverage average({{"w", w}});
  for (int step = 0; step < 1000; ++step) average.update(0.9999);
  CHECK(bitwise_equal(average.averages()[0].second, w));
}

TEST_CASE("weight average: stands in for the weights within a scope") {
  Tensor w = Tensor::of({2}, {1, 2}, DType::f64), b = Tensor::of({1}, {3});
  WeightAverage average({{"w", w}, {"b", b}});
  w.assign(Tensor::of({2}, {3, 6}, DType::f64));
  b.assign(Tensor::of({1}, {5}));
  average.update(0.5);
  {
    const AveragedWeights scope(average);
    CHECK(w.to_vector() == Values{2, 4});
    CHECK(b.item() == 4);
    CHECK_THROWS_WITH_AS(
        average.update(0.5), "WeightAverage: the averages stand in for the weights", Error);
    const AveragedWeights nested(average);
    CHECK(w.to_vector() == Values{2, 4});
    w.assign(Tensor::zeros({2}));
  }
  CHECK(w.to_vector() == Values{3, 6});
  CHECK(b.item() == 5);
  CHECK(average.averages()[0].second.to_vector() == Values{2, 4});
  average.update(0.5);
  CHECK(average.averages()[0].second.to_vector() == Values{2.5, 5});

  // The weights come back when the scope is left by an exception
  const auto fails = [&] {
    const AveragedWeights scope(average);
    throw std::runtime_error("within");
  };
  CHECK_THROWS_AS(fails(), std::runtime_error);
  CHECK(w.to_vector() == Values{3, 6});
}

TEST_CASE("weight average: state has names and goes on with the same bits, at any thread count") {
  Rng rng(4);
  Tensor w = Tensor::normal({40001}, rng, 0, 1);
  const Tensor next = Tensor::normal({40001}, rng, 0, 1);
  WeightAverage whole({{"fc.weight", w}});
  Tensor again = w.clone();
  w.assign(next);
  whole.update(0.9);
  CHECK(whole.averages()[0].first == "fc.weight");

  WeightAverage resumed({{"fc.weight", again}});
  resumed.averages()[0].second.assign(whole.averages()[0].second);
  again.assign(next);
  whole.update(0.99);
  const parallel::ThreadLimit limit(3);
  resumed.update(0.99);
  CHECK(bitwise_equal(whole.averages()[0].second, resumed.averages()[0].second));
}

TEST_CASE("weight average: what it refuses") {
  WeightAverage average({{"w", Tensor::ones({2})}});
  for (const double bad : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS(average.update(bad), ValueError);
  }
  CHECK_THROWS_WITH_AS(
      average.update(2), "WeightAverage: needs 0 <= decay <= 1, got 2", ValueError);
  CHECK_THROWS_WITH_AS(
      WeightAverage({{"count", Tensor::of_integers({1}, {1})}}), "WeightAverage: 'count' is i64",
      DTypeError);
}

}  // namespace limpid
