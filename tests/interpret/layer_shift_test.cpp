// tests/interpret/layer_shift_test.cpp: shifts that were planted in normal data.
#include "interpret/transport/layer_shift.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

struct Sample {
  LayerFeatures features;
  std::vector<int64_t> labels;
};

// Two classes at -2 and 2 on the first axis; `second` is the share of the second class
Sample drawn(int64_t n, uint64_t seed, double second = 0.5, double moved = 0) {
  Rng rng(seed);
  Sample s;
  std::vector<double> values;
  for (int64_t i = 0; i < n; ++i) {
    s.labels.push_back(rng.uniform() < second ? 1 : 0);
    values.push_back((s.labels.back() == 1 ? 2 : -2) + rng.normal());
    values.push_back(moved + rng.normal());
  }
  s.features = {
      .name = "input",
      .type = "",
      .shape = {2},
      .pooling = 1,
      .values = Tensor::of({n, 2}, values)};
  return s;
}

ShiftKind kind_of(const Sample& known, const Sample& fresh) {
  return class_shift(known.features, known.labels, fresh.features, fresh.labels, {.divisions = 199})
      .kind;
}

}  // namespace

TEST_CASE("layer_shifts: the same law lies in the null band, another one far outside") {
  const Sample known = drawn(400, 1);
  const LayerShiftOptions options{.samples = 100, .repeats = 10};
  const LayerShift same = layer_shifts({known.features}, {drawn(200, 2).features}, options).at(0);
  CHECK_FALSE(same.is_outside);
  CHECK(std::isnan(same.amplification));
  double last = 0;
  for (const double moved : {2.0, 4.0, 8.0}) {
    const LayerShift s =
        layer_shifts({known.features}, {drawn(200, 3, 0.5, moved).features}, options).at(0);
    CHECK(s.is_outside);
    CHECK(s.shift > last);
    CHECK(s.amplification == 1);
    last = s.shift;
  }
  // tr Cov = 4 + 1 + 1: a shift by 8 on one axis is 8 / sqrt(6); the means of 100 points move by
  // 0.1
  CHECK(last == doctest::Approx(8 / std::sqrt(6.0)).epsilon(0.05));
}

TEST_CASE("layer_shifts: a layer that stretches the shifted axis amplifies") {
  const Sample known = drawn(300, 4), fresh = drawn(150, 5, 0.5, 2);
  const auto stretched = [](LayerFeatures f) {
    f.name = "layer";
    f.values = f.values.clone();
    for (int64_t i = 0; i < f.values.size(0); ++i) f.values.mutable_data<float>()[2 * i + 1] *= 3;
    return f;
  };
  const std::vector<LayerShift> s = layer_shifts(
      {known.features, stretched(known.features)}, {fresh.features, stretched(fresh.features)},
      {.samples = 100, .repeats = 5});
  // Shift 2 of 6 against 6 of 4 + 1 + 9, variances of the sum
  CHECK(s[1].amplification > 1.3);
}

TEST_CASE("class_shift: proportions and classes are told apart") {
  const Sample known = drawn(300, 6);
  CHECK(kind_of(known, drawn(200, 7)) == ShiftKind::none);
  CHECK(kind_of(known, drawn(200, 8, 0.8)) == ShiftKind::label);
  CHECK(kind_of(known, drawn(200, 9, 0.5, 1.5)) == ShiftKind::covariate);
  CHECK(kind_of(known, drawn(200, 10, 0.8, 1.5)) == ShiftKind::both);
  CHECK(std::string(name_of(ShiftKind::both)) == "label and covariate shift");
}

TEST_CASE("class_shift: the tests keep their level") {
  // 40 times no shift at level 0.1: 8 or fewer alarms of either kind with probability above 0.99
  int alarms = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Sample a = drawn(140, 100 + 2 * seed), b = drawn(140, 101 + 2 * seed);
    const ClassShift s =
        class_shift(a.features, a.labels, b.features, b.labels, {.divisions = 49, .level = 0.1});
    alarms += (s.p_classes <= 0.1 ? 1 : 0) + (s.p_conditional <= 0.1 ? 1 : 0);
  }
  CHECK(alarms <= 10);
}

TEST_CASE("layer shift: the same bits at any thread count, and bad input") {
  const Sample known = drawn(100, 11), fresh = drawn(80, 12, 0.5, 1);
  const int before = parallel::threads();
  const auto all = [&] {
    const LayerShift s = layer_shifts({known.features}, {fresh.features}).at(0);
    const ClassShift c = class_shift(known.features, known.labels, fresh.features, fresh.labels);
    return std::vector<double>{s.shift, s.null_mean, s.null_deviation, c.p_conditional, c.w2[0]};
  };
  parallel::set_threads(1);
  const std::vector<double> one = all();
  parallel::set_threads(3);
  CHECK(all() == one);
  parallel::set_threads(before);

  LayerFeatures other = fresh.features;
  other.name = "another";
  CHECK_THROWS_AS(layer_shifts({known.features}, {other}), ValueError);
  CHECK_THROWS_AS(layer_shifts({known.features}, {}), ValueError);
  CHECK_THROWS_AS(layer_shifts({drawn(3, 1).features}, {fresh.features}), ValueError);
  CHECK_THROWS_WITH_AS(
      class_shift(known.features, known.labels, drawn(20, 13).features, drawn(20, 13).labels),
      "class_shift: no class has 30 examples in both sets", ValueError);
}
