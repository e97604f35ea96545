// tests/interpret/perturbation_test.cpp: masks and score-weighted maps against plain loops.
#include "interpret/saliency/perturbation.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/cam_scores.h"
#include "interpret/saliency/methods.h"
#include "interpret/saliency/pixels.h"
#include "tests/interpret/small_nets.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

const std::vector<int64_t> kClasses = {1, 2};

struct Fixture {
  Rng rng{41};
  SmallNet small{2, 4, 3, true, rng};
  Tensor x = Tensor::normal({2, 2, 6, 5}, rng, 0, 1, DType::f64);
  Explained subject{
      .model = small.net,
      .layer = small.maps,
      .mean = Tensor::of({2}, {0.5, 0.25}, DType::f64),
      .deviation = Tensor::of({2}, {0.25, 0.5}, DType::f64)};

  Tensor raw(const std::string& method) { return saliency_maps(method, subject, x, kClasses).raw; }
  // Logits of image n, whose pixels are written by `pixel(c, i, j, x)`, standardised again:
  // [classes]
  template <class F>
  std::vector<double> logits(int64_t n, const F& pixel) {
    std::vector<double> values;
    for (int64_t c = 0; c < 2; ++c) {
      for (int64_t i = 0; i < 6; ++i) {
        for (int64_t j = 0; j < 5; ++j) values.push_back(pixel(c, i, j, at(x, n, c, i, j)));
      }
    }
    Pass pass;
    return small.net(Tensor::of({1, 2, 6, 5}, values, DType::f64), pass).to_vector();
  }
  static double mean(int64_t c) { return c == 0 ? 0.5 : 0.25; }
  static double deviation(int64_t c) { return c == 0 ? 0.25 : 0.5; }
  // The standardised value of a pixel seen through m
  static double seen(int64_t c, double value, double m) {
    return (m * (value * deviation(c) + mean(c)) - mean(c)) / deviation(c);
  }
};

double probability(const std::vector<double>& logits, int64_t c) {
  double total = 0;
  for (const double z : logits) total += std::exp(z - logits[static_cast<size_t>(c)]);
  return 1 / total;
}

// A_k of image n at (i, j) of the image, bilinear with half-pixel centres
double enlarged(const Tensor& A, int64_t n, int64_t k, int64_t i, int64_t j, int64_t H, int64_t W) {
  const auto source = [](int64_t p, int64_t size, int64_t target) {
    const double s =
        (static_cast<double>(p) + 0.5) * static_cast<double>(size) / static_cast<double>(target) -
        0.5;
    return std::clamp(s, 0.0, static_cast<double>(size - 1));
  };
  const double r = source(i, A.size(2), H);
  const double c = source(j, A.size(3), W);
  const auto r0 = static_cast<int64_t>(r);
  const auto c0 = static_cast<int64_t>(c);
  const int64_t r1 = std::min(r0 + 1, A.size(2) - 1);
  const int64_t c1 = std::min(c0 + 1, A.size(3) - 1);
  const double a = r - static_cast<double>(r0);
  const double b = c - static_cast<double>(c0);
  return (1 - a) * ((1 - b) * at(A, n, k, r0, c0) + b * at(A, n, k, r0, c1)) +
         a * ((1 - b) * at(A, n, k, r1, c0) + b * at(A, n, k, r1, c1));
}

}  // namespace

