// tests/interpret/synthesis_test.cpp: what a synthesis must reach, keep and repeat.
#include "interpret/support_vectors/synthesis.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/interpret/digits_net.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

SynthesisOptions short_run() {
  return {
      .steps = 60,
      .view = {.shift = 0.125, .crop = 0.1, .noise = 0.01},
      .weights = {.stationarity = 1, .primal = 1, .variation = 0.1, .size = 0.01},
      .learning_rate = 0.1,
      .trace_every = 20};
}

Synthesis started(const SynthesisOptions& o, int64_t per_class = 2) {
  Digits& d = digits();
  return {
      *d.model, noise_images(d.image, per_class * d.classes, DType::f32, o.seed),
      labels_per_class(d.classes, per_class), o};
}

Synthesis finished(const SynthesisOptions& o, int64_t per_class = 2) {
  Synthesis s = started(o, per_class);
  while (!s.is_done()) s.advance();
  return s;
}

bool same(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& entry) {
           return b.contains(entry.first) && bitwise_equal(entry.second, b.at(entry.first));
         });
}

std::set<int64_t> classes_left(const Synthesis& s) {
  std::set<int64_t> left;
  for (const int64_t i : s.alive()) left.insert(s.labels().data<int64_t>()[i]);
  return left;
}

}  // namespace

TEST_CASE("synthesis: stationarity falls by a fifth, and the vectors are what they are for") {
  SynthesisOptions o = short_run();
  o.steps = 300;
  const auto before = bits(*digits().model);
  Synthesis s = started(o);
  const TracePoint start = s.measured();
  while (!s.is_done()) s.advance();
  const TracePoint end = s.trace().back();
  MESSAGE(
      "L_stat " << start.stationarity << " -> " << end.stationarity << ", right "
                << end.primal_accuracy << ", in views " << end.primal_accuracy_views);
  CHECK(end.stationarity < 0.8 * start.stationarity);
  CHECK(end.primal_accuracy >= 0.95);
  CHECK(end.primal_accuracy_views >= 0.8);
  CHECK(end.step == 300);
  CHECK(end.entropy > 0);
  CHECK(classes_left(s).size() == 10);
  CHECK(bits(*digits().model) == before);
  // What the trace says is what the images give
  const Tensor p = softmax(s.logits());
  const Tensor h = -sum(p * log(p), {1});
  double entropy = 0;
  for (const int64_t i : s.alive()) entropy += h.to_vector()[static_cast<size_t>(i)];
  CHECK(end.entropy == doctest::Approx(entropy / static_cast<double>(end.alive)).epsilon(1e-4));
}

TEST_CASE("synthesis: the same seed gives the same bits at 1 and at 2 threads") {
  std::vector<std::map<std::string, Tensor>> runs;
  for (const int threads : {1, 2}) {
    parallel::set_threads(threads);
    runs.push_back(finished(short_run()).tensors());
  }
  CHECK(same(runs[0], runs[1]));
  SynthesisOptions other = short_run();
  other.seed = 1;
  CHECK_FALSE(bitwise_equal(runs[0].at("pixels"), finished(other).tensors().at("pixels")));
}

TEST_CASE("synthesis: going on gives the bits of a run that never stopped") {
  SynthesisOptions o = short_run();
  o.start_scale = 2;  // the optimiser starts anew half-way
  const Synthesis straight = finished(o);
  for (const int64_t stop : {7, 30, 31}) {
    CAPTURE(stop);
    Synthesis first = started(o);
    while (first.steps_done() < stop) first.advance();
    Synthesis second(*digits().model, digits().image, first.tensors(), first.labels(), o);
    while (!second.is_done()) second.advance();
    CHECK(same(second.tensors(), straight.tensors()));
    CHECK(second.trace().size() == straight.trace().size());
    CHECK(second.trace()[0].class_margin == straight.trace()[0].class_margin);
  }
  auto cut = straight.tensors();
  cut.erase("adam.moment1.pixels");
  cut.erase("lambda");
  CHECK_THROWS_AS(
      Synthesis(*digits().model, digits().image, cut, straight.labels(), o), ValueError);
}

