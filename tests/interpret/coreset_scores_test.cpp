// tests/interpret/coreset_scores_test.cpp: scores, gradients of the last layer, pursuit, DeepFool.
#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "interpret/coreset/deepfool.h"
#include "interpret/coreset/gradient_matching.h"
#include "interpret/coreset/last_layer.h"
#include "interpret/coreset/scores.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

using Order = std::vector<int64_t>;

bool near(double a, double b) { return std::abs(a - b) < 1e-6; }

// One batch of given inputs.
BatchSource source_of(const Tensor& x, int64_t batch) {
  const int64_t n = x.size(0);
  return {.batches = (n + batch - 1) / batch, .examples = n, .get = [=](int64_t, int64_t index) {
            const int64_t begin = index * batch, end = std::min(n, begin + batch);
            return Batch{slice(x, 0, begin, end), Tensor()};
          }};
}

}  // namespace

TEST_CASE("scores: of one prediction, computed by hand") {
  const Tensor p = Tensor::of({2, 3}, {0.7, 0.2, 0.1, 0.7, 0.2, 0.1}, DType::f64);
  const Tensor y = Tensor::of_integers({2}, {0, 2});
  CHECK(near(el2n(p, y)[0], 0.374166));
  CHECK(near(el2n(p, y)[1], 1.157584));
  const Tensor h = Tensor::of({2, 2}, {1, 2, 1, 2});
  CHECK(near(grand(p, y, h)[0], 0.916515));
  CHECK(near(entropy(p)[0], 0.801819));
  CHECK(near(least_confidence(p)[0], 0.3));
  CHECK(near(margin_difficulty(p)[0], 1 - 0.5));
  const Tensor g = logit_slopes(p, y);
  CHECK(close(g, Tensor::of({2, 3}, {-0.3, 0.2, 0.1, 0.7, 0.2, -0.9}), 1e-7));
  const Tensor sure = Tensor::of({1, 2}, {1, 0}, DType::f64);
  CHECK(entropy(sure)[0] == 0);
}

TEST_CASE("scores: the divergence of two predictions") {
  const std::vector<double> a = {0.5, 0.5}, b = {0.9, 0.1}, c = {1, 0};
  CHECK(near(symmetric_divergence(a, b), 0.439445));
  CHECK(near(symmetric_divergence(b, a), 0.439445));
  CHECK(symmetric_divergence(a, a) == 0);
  CHECK(std::isfinite(symmetric_divergence(a, c)));
}

TEST_CASE("scores: contrast is high where neighbours disagree") {
  // Two pairs of neighbours; those of the second pair are predicted apart
  const Tensor h = Tensor::of({4, 1}, {0, 1, 100, 101});
  const Tensor p = Tensor::of({4, 2}, {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.1}, DType::f64);
  const std::vector<double> scores = contrast(p, h, 1);
  CHECK(scores[0] == 0);
  CHECK(near(scores[2], 0.439445));
  CHECK(near(scores[3], 0.439445));
  // All others as neighbours
  CHECK(near(contrast(p, h)[0], 0.439445 / 3));
}

TEST_CASE("scores: probabilities of large logits, and logits that are none") {
  const Tensor p = probabilities_of(Tensor::of({2, 2}, {1000, 1000, -1000, 0}));
  CHECK(p.to_vector() == std::vector<double>{0.5, 0.5, 0, 1});
  CHECK(contains(
      failure<ValueError>([] {
        probabilities_of(Tensor::of({1, 2}, {std::nan(""), 0}));
      }),
      "NaN"));
  const Tensor one = Tensor::ones({1, 1}, DType::f64);
  CHECK(contains(failure<ShapeError>([&] { margin_difficulty(one); }), "two classes"));
  CHECK(contains(failure<ValueError>([&] { el2n(one, Tensor::of_integers({1}, {1})); }), "label"));
}

TEST_CASE("forgetting: events, and samples that were never right") {
  const bool epochs[6][2] = {{false, false}, {true, false}, {false, false},
                             {true, false},  {true, false}, {false, false}};
  ForgettingCount count;
  for (const auto& epoch : epochs) count.record({epoch[0], epoch[1]});
  CHECK(count.events() == Order{2, 0});
  CHECK(count.never_learnt() == std::vector<bool>{false, true});
  CHECK(count.scores() == std::vector<double>{2, std::numeric_limits<double>::infinity()});
  CHECK(contains(failure<ShapeError>([&] { count.record({true}); }), "1 samples after 2"));
}