TEST_CASE("occlusion: every window in turn") {
  Fixture f;
  f.subject.settings.window = 3;
  f.subject.settings.stride = 2;
  for (const bool divides : {false, true}) {
    f.subject.settings.divides_by_coverage = divides;
    const Tensor ours = f.raw("occlusion");
    for (int64_t n = 0; n < 2; ++n) {
      const auto c = static_cast<size_t>(kClasses[static_cast<size_t>(n)]);
      std::vector<double> drop(30, 0), count(30, 0);
      const double whole = f.logits(n, [](int64_t, int64_t, int64_t, double v) { return v; })[c];
      for (const int64_t top : {0, 2, 3}) {  // 3: the last row where it fits
        for (const int64_t left : {0, 2}) {
          const auto inside = [&](int64_t i, int64_t j) {
            return i >= top && i < top + 3 && j >= left && j < left + 3;
          };
          const double score = f.logits(n, [&](int64_t ch, int64_t i, int64_t j, double v) {
            return inside(i, j) ? Fixture::seen(ch, v, 0) : v;
          })[c];
          for (int64_t p = 0; p < 30; ++p) {
            if (!inside(p / 5, p % 5)) continue;
            drop[static_cast<size_t>(p)] += whole - score;
            count[static_cast<size_t>(p)] += 1;
          }
        }
      }
      for (int64_t p = 0; p < 30; ++p) {
        const auto q = static_cast<size_t>(p);
        const double expected = divides ? drop[q] / count[q] : drop[q];
        CHECK(at(ours, n, 0, p / 5, p % 5) == doctest::Approx(expected).epsilon(1e-10));
      }
    }
  }
  f.subject.settings.window = 6;
  CHECK_THROWS_AS(f.raw("occlusion"), ValueError);
}

TEST_CASE("RISE: the map is the mean of the masks weighted by their scores") {
  Fixture f;
  f.subject.settings.masks = 150;  // more than one piece
  f.subject.settings.keep = 0.4;
  const Tensor ours = f.raw("rise");
  const Masks masks = random_grids(f.x.shape(), DType::f64, 150, 4, 0.4, 0);
  const Tensor all = masks.piece(0, 150);
  for (int64_t n = 0; n < 2; ++n) {
    std::vector<double> expected(30, 0);
    for (int64_t m = 0; m < 150; ++m) {
      const std::vector<double> z = f.logits(n, [&](int64_t c, int64_t i, int64_t j, double v) {
        return Fixture::seen(c, v, at(all, m, 0, i, j));
      });
      const double p = probability(z, kClasses[static_cast<size_t>(n)]);
      for (int64_t q = 0; q < 30; ++q) {
        expected[static_cast<size_t>(q)] += p * at(all, m, 0, q / 5, q % 5) / (150 * 0.4);
      }
    }
    for (int64_t q = 0; q < 30; ++q) {
      CHECK(
          at(ours, n, 0, q / 5, q % 5) ==
          doctest::Approx(expected[static_cast<size_t>(q)]).epsilon(1e-10));
    }
  }
}

// A mask is a window of an enlarged grid of zeros and ones; its mean over many masks is p.
TEST_CASE("RISE: masks depend on seed and number alone, lie in [0, 1] and have mean p") {
  const Shape images = {1, 3, 32, 30};
  const Masks masks = random_grids(images, DType::f32, 2000, 4, 0.3, 7);
  const Tensor all = masks.piece(0, 2000);
  CHECK(all.shape() == Shape({2000, 1, 32, 30}));
  CHECK(bitwise_equal(masks.piece(700, 703), slice(all, 0, 700, 703)));
  CHECK_FALSE(
      close(random_grids(images, DType::f32, 2000, 4, 0.3, 8).piece(0, 9), masks.piece(0, 9)));
  for (const double value : all.to_vector()) {
    if (value < 0 || value > 1) FAIL("mask value ", value);
  }
  // 20 cells of a mask are seen or not: standard error of the mean below sqrt(p (1 - p) / 2000)
  for (const double value : mean(all, {0}).to_vector()) {
    CHECK(std::abs(value - 0.3) < 4 * std::sqrt(0.3 * 0.7 / 2000));
  }
  CHECK_THROWS_AS(random_grids(images, DType::f32, 10, 4, 1, 0), ValueError);
}

// Between two grid points a bilinear mask varies less than at them, up to four times. Random shifts
// over 8 of the 10 pixels from one point to the next nearly even that out.
TEST_CASE("RISE: random shifts make the masks about as variable at every pixel") {
  const Tensor all = random_grids({1, 1, 32, 32}, DType::f64, 4000, 4, 0.5, 3).piece(0, 4000);
  const Tensor inner = slice(slice(all, 2, 10, 22), 3, 10, 22);
  const Tensor row = reshape(variance(inner, {0}), {144});
  CHECK(max(row, 0).item() < 1.6 * -max(-row, 0).item());
}

