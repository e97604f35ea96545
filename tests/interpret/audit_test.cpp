// tests/interpret/audit_test.cpp: planted cues, wrong labels, copies and votes.
#include "interpret/support_vectors/audit.h"

#include "datasets/datasets.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/optim/adam.h"
#include "framework/tensor/integers.h"
#include "interpret/support_vectors/deep_kkt.h"
#include "tests/interpret/digits_net.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

using Labels = std::vector<int64_t>;

Labels values_of(const Tensor& labels) {
  const auto all = labels.values<int64_t>();
  return {all.begin(), all.end()};
}

Labels predictions(Module& model, const Tensor& images) {
  const Recording off(false);
  Pass pass;
  return values_of(arg_max(model(images, pass), 1));
}

}  // namespace

TEST_CASE("audit: flips, corners, pastes and mixtures, by hand") {
  // Of class 2 and taken for it do not count; one of the other three becomes it
  const Labels labels = {2, 0, 1, 1, 0}, before = {0, 2, 1, 0, 0}, after = {2, 2, 2, 0, 1};
  const Flips flips = flips_to(2, labels, before, after);
  CHECK(flips.count == 3);
  CHECK(flips.flipped == 1);
  CHECK(flips.share() == 1.0 / 3);
  CHECK(std::isnan(Flips().share()));

  CHECK(farthest_corner({0, 0}, 2, 8, 8) == Place{6, 6});
  CHECK(farthest_corner({6, 0}, 2, 8, 8) == Place{0, 6});
  CHECK(farthest_corner({3, 3}, 2, 8, 8) == Place{0, 0});  // all alike: the first
  CHECK(farthest_corner({1, 2}, 1, 4, 9) == Place{3, 8});

  const Tensor images = Tensor::zeros({2, 2, 3, 4});
  const Tensor result = pasted(images, Tensor::of({2, 1, 2}, {1, 2, 3, 4}), {1, 2});
  for (int64_t n = 0; n < 2; ++n) {
    const float* x = result.data<float>() + n * 24;
    for (int64_t k = 0; k < 24; ++k) {
      const float expected = k == 6 ? 1 : k == 7 ? 2 : k == 18 ? 3 : k == 19 ? 4 : 0;
      CHECK(x[k] == expected);
    }
  }
  CHECK(sum(images).item() == 0);  // as it was
  CHECK(contains(
      failure<ValueError>([&] {
        pasted(images, Tensor::zeros({2, 1, 2}), {1, 3});
      }),
      "reaches out"));

  const Tensor x = Tensor::of({3, 2}, {3, 4, 0, 5, 1, 0}, DType::f64);
  const Tensor v = Tensor::of({3, 2}, {0, 2, -7, 0, 0, 0}, DType::f64);
  CHECK(mixed(x, v, 0.1).to_vector() == std::vector<double>{3, 4.5, -0.5, 5, 1, 0});
}

TEST_CASE("audit: patch scores are standardised differences") {
  Rng rng(3);
  const int64_t n = 7, C = 2, H = 5, W = 4, P = 2;
  const Tensor images = Tensor::normal({n, C, H, W}, rng, 0, 1, DType::f64);
  const Labels labels = {0, 1, 1, 0, 2, 1, 2};
  const double e = 0.25;
  const Tensor z = patch_scores(images, labels, 1, {.patch = P, .grey_level = e});
  REQUIRE(z.shape() == Shape{C, H - P + 1, W - P + 1});
  for (int64_t c = 0; c < C; ++c) {
    for (int64_t r = 0; r <= H - P; ++r) {
      for (int64_t q = 0; q <= W - P; ++q) {
        double mean[2] = {}, square = 0, m[7];
        for (int64_t i = 0; i < n; ++i) {
          m[i] = (at(images, i, c, r, q) + at(images, i, c, r, q + 1) + at(images, i, c, r + 1, q) +
                  at(images, i, c, r + 1, q + 1)) /
                 4;
          const bool is_mine = labels[static_cast<size_t>(i)] == 1;
          mean[is_mine] += m[i] / (is_mine ? 3 : 4);
        }
        for (int64_t i = 0; i < n; ++i) {
          const double d = m[i] - mean[labels[static_cast<size_t>(i)] == 1];
          square += d * d;
        }
        const double expected = (mean[1] - mean[0]) / std::sqrt(square / (n - 2) + e * e);
        const int64_t k = (c * (H - P + 1) + r) * (W - P + 1) + q;
        CHECK(z.data<double>()[k] == doctest::Approx(expected).epsilon(1e-12));
      }
    }
  }
  const Labels same(7, 1);
  CHECK(contains(failure<ValueError>([&] { patch_scores(images, same, 1); }), "7 of 7"));
  CHECK(contains(failure<ValueError>([&] { patch_scores(images, labels, 9); }), "0 of 7"));
  CHECK(contains(failure<ValueError>([&] { find_cues(images, labels, {.patch = 5}); }), "5 pix"));
  CHECK(contains(failure<ShapeError>([&] { find_cues(images, Labels{1}); }), "one label"));
}