TEST_CASE("last layer: the features are its input, the products those of real gradients") {
  Rng rng(3);
  for (const char* name : {"mlp:6-5", "lenet5", "convnet:4x1", "resnet8", "tiny_vit"}) {
    INFO(name);
    const bool is_table = std::string(name).starts_with("mlp");
    const Shape one = is_table ? Shape{7} : Shape{1, 28, 28};
    const auto net = make_model(name, {one, 3}, rng);
    const Tensor x = Tensor::normal(is_table ? Shape{5, 7} : Shape{5, 1, 28, 28}, rng, 0, 1);
    const Tensor y = Tensor::of_integers({5}, {0, 1, 2, 0, 1});
    const HeadOutputs out = head_outputs(*net, source_of(x, 2));
    Pass pass;
    CHECK(close(out.logits, (*net)(x, pass).detach(), 1e-5));  // batches of two
    const auto all = parameters(*net);
    const Tensor weight = all[all.size() - 2].second, bias = all.back().second;
    CHECK(out.layer + ".weight" == all[all.size() - 2].first);
    const Tensor again = matmul(out.hidden, weight, {.transpose_b = true}) + bias;
    CHECK(close(out.logits, again.detach(), 1e-5));

    const Tensor g = logit_slopes(probabilities_of(out.logits), y);
    const HeadGradient sum_of_all = gradient_sum(g, out.hidden);
    const std::vector<double> products = products_with(sum_of_all, g, out.hidden);
    const auto gradients = [&](int64_t begin, int64_t end) {  // of the sum of losses
      Pass recorded;
      const Tensor loss =
          cross_entropy((*net)(slice(x, 0, begin, end), recorded), slice(y, 0, begin, end));
      const std::vector<Tensor> wanted = {weight, bias};
      std::vector<double> flat;
      for (const Tensor& part : grad(loss, wanted)) {
        for (const double v : part.to_vector()) flat.push_back(v * double(end - begin));
      }
      return flat;
    };
    const std::vector<double> total = gradients(0, 5);
    const auto K = product_similarities({out.hidden, g});
    for (int64_t i = 0; i < 5; ++i) {
      const std::vector<double> own = gradients(i, i + 1);
      double product = 0, square = 0;
      for (size_t k = 0; k < own.size(); ++k) {
        product += own[k] * total[k];
        square += own[k] * own[k];
      }
      CHECK(products[static_cast<size_t>(i)] == doctest::Approx(product).epsilon(1e-4));
      CHECK(K->diagonal(i) == doctest::Approx(square).epsilon(1e-4));
      CHECK(
          std::pow(grand(probabilities_of(out.logits), y, out.hidden)[static_cast<size_t>(i)], 2) ==
          doctest::Approx(square).epsilon(1e-4));
    }
  }
}

TEST_CASE("last layer: a network without weights, a source without examples") {
  Sequential net;
  net.add<Flatten>("flatten");
  CHECK(contains(
      failure<ValueError>([&] {
        head_outputs(net, source_of(Tensor::zeros({2, 2}), 2));
      }),
      "no layer with weights"));
  CHECK(contains(failure<ValueError>([&] { head_outputs(net, BatchSource{}); }), "no examples"));
}

TEST_CASE("pursuit: the weights of three unit vectors") {
  const auto K = given_similarities(Tensor::of({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}, DType::f64));
  const std::vector<double> c = {3, 1, 0};  // A' b
  const Pursuit found = matching_pursuit(*K, c, 2, 1);
  CHECK(found.support == Order{0, 1});
  CHECK(near(found.weights[0], 1.5));
  CHECK(near(found.weights[1], 0.5));
}