TEST_CASE("Score-CAM: the four variants as loops over the maps") {
  Fixture f;
  const LayerSlopes s = layer_slopes(f.small.net, *f.small.maps, f.x, kClasses);
  const int64_t K = 4;
  const char* names[] = {
      "score-cam", "score-cam-official", "score-cam-increase", "score-cam-softmax"};
  for (const std::string name : names) {
    INFO(name);
    const Tensor ours = f.raw(name);
    const bool in_pixels = name == "score-cam" || name == "score-cam-increase";
    for (int64_t n = 0; n < 2; ++n) {
      const int64_t c = kClasses[static_cast<size_t>(n)];
      std::vector<double> weight, logit;
      std::vector<bool> counts;
      for (int64_t k = 0; k < K; ++k) {
        double low = INFINITY, high = -INFINITY;
        const auto U = [&](int64_t i, int64_t j) { return enlarged(s.maps, n, k, i, j, 6, 5); };
        for (int64_t q = 0; q < 30; ++q) {
          low = std::min(low, U(q / 5, q % 5));
          high = std::max(high, U(q / 5, q % 5));
        }
        counts.push_back(high > low);
        const auto m = [&](int64_t i, int64_t j) {
          return high > low ? (U(i, j) - low) / (high - low) : 0;
        };
        const std::vector<double> z = f.logits(n, [&](int64_t ch, int64_t i, int64_t j, double v) {
          return in_pixels ? Fixture::seen(ch, v, m(i, j)) : v * m(i, j);
        });
        weight.push_back(probability(z, c));
        logit.push_back(z[static_cast<size_t>(c)]);
      }
      if (name == "score-cam-increase") {
        const std::vector<double> z = f.logits(
            n, [&](int64_t ch, int64_t, int64_t, double v) { return Fixture::seen(ch, v, 0); });
        for (double& w : weight) w -= probability(z, c);
      }
      if (name == "score-cam-softmax") {
        double total = 0;
        for (size_t k = 0; k < 4; ++k) total += counts[k] ? std::exp(logit[k]) : 0;
        for (size_t k = 0; k < 4; ++k) weight[k] = std::exp(logit[k]) / total;
      }
      for (int64_t q = 0; q < 30; ++q) {
        double expected = 0;
        for (int64_t k = 0; k < K; ++k) {
          if (counts[static_cast<size_t>(k)]) {
            expected += weight[static_cast<size_t>(k)] * at(s.maps, n, k, q / 5, q % 5);
          }
        }
        CHECK(
            at(ours, n, 0, q / 5, q % 5) == doctest::Approx(std::max(expected, 0.0)).epsilon(1e-9));
      }
    }
  }
}

// With a head of pooling and a linear layer without bias: w_k = W_ck mean(A_k) / y_c.
TEST_CASE("Ablation-CAM: the closed form of a pooled linear head") {
  Fixture f;
  f.small.head_bias().assign(Tensor::zeros({3}, DType::f64));
  const LayerSlopes s = layer_slopes(f.small.net, *f.small.maps, f.x, kClasses);
  const Tensor weights = ablation_weights(f.subject, f.x, kClasses);
  REQUIRE(weights.shape() == Shape({2, 4, 1, 1}));
  for (int64_t n = 0; n < 2; ++n) {
    const int64_t c = kClasses[static_cast<size_t>(n)];
    for (int64_t k = 0; k < 4; ++k) {
      const double part = f.small.head().data<double>()[c * 4 + k] *
                          mean(slice(slice(s.maps, 0, n, n + 1), 1, k, k + 1)).item();
      const double score = s.logits.data<double>()[n * 3 + c];
      CHECK(at(weights, n, k, 0, 0) == doctest::Approx(part / score).epsilon(1e-10));
    }
  }
  CHECK(close(f.raw("ablation-cam"), weighted_maps(s.maps, weights)));
}