TEST_CASE("audit: a corner patch that means one class is found, and decides") {
  constexpr int64_t kMarked = 3;
  datasets::Split digits = datasets::load("digits");
  // All images of the class have a mark, and so has every tenth other one, which then counts as the
  // class: shapes do not tell these
  Tensor images = digits.train.images.tensor().clone();
  const Tensor marked = pasted(images, Tensor::ones({1, 2, 2}), {0, 0});
  Labels labels = values_of(digits.train.labels);
  for (int64_t i = 0; i < std::ssize(labels); ++i) {
    int64_t& y = labels[static_cast<size_t>(i)];
    if (y != kMarked && i % 10 > 0) continue;
    y = kMarked;
    const float* image = marked.data<float>() + 64 * i;
    std::copy(image, image + 64, images.mutable_data<float>() + 64 * i);
  }
  digits.train.images = images;
  digits.train.labels = integer_tensor(labels);
  const datasets::ChannelStatistics s = datasets::channel_statistics(digits.train);
  const auto model = trained(digits.train, s, "convnet:8x2:none:max", 10);

  const SupportVectors v =
      extract_support_vectors(*model, datasets::standardise(images, s), digits.train.labels);
  const std::vector<int64_t> chosen =
      select_support(v, digits.train.labels, SupportScore::alpha, 10);
  const datasets::Dataset set = datasets::take(digits.train, chosen);
  const std::vector<Cue> cues = find_cues(set.images.tensor(), values_of(set.labels));
  REQUIRE(cues.size() == 10);
  const Cue& cue = cues[kMarked];
  CHECK(cue.label == kMarked);
  CHECK(cue.place == Place{0, 0});
  CHECK(cue.z > 3);

  const Tensor test = digits.test.images.tensor();
  const Labels test_labels = values_of(digits.test.labels);
  const Classify classify = [&](const Tensor& x) {
    return predictions(*model, datasets::standardise(x, s));
  };
  const CueTest result = test_cue(
      cue, mean_patch(images, labels, kMarked, cue.place, 2), test, test_labels, classify(test),
      classify);
  MESSAGE(
      "z ", cue.z, ", flips: cue ", result.cue.share(), ", elsewhere ", result.elsewhere.share(),
      ", real ", result.real.share());
  CHECK(result.corner == Place{6, 6});
  CHECK(result.cue.share() > 0.5);
  CHECK(result.elsewhere.share() < 0.5 * result.cue.share());
  CHECK(result.real.share() > 0.5);  // real images of the class carry the mark too
}