TEST_CASE("synthesis: a negative multiplier leaves, or stays at 0; every class keeps one") {
  SynthesisOptions o = short_run();
  o.lambda_move = 0.5;  // large steps, so that many become negative
  o.warmup = 0.2;
  Synthesis drops = started(o, 3);
  while (drops.steps_done() < 11) drops.advance();
  CHECK(drops.alive().size() == 30);  // not during the warm-up
  std::vector<int64_t> alive = drops.alive();
  while (!drops.is_done()) {
    const std::vector<int64_t> earlier = alive;
    const Tensor images = drops.images();
    drops.advance();
    alive = drops.alive();
    CHECK(std::includes(earlier.begin(), earlier.end(), alive.begin(), alive.end()));
    for (int64_t i = 0; i < 30; ++i) {  // those that left do not move
      if (std::binary_search(earlier.begin(), earlier.end(), i)) continue;
      CHECK(bitwise_equal(slice(drops.images(), 0, i, i + 1), slice(images, 0, i, i + 1)));
      CHECK(drops.lambda().data<float>()[i] == 0);
    }
  }
  CHECK(drops.alive().size() < 30);
  CHECK(classes_left(drops).size() == 10);
  o.infeasible = Infeasible::project;
  Synthesis projects = started(o, 3);
  bool was_zero = false;
  while (!projects.is_done()) {
    projects.advance();
    const std::vector<double> lambda = projects.lambda().to_vector();
    const double least = *std::min_element(lambda.begin(), lambda.end());
    CHECK(least >= 0);
    was_zero |= least == 0;
  }
  CHECK(was_zero);
  CHECK(projects.alive().size() == 30);
}

TEST_CASE("synthesis: lambda moves by at most its share in a step") {
  SynthesisOptions o = short_run();
  o.length_every = 0;
  Synthesis s = started(o);
  CHECK(s.lambda0() > 0);
  for (int step = 0; step < 20; ++step) {
    const Tensor before = s.lambda();
    s.advance();
    const std::vector<double> moves = abs(s.lambda() - before).to_vector();
    CHECK(*std::max_element(moves.begin(), moves.end()) <= 0.05 * s.lambda0() * (1 + 1e-4));
  }
}

TEST_CASE("synthesis: lambda gets its best length, which the cosine does not feel") {
  SynthesisOptions o = short_run();
  o.steps = 40;
  o.view.noise = 0;
  o.length_every = 0;
  const Synthesis plain = finished(o);
  o.length_every = 10;
  const Synthesis scaled = finished(o);
  // Both went the same way but for rounding, and end at the same direction of lambda
  CHECK(max_error(plain.images(), scaled.images()) < 0.05);
  const double c = plain.measured().stationarity;
  CHECK(scaled.measured().stationarity == doctest::Approx(c).epsilon(0.02));
  CHECK(scaled.measured().relative_residual < plain.measured().relative_residual);
  // At the best length |theta + G|^2 = |theta|^2 (1 - cos^2)
  const double angle = 1 - scaled.measured().stationarity;
  CHECK(
      scaled.measured().relative_residual ==
      doctest::Approx(std::sqrt(1 - angle * angle)).epsilon(1e-4));
}

TEST_CASE("synthesis: the other distances fall too") {
  for (const Distance distance : {Distance::l1, Distance::squared, Distance::huber}) {
    SynthesisOptions o = short_run();
    o.steps = 200;
    o.margin = 3;
    o.weights.primal = 3;
    o.stationarity.distance = distance;
    Synthesis s = started(o);
    const TracePoint start = s.measured();
    while (!s.is_done()) s.advance();
    const TracePoint end = s.trace().back();
    MESSAGE(
        "L_stat " << start.stationarity << " -> " << end.stationarity << ", right "
                  << end.primal_accuracy);
    CHECK(end.stationarity < start.stationarity);
    CHECK(end.primal_accuracy >= 0.8);
  }
}

TEST_CASE("synthesis: ratios become weights that give slopes of these ratios") {
  SynthesisOptions o = short_run();
  o.weights = {.stationarity = 1, .primal = 0.5, .variation = 0.1, .size = 0.01};
  o.masks_satisfied = false;  // the trace then has the slopes that were balanced
  const Synthesis s = started(o);
  const Terms w = s.weights(), lengths = s.measured().slopes;
  CHECK(w.stationarity == doctest::Approx(1));
  const double unit = lengths.stationarity;
  CHECK(w.primal * lengths.primal / unit == doctest::Approx(0.5).epsilon(1e-5));
  CHECK(w.variation * lengths.variation / unit == doctest::Approx(0.1).epsilon(1e-5));
  CHECK(w.size * lengths.size / unit == doctest::Approx(0.01).epsilon(1e-5));
  o.weights_are_ratios = false;
  const Terms literal = started(o).weights();
  CHECK(literal.primal == 0.5);
  CHECK(literal.size == 0.01);
}