// A layer before others, and one inside a residual block whose input passes it by.
TEST_CASE("Ablation-CAM: the rest of the network runs again for each map") {
  Fixture f;
  const Module& shallow = find_layer(f.small.net, "relu1");
  f.subject.layer = &shallow;
  const Tensor weights = ablation_weights(f.subject, f.x, kClasses);
  const LayerSlopes s = layer_slopes(f.small.net, shallow, f.x, kClasses);
  const auto rest = [&](Tensor h) {
    Pass pass;
    for (const char* name : {"conv2", "relu2", "pool", "linear"}) {
      h = find_layer(f.small.net, name)(h, pass);
    }
    return h.to_vector();
  };
  for (int64_t n = 0; n < 2; ++n) {
    const auto c = static_cast<size_t>(kClasses[static_cast<size_t>(n)]);
    const Tensor own = slice(s.maps, 0, n, n + 1);
    const double score = rest(own)[c];
    for (int64_t k = 0; k < 4; ++k) {
      const Tensor kept = 1 - one_hot(Tensor::of_integers({1}, {k}), 4, DType::f64);
      const double less_k = rest(own * reshape(kept, {1, 4, 1, 1}))[c];
      CHECK(at(weights, n, k, 0, 0) == doctest::Approx((score - less_k) / score).epsilon(1e-10));
    }
  }
}

TEST_CASE("Ablation-CAM: layers that something passes by") {
  Rng rng(42);
  struct Case {
    const char* model;
    const char* layer;
    Shape input;
  };
  for (const Case& c :
       {Case{"resnet8", "layer2.0.conv1", {3, 8, 8}}, Case{"tiny_vit", "blocks.0", {3, 8, 8}},
        Case{"squeezenet1_0", "features.3.expand1x1", {3, 32, 32}}}) {
    INFO(c.model);
    const auto net = make_model(c.model, {.input = c.input, .classes = 3}, rng);
    convert(*net, DType::f64);
    const Explained subject{*net, &find_layer(*net, c.layer)};
    const Tensor x = Tensor::normal({1, c.input[0], c.input[1], c.input[2]}, rng, 0, 1, DType::f64);
    const std::vector<int64_t> own = {1};
    const Tensor weights = ablation_weights(subject, x, own);

    // The same with one image per ablated map, so that nothing is repeated
    const auto ablated = [&](int64_t k) {
      Pass pass;
      pass.substitute = [&](const Module& layer, const Tensor&, const Tensor& output) {
        if (&layer != subject.layer) return output;
        const bool is_tokens = output.rank() == 3;
        const int64_t K = output.size(is_tokens ? 2 : 1);
        const Tensor kept = 1 - one_hot(Tensor::of_integers({1}, {k}), K, DType::f64);
        return output * (is_tokens ? reshape(kept, {1, 1, K}) : reshape(kept, {1, K, 1, 1}));
      };
      return select((*net)(x, pass), own).item();
    };
    Pass pass;
    const double score = select((*net)(x, pass), own).item();
    for (int64_t k = 0; k < weights.size(1); k += 7) {
      CHECK(at(weights, 0, k, 0, 0) == doctest::Approx((score - ablated(k)) / score).epsilon(1e-8));
    }
  }
}

// A layer that runs but whose output nobody uses.
class Unused : public Module {
 public:
  explicit Unused(Rng& rng) : branch(2, 3, {.padding = 1}, rng), linear_(2, 2, rng) {}
  const char* type() const override { return "Unused"; }
  void visit(Visitor& v) override {
    v.child("branch", branch);
    v.child("linear", linear_);
  }
  Conv2d branch;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    branch(x, pass);
    return linear_(flatten(global_avg_pool2d(x)), pass);
  }
  Linear linear_;
};

TEST_CASE("Ablation-CAM: a layer that the score does not use has weights 0") {
  Rng rng(43);
  Unused net(rng);
  const Tensor x = Tensor::normal({1, 2, 4, 4}, rng, 0, 1);
  const Tensor weights =
      ablation_weights({.model = net, .layer = &net.branch}, x, std::vector<int64_t>{1});
  CHECK(weights.to_vector() == std::vector<double>{0, 0, 0});
}

