// tests/interpret/coreset_grow_test.cpp: growth with an interpreter and a clock that are known.
#include "framework/ops/linear_maps.h"
#include "interpret/coreset/grow.h"
#include "interpret/coreset/probe.h"
#include "interpret/coreset/select.h"
#include "tests/interpret/digits_net.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Says how many samples it saw; two of n and m samples differ by 5 / n + 5 / m. A new sample costs
// 1/100 s, a fit nothing.
class Counting : public Interpreter {
 public:
  double seconds = 0;
  std::set<int64_t> seen;
  std::vector<size_t> fits;  // how many samples each had
  std::vector<std::vector<double>> weights;

  std::string headline() const override { return "likeness"; }
  void see(SampleList samples) override {
    for (const int64_t i : samples) {
      if (seen.insert(i).second) seconds += 0.01;
    }
  }
  Tensor rows(SampleList samples) const override {
    return Tensor::zeros({std::ssize(samples), 1}, DType::f64);
  }
  Interpretation fit_weighted(SampleList samples, SampleWeights given) override {
    fits.push_back(samples.size());
    weights.emplace_back(given.begin(), given.end());
    for (const int64_t i : samples) CHECK(seen.contains(i));
    return {.weights = Tensor::scalar(static_cast<double>(samples.size()), DType::f64)};
  }
  Interpretation again(SampleList samples, uint64_t) override { return fit(samples); }
  Interpretation chance(SampleList samples, uint64_t) override { return fit(samples); }
  Similarity compare(const Interpretation& a, const Interpretation& b) override {
    const double gap = 5 / a.weights.item() + 5 / b.weights.item();
    return {{"likeness", std::vector<double>(4, 1 - gap)}};
  }
};

struct Setting {
  Counting interpreter;
  std::vector<int64_t> order, labels;

  Setting() : order(2000) {
    std::iota(order.begin(), order.end(), int64_t{0});
    for (int64_t i = 0; i < 2000; ++i) labels.push_back(i % 4);
  }
  Growth grow(GrowOptions options) {
    options.clock = [this] { return interpreter.seconds; };
    return interpret::grow(interpreter, order, labels, 4, options);
  }
};

}  // namespace

TEST_CASE("grow: samples keep their weights, in halves too") {
  Setting setting;
  setting.grow({.fractions = {0.01}, .halves = 2, .weights = [](double fraction) {
                  CHECK(fraction == 0.01);
                  std::vector<double> weights(20);
                  std::iota(weights.begin(), weights.end(), 1.0);
                  return weights;
                }});
  const auto& weights = setting.interpreter.weights;
  REQUIRE(weights.size() == 5);  // the stage, and two pairs of halves
  CHECK(weights[0].size() == 20);
  CHECK(weights[0][19] == 20);
  for (const size_t half : {1, 3}) {
    std::vector<double> both = weights[half];
    both.insert(both.end(), weights[half + 1].begin(), weights[half + 1].end());
    std::ranges::sort(both);
    CHECK(both == weights[0]);
  }
}

TEST_CASE("grow: a power law is found where there is one") {
  const std::vector<double> n = {100, 200, 400}, y = {0.3, 0.15, 0.075};
  const PowerLaw law = fit_power_law(n, y);
  CHECK(law.b == doctest::Approx(1).epsilon(1e-12));
  CHECK(law.at(100) == doctest::Approx(0.3).epsilon(1e-12));
  CHECK(law.where(0.03) == doctest::Approx(1000).epsilon(1e-12));
  const PowerLaw level = fit_power_law(std::vector<double>{10, 20}, std::vector<double>{0.2, 0.2});
  CHECK(level.b == doctest::Approx(0));
  CHECK(std::isinf(PowerLaw{0.2, 0}.where(0.1)));
  CHECK(std::isinf(PowerLaw{0.01, -1}.where(0.1)));  // it rises
  CHECK(count_at(std::vector<int64_t>{10, 3, 0, 1}, 0.3) == 3 + 1 + 0 + 1);
  const Estimate none = estimate_of(std::vector<double>{std::nan("")});
  CHECK(std::isnan(none.mean));
}

TEST_CASE("grow: ends when two stages in a row agree, having read each sample once") {
  Setting setting;
  const Growth growth = setting.grow({.target = 0.95, .has_audit = true});
  // n = 100, 200, 400, 600: gaps 5/100 + 5/200 = 0.075, then 0.0375, 0.0208
  CHECK(growth.reason == StopReason::converged);
  CHECK(growth.fraction == 0.3);
  REQUIRE(growth.stages.size() == 4);
  CHECK(growth.smallest == std::optional(0.2));
  CHECK_FALSE(growth.stages[0].successive);
  CHECK(growth.stages[1].successive->mean == doctest::Approx(0.925));
  CHECK(growth.stages[2].successive->interval.low == doctest::Approx(0.9625));
  // Halves of 100: 1 - 5/50 - 5/50
  CHECK(growth.stages[0].half == doctest::Approx(0.8));
  CHECK(growth.stages[0].reliability == doctest::Approx(1.6 / 1.8));
  CHECK(growth.stages[1].per_class == std::vector<int64_t>(4, 50));
  CHECK(growth.stages[1].seconds_activations == doctest::Approx(1));
  CHECK(growth.seconds == doctest::Approx(6));
  CHECK(growth.similarity_full == doctest::Approx(1 - 5.0 / 600 - 5.0 / 2000));
  CHECK(growth.seconds_full == doctest::Approx(14));
  const std::string text = cost_and_benefit(growth, {});
  CHECK(contains(text, "at 30 % (600 samples, 6.00 s) you keep 0.989 of the reference"));
  CHECK(contains(text, "the next step to 40 % is forecast to add 0.0"));
}