TEST_CASE("synthesis: every variant runs and keeps its promise") {
  SynthesisOptions o = short_run();
  o.steps = 20;
  SUBCASE("the view alone, eq. 9") {
    o.clean_branch = false;
    o.eta = 1;
    CHECK(finished(o).trace().back().step == 20);
  }
  SUBCASE("no view") {
    o.eta = 0;
    CHECK(finished(o).trace().back().step == 20);
  }
  SUBCASE("exact multipliers are better than the start's") {
    o.exact_every = 5;
    Synthesis s = started(o);
    const double before = s.measured().relative_residual;
    s.advance();
    const Tensor lambda = s.lambda();
    CHECK(s.measured().relative_residual < before);
    s.advance();
    CHECK(bitwise_equal(s.lambda(), lambda));  // no gradient steps in between
  }
  SUBCASE("a coarse basis: images are enlarged pixels") {
    o.basis = 2;
    const Synthesis s = finished(o);
    CHECK(s.tensors().at("pixels").shape() == Shape{20, 1, 4, 4});
    CHECK(s.images().shape() == Shape{20, 1, 8, 8});
  }
  SUBCASE("limits hold") {
    o.low = Tensor::full({1, 1, 1, 1}, -0.5);
    o.high = Tensor::full({1, 1, 1, 1}, 0.75);
    const std::vector<double> v = finished(o).images().to_vector();
    CHECK(*std::min_element(v.begin(), v.end()) == -0.5);
    CHECK(*std::max_element(v.begin(), v.end()) == 0.75);
  }
  SUBCASE("primal condition alone: lambda stays as it is") {
    o.weights = {.primal = 1};
    const Synthesis s = finished(o);
    CHECK(sum(abs(s.lambda() - 1)).item() == 0);
    CHECK(s.alive().size() == 20);
  }
  SUBCASE("two passes go nearly the way of double backward") {
    o.steps = 1;
    o.view.noise = 0;
    Synthesis exact = started(o);
    exact.advance();
    o.stationarity.route = MixedRoute::two_passes;
    Synthesis passes = started(o);
    passes.advance();
    // Adam's first step is 0.1 times the sign of each slope; f32 differences turn small ones
    const Tensor apart = abs(exact.images() - passes.images());
    CHECK(max_error(exact.images(), passes.images()) < 0.3);
    const double turned = sum(apart).item() / (0.2 * 1280);
    MESSAGE("share of signs that differ: " << turned);
    CHECK(turned < 0.2);
  }
  SUBCASE("labels that are distributions") {
    const double mixes[] = {0, 0.5, 1};
    Digits& d = digits();
    Synthesis s(
        *d.model, noise_images(d.image, 3, DType::f32, 1), mixed_labels(3, 8, mixes, d.classes), o);
    while (!s.is_done()) s.advance();
    CHECK(s.trace().back().step == 20);
  }
}

TEST_CASE("synthesis: options and shapes that make no sense are refused") {
  Digits& d = digits();
  const auto start = [&](const SynthesisOptions& o, int64_t labels = 10) {
    return Synthesis(
        *d.model, noise_images(d.image, 10, DType::f32, 0), labels_per_class(labels, 1), o);
  };
  SynthesisOptions o = short_run();
  CHECK_THROWS_AS(start(o, 9), ShapeError);
  o.steps = 0;
  CHECK_THROWS_AS(start(o), ValueError);
  o = short_run();
  o.weights = {.variation = 1};
  CHECK_THROWS_AS(start(o), ValueError);
  o = short_run();
  o.basis = 3;
  CHECK_THROWS_AS(start(o), ValueError);
  o = short_run();
  o.clean_branch = false;
  o.eta = 0;
  CHECK_THROWS_AS(start(o), ValueError);
  const double mixes[] = {0.5};
  CHECK_THROWS_AS(mixed_labels(0, 10, mixes, 10), ValueError);
  const double outside[] = {1.5};
  CHECK_THROWS_AS(mixed_labels(0, 1, outside, 10), ValueError);
}