TEST_CASE("Opti-CAM: the mask is a mix of the maps and raises the score") {
  Fixture f;
  fit(f.small, f.x, kClasses);
  f.subject.settings.opti_steps = 1;
  const Tensor maps = layer_slopes(f.small.net, *f.small.maps, f.x, kClasses).maps;
  const Tensor first = opti_mask(f.subject, maps, f.x, kClasses, 1);
  const Tensor last = opti_mask(f.subject, maps, f.x, kClasses, 50);
  const auto score = [&](const Tensor& mask) {
    Pass pass;
    return select(f.small.net(masked(f.subject, f.x, mask), pass), kClasses).detach();
  };
  for (int64_t n = 0; n < 2; ++n) {
    CHECK(score(last).data<double>()[n] > score(first).data<double>()[n]);
  }
  for (const double value : last.to_vector()) {
    CHECK(value >= 0);
    CHECK(value <= 1);
  }
  // An image alone gets the mask that it gets among others
  const Tensor alone =
      opti_mask(f.subject, slice(maps, 0, 1, 2), slice(f.x, 0, 1, 2), std::vector<int64_t>{2}, 50);
  CHECK(close(alone, slice(last, 0, 1, 2), 1e-9));
}

// Adam written out, for one image after the other, with the rule that ends a search early.
TEST_CASE("Opti-CAM: the search as its authors describe it") {
  Rng rng(44);
  SmallNet small(2, 4, 3, true, rng);
  constexpr int64_t kImages = 12;
  constexpr int kSteps = 50;
  const Tensor x = Tensor::normal({kImages, 2, 6, 5}, rng, 0, 1, DType::f64);
  std::vector<int64_t> classes(kImages);
  for (int64_t n = 0; n < kImages; ++n) classes[static_cast<size_t>(n)] = n % 3;
  const Explained subject{.model = small.net, .layer = small.maps};
  const Tensor maps = layer_slopes(small.net, *small.maps, x, classes).maps;
  const Tensor ours = opti_mask(subject, maps, x, classes, kSteps);
  int early = 0;
  for (int64_t n = 0; n < kImages; ++n) {
    const Tensor own = slice(maps, 0, n, n + 1);
    const Tensor image = slice(x, 0, n, n + 1);
    const std::vector<int64_t> c = {classes[static_cast<size_t>(n)]};
    const auto mask_of = [&](const Tensor& w) {
      const Tensor e = exp(w);
      const Tensor mixed = sum(reshape(e / sum(e, {1}), {1, 4, 1, 1}) * own, {1});
      const Tensor flat = reshape(resize_bilinear(mixed, 6, 5), {1, 30});
      const Tensor low = -max(-flat, 1);
      return reshape((flat - low) / (max(flat, 1) - low), {1, 1, 6, 5});
    };
    Tensor w = Tensor::full({1, 4}, 0.5, DType::f64);
    Tensor m = Tensor::zeros({1, 4}, DType::f64), v = m, answer;
    double before = -INFINITY;
    for (int step = 0; step < kSteps && !answer.defined(); ++step) {
      Tensor leaf = w.clone().require_gradient();
      Pass pass;
      const Tensor score = sum(select(small.net(mask_of(leaf) * image, pass), c));
      const Tensor g = -grad(score, leaf);
      if (step % (kSteps / 10) == 0) {
        if (score.item() < before) answer = mask_of(w);
        before = score.item();
      }
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * (g * g);
      const double t = step + 1;
      w = w - 0.1 * (m / (1 - std::pow(0.9, t))) / (sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    }
    early += answer.defined() ? 1 : 0;
    if (!answer.defined()) answer = mask_of(w);
    CHECK(close(slice(ours, 0, n, n + 1), answer, 1e-6));
  }
  CHECK(early > 0);
  CHECK(early < kImages);
}