TEST_CASE("pursuit: weights are optimal under w >= 0, and more entries come nearer") {
  Rng rng(8);
  const Tensor g = Tensor::normal({40, 3}, rng, 0, 1), h = Tensor::normal({40, 5}, rng, 0, 1);
  const auto K = product_similarities({h, g});
  const std::vector<double> c = products_with(gradient_sum(g, h), g, h);
  double total = 0;  // |sum G|^2
  for (const double v : c) total += v;
  double before = total;
  for (const int64_t k : {1, 2, 4, 8, 16, 40}) {
    const Pursuit found = gradient_match(g, h, k);
    REQUIRE(std::ssize(found.support) == k);
    double objective = total;
    std::vector<double> slope(static_cast<size_t>(k));
    for (size_t a = 0; a < found.support.size(); ++a) {
      CHECK(found.weights[a] >= 0);
      std::vector<float> line(40);
      K->columns(std::span(&found.support[a], 1), line.data());
      double product = found.weights[a];  // with the ridge of 1
      for (size_t b = 0; b < found.support.size(); ++b) {
        product += found.weights[b] * double(line[static_cast<size_t>(found.support[b])]);
      }
      slope[a] = c[static_cast<size_t>(found.support[a])] - product;
      objective += found.weights[a] * (product - 2 * c[static_cast<size_t>(found.support[a])]);
    }
    // Karush-Kuhn-Tucker, in units of the data; products are f32
    for (size_t a = 0; a < slope.size(); ++a) {
      CHECK(slope[a] < 1e-3);
      if (found.weights[a] > 0) CHECK(std::abs(slope[a]) < 1e-3);
    }
    CHECK(objective <= before + 1e-3);
    before = objective;
  }
  CHECK(before < 0.1 * total);
  CHECK(contains(failure<ValueError>([&] { gradient_match(g, h, 41); }), "choose 41 of 40"));
  CHECK(contains(failure<ValueError>([&] { gradient_match(g, h, 0); }), "choose 0 of 40"));
}

TEST_CASE("glister: a first choice by the definition, and the loss falls") {
  Rng rng(10);
  const Tensor h = Tensor::normal({30, 4}, rng, 0, 1), x = Tensor::normal({30, 3}, rng, 0, 1);
  Tensor y = Tensor::empty({30}, DType::i64);
  for (int64_t i = 0; i < 30; ++i) y.mutable_data<int64_t>()[i] = i % 3;
  const Tensor g = logit_slopes(probabilities_of(x), y);
  const std::vector<double> gain = products_with(gradient_sum(g, h), g, h);
  const ValidationSamples itself{h, x, y};
  const Order order = glister(g, h, itself, 10, 0.05);
  CHECK(order[0] == std::ranges::max_element(gain) - gain.begin());
  const auto loss_after = [&](const Order& steps) {
    Tensor logits = x;
    for (const int64_t p : steps) {
      const Tensor reach = matmul(h, slice(h, 0, p, p + 1), {.transpose_b = true}) + 1;
      logits = logits - 0.05 * matmul(reach, slice(g, 0, p, p + 1));
    }
    return cross_entropy(logits, y).item();
  };
  CHECK(loss_after(order) < loss_after({}));
  // The update matters: without it the order would be that of the first gains
  Order by_gain(30);
  for (int64_t i = 0; i < 30; ++i) by_gain[static_cast<size_t>(i)] = i;
  std::ranges::stable_sort(
      by_gain, std::greater<>(), [&](int64_t i) { return gain[static_cast<size_t>(i)]; });
  by_gain.resize(10);
  CHECK(order != by_gain);
  CHECK(loss_after(order) <= loss_after(by_gain));
}

TEST_CASE("deepfool: the distance to the boundary of a linear network") {
  Rng rng(1);
  Linear net(2, 2, rng);
  for (auto& [name, tensor] : parameters(net)) {
    Tensor value = tensor;
    value.assign(name == "weight" ? Tensor::of({2, 2}, {3, 4, 0, 0}) : Tensor::zeros({2}));
  }
  const Tensor x = Tensor::of({2, 2}, {1, 1, 6, 8});
  const std::vector<double> r = deepfool_distances(net, x);
  CHECK(near(r[0], 1.4));
  CHECK(near(r[1], 10));
  // No way to another class
  for (auto& [name, tensor] : parameters(net)) {
    Tensor value = tensor;
    value.assign(Tensor::zeros(tensor.shape()));
  }
  CHECK(std::isinf(deepfool_distances(net, x)[0]));
}

TEST_CASE(
    "deepfool: a network of three layers changes its mind there, and no input moves another") {
  Rng rng(2);
  const auto net = make_model("mlp:16", {{4}, 3}, rng);
  const Tensor x = Tensor::normal({6, 4}, rng, 0, 1);
  const std::vector<double> together = deepfool_distances(*net, x);
  for (int64_t i = 0; i < 6; ++i) {
    const double alone = deepfool_distances(*net, slice(x, 0, i, i + 1))[0];
    CHECK(alone == doctest::Approx(together[static_cast<size_t>(i)]).epsilon(1e-4));
    CHECK(alone > 0);
    CHECK(std::isfinite(alone));
  }
}