TEST_CASE("grow: forecasts what is to come") {
  Setting setting;
  const Growth growth = setting.grow({.fractions = {0.05, 0.1, 0.2, 0.4, 0.8}, .target = 0.99});
  // Gaps 0.075, 0.0375, 0.01875 at 200, 400, 800: exactly 15 / n, so 0.01 at 1500
  REQUIRE(growth.stages.size() == 5);
  const GrowStage& stage = growth.stages[3];
  CHECK(*stage.forecast_count == doctest::Approx(1500));
  CHECK(*stage.forecast_seconds == doctest::Approx(7));
  CHECK(*stage.forecast_gain == doctest::Approx(15.0 / 800 - 15.0 / 1600));
  CHECK(growth.reason == StopReason::complete);
  CHECK(growth.smallest == std::optional(0.8));  // the first that reaches 0.01, and the last
}

TEST_CASE("grow: ends before the time is up, and where a stage is not worth its time") {
  Setting short_of_time;
  const Growth stopped = short_of_time.grow({.target = 0.9999, .max_seconds = 5});
  CHECK(stopped.reason == StopReason::budget);
  CHECK(stopped.fraction == 0.2);  // 4 s; the next would end at 6 s
  CHECK(stopped.seconds <= 5);
  Setting before;
  const Growth late = before.grow({.target = 0.9999, .max_seconds = 5, .seconds_before = 2.5});
  CHECK(late.reason == StopReason::budget);
  CHECK(late.fraction == 0.1);
  Setting greedy;
  const Growth enough = greedy.grow({.target = 0.9999, .min_gain = 0.02});
  CHECK(enough.reason == StopReason::not_worth_it);
  CHECK(std::string(name_of(enough.reason)) == "not worth it");
  // From 400 to 600 samples less than 0.04 in 2 s
  CHECK(enough.fraction == 0.2);
  Setting all;
  CHECK(all.grow({.target = 1}).fraction == 1);
}

TEST_CASE("grow: a fraction without a new sample is no stage") {
  Setting setting;
  const Growth growth = setting.grow({.fractions = {0.05, 0.0501, 0.1}, .target = 0.9});
  REQUIRE(growth.stages.size() == 2);
  CHECK(growth.stages[1].fraction == 0.1);
  CHECK(growth.reason == StopReason::complete);
}

TEST_CASE("grow: what makes no sense") {
  Setting s;
  const auto error = [&](const GrowOptions& o) { return failure<ValueError>([&] { s.grow(o); }); };
  CHECK(contains(error({.fractions = {0, 0.5}}), "increase in (0, 1]"));
  CHECK(contains(error({.fractions = {0.5, 0.2}}), "got 0.2 after 0.5"));
  CHECK(contains(error({.fractions = {0.5, 1.5}}), "1.5"));
  CHECK(contains(error({.fractions = {}}), "a fraction"));
  CHECK(contains(error({.target = 1.5}), "targets"));
  CHECK(contains(error({.halves = 0}), "halves"));
  s.order[0] = 1;
  CHECK(contains(error({}), "each of the 2000 samples once"));
}

TEST_CASE("grow: a network's probe, along a nested order") {
  const auto values = digits().labels.values<int64_t>();
  const std::vector<int64_t> labels(values.begin(), values.end());
  const auto images = [](SampleList samples) {
    std::vector<Tensor> parts;
    for (const int64_t i : samples) parts.push_back(slice(digits().images, 0, i, i + 1));
    return concat(parts, 0);
  };
  const Samples samples{.labels = digits().labels};
  const Selection order = select_coreset("random", samples, {.fraction = 1, .seed = 3});
  Probe probe(*digits().model, {images, labels, 10}, {.ridge = 0.1});
  const Growth growth =
      grow(probe, order.indices, labels, 10, {.target = 0.9, .has_audit = true}, order.indices);
  for (const GrowStage& stage : growth.stages) {
    const Selection own =
        select_coreset("random", samples, {.fraction = stage.fraction, .seed = 3});
    CHECK(stage.count == std::ssize(own.indices));
    CHECK(std::equal(own.indices.begin(), own.indices.end(), order.indices.begin()));
    CHECK(*stage.against_random == doctest::Approx(1));  // with itself
  }
  CHECK(*growth.similarity_full > 0.85);
}