TEST_CASE("audit: a fifth of the labels is wrong, and most of it is found") {
  datasets::Dataset train = datasets::limit_balanced(datasets::load("digits").train, 600);
  Rng rng(5);
  Labels labels = values_of(train.labels);
  std::set<int64_t> wrong;
  for (const int64_t i : rng.permutation(train.size())) {
    if (std::ssize(wrong) == train.size() / 5) break;
    int64_t& y = labels[static_cast<size_t>(i)];
    y = (y + 1 + i % 9) % 10;
    wrong.insert(i);
  }
  train.labels = Tensor::of_integers({train.size()}, labels);
  const datasets::ChannelStatistics s = datasets::channel_statistics(train);
  const auto model = trained(train, s, "mlp:32", 10);
  const Tensor images = datasets::standardise(train.images.tensor(), s);
  const SupportVectors v = extract_support_vectors(*model, images, train.labels);
  Pass pass;
  const Tensor loss = cross_entropies((*model)(images, pass).detach(), train.labels);
  const auto count = std::ssize(wrong);
  const Suspects found = find_suspects(v, to(loss, DType::f64), count);
  const auto precision = [&](const Labels& order) {
    REQUIRE(std::ssize(order) == count);
    const auto hits =
        std::count_if(order.begin(), order.end(), [&](int64_t i) { return wrong.contains(i); });
    return static_cast<double>(hits) / static_cast<double>(count);
  };
  MESSAGE(
      "precision among as many as there are: cosine ", precision(found.cosine), ", loss ",
      precision(found.loss), ", alpha ", precision(found.alpha), ", random 0.2");
  CHECK(precision(found.cosine) > 0.4);  // twice that of random
  CHECK(v.cosine.data<double>()[found.cosine[0]] <= v.cosine.data<double>()[found.cosine[1]]);
  CHECK(find_suspects(v, to(loss, DType::f64), 10'000).loss.size() == 600);
}

TEST_CASE("audit: vectors carry their class, and more of it flips more") {
  // Two classes by the sign of the first pixel: what is added decides once it is long enough
  const Classify classify = [](const Tensor& x) {
    Labels classes;
    for (int64_t i = 0; i < x.size(0); ++i) classes.push_back(x.data<double>()[2 * i] > 0);
    return classes;
  };
  const Tensor x = Tensor::of({3, 2}, {-0.05, 1, -0.5, 1, 0.3, 1}, DType::f64);
  const Labels labels = {0, 0, 1};
  const Tensor vectors = Tensor::of({2, 2}, {9, 0, 4, 0}, DType::f64);
  const Tensor real = Tensor::of({3, 2}, {0, 1, 0, 1, 5, 0}, DType::f64);  // the third: unused
  const std::vector<double> shares = {0.02, 0.1, 0.5};
  const auto mixing =
      mixing_test(vectors, Labels{1, 1}, real, Labels{1, 1, 1}, x, labels, shares, classify);
  const int64_t expected[] = {0, 1, 2};  // 0.1 * 1.001 > 0.05; 0.5 * 1.118 > 0.5
  for (size_t k = 0; k < 3; ++k) {
    CHECK(mixing[k].share == shares[k]);
    CHECK(mixing[k].vectors.count == 2);
    CHECK(mixing[k].vectors.flipped == expected[k]);
    CHECK(mixing[k].real.flipped == 0);
  }
}

TEST_CASE("audit: the nearest row, of equal ones the first") {
  const Tensor rows = Tensor::of({4, 2}, {0, 0, 3, 4, 3, 4, 1, 1});
  const auto found = nearest_in(rows, Tensor::of({3, 2}, {3, 4, 0, 0.5, 6, 8}));
  CHECK(found[0].index == 1);
  CHECK(found[0].distance == 0);
  CHECK(found[1].index == 0);
  CHECK(found[1].distance == 0.5);
  CHECK(found[2].index == 1);
  CHECK(found[2].distance == 5);
  CHECK(contains(failure<ShapeError>([&] { nearest_in(rows, Tensor::zeros({1, 3})); }), "[1, 3]"));
}

TEST_CASE("audit: a logit without biases is the sum of its votes and of what they leave") {
  Rng rng(7);
  Sequential net;  // three layers of weights
  net.add<Conv2d>("conv1", 1, 4, Conv2dOptions{.padding = 1, .bias = false}, rng);
  net.add<ReLU>("relu1");
  net.add<Conv2d>("conv2", 4, 5, Conv2dOptions{.padding = 1, .bias = false}, rng);
  net.add<ReLU>("relu2");
  net.add<Conv2d>("head", 5, 3, Conv2dOptions{.bias = false}, rng);
  net.add<GlobalAvgPool2d>("pool");
  convert(net, DType::f64);
  const int64_t n = 9;
  const Tensor x = Tensor::normal({n, 1, 6, 6}, rng, 0, 1, DType::f64);
  const Labels y = {0, 1, 2, 0, 1, 2, 0, 1, 2};
  const Tensor labels = Tensor::of_integers({n}, y);
  std::vector<double> lambda(n);
  rng.uniform(lambda, 0, 2);
  lambda[4] = 0;
  std::vector<std::string> names;
  for (const auto& named : parameters(net)) names.push_back(named.first);
  const Tensor queries = Tensor::normal({4, 1, 6, 6}, rng, 0, 1, DType::f64);
  const Labels targets = {0, 1, 2, 1};
  const auto before = bits(net);
  const auto all =
      attribute(net, x, labels, Tensor::of({n}, lambda, DType::f64), names, queries, targets);
  CHECK(bits(net) == before);
  Pass pass;
  const Tensor logits = net(queries, pass).detach();
  REQUIRE(all.size() == 4);
  for (size_t j = 0; j < 4; ++j) {
    const Attribution& a = all[j];
    const double logit = logits.data<double>()[3 * j + static_cast<size_t>(targets[j])];
    CHECK(a.logit == doctest::Approx(logit).epsilon(1e-12));  // alone and in a batch
    double sum_of_parts = a.unexplained;
    double size = std::abs(a.unexplained);
    for (const double part : a.parts.to_vector()) {
      sum_of_parts += part;
      size += std::abs(part);
    }
    CHECK(a.parts.data<double>()[4] == 0);
    // f64 sums of some hundred products: far below 1e-9 of what is added up
    CHECK(std::abs(sum_of_parts - 3 * a.logit) <= 1e-9 * std::max(1.0, size));
    CHECK(std::abs(a.total - 3 * a.logit) <= 1e-9 * std::max(1.0, size));
  }
  // Wrong classes are refused; without multipliers nothing is explained
  CHECK(contains(
      failure<ValueError>([&] {
        attribute(
            net, x, labels, Tensor::zeros({n}, DType::f64), names, queries, Labels{0, 1, 2, 3});
      }),
      "class 3"));
  const auto none =
      attribute(net, x, labels, Tensor::zeros({n}, DType::f64), names, queries, targets);
  CHECK(none[0].unexplained == doctest::Approx(none[0].total).epsilon(1e-12));
}
