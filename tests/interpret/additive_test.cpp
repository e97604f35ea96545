// tests/interpret/additive_test.cpp: a score that is a weighted sum of pixels, where methods agree.
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/methods.h"
#include "interpret/saliency/perturbation.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// y_c = sum_i w_ci x_i over the pixels of [1, 4, 5], two classes.
struct Additive {
  Rng rng{31};
  Sequential net;
  Tensor weight;  // of class 1, [1, 1, 4, 5]
  Tensor x = Tensor::normal({1, 1, 4, 5}, rng, 0, 1, DType::f64);
  const std::vector<int64_t> classes = {1};

  Additive() {
    net.add<Flatten>("flatten");
    net.add<Linear>("linear", 20, 2, rng);
    convert(net, DType::f64);
    NamedTensors all = parameters(net);
    all[1].second.assign(Tensor::zeros({2}, DType::f64));  // no bias
    weight = reshape(slice(all[0].second.detach(), 0, 1, 2), {1, 1, 4, 5});
  }
  Tensor raw(const char* method, const SaliencySettings& settings = {}) {
    return saliency_maps(method, {.model = net, .settings = settings}, x, classes).raw;
  }
};

}  // namespace

TEST_CASE("additive score: every gradient is the weights") {
  Additive f;
  CHECK(bitwise_equal(f.raw("gradient"), f.weight));
  CHECK(bitwise_equal(f.raw("guided"), f.weight));  // there is no rectifier
  CHECK(bitwise_equal(f.raw("deconv"), f.weight));
  for (const int64_t copies : {1, 2, 7, 25}) {
    CAPTURE(copies);
    CHECK(bitwise_equal(f.raw("smoothgrad", {.noisy_copies = copies}), f.weight));
    CHECK(bitwise_equal(
        f.raw("vargrad", {.noisy_copies = copies}), Tensor::zeros({1, 1, 4, 5}, DType::f64)));
    CHECK(close(f.raw("smoothgrad-squared", {.noisy_copies = copies}), f.weight * f.weight));
  }
}

TEST_CASE("additive score: every attribution is w_i x_i") {
  Additive f;
  const Tensor expected = f.weight * f.x;
  CHECK(close(f.raw("gradient-x-input"), expected));
  CHECK(close(f.raw("integrated-gradients"), expected));
  CHECK(close(f.raw("integrated-gradients", {.steps = 1}), expected));
  CHECK(close(f.raw("lrp-epsilon"), expected, 1e-8));  // epsilon is 1e-9
  CHECK(close(f.raw("deeplift"), expected));
  CHECK(close(f.raw("occlusion", {.window = 1, .stride = 1}), expected));
  CHECK(
      close(f.raw("occlusion", {.window = 1, .stride = 1, .divides_by_coverage = true}), expected));
}

// Sensitivity-n (Ancona et al., ICLR 2018) of an additive score: what n pixels are worth together
// is what the score loses without them, so that the two correlate perfectly for every n.
TEST_CASE("additive score: sums of attributions are the drops of the score") {
  Additive f;
  const Tensor map = f.raw("integrated-gradients");
  const Explained subject{.model = f.net};
  const Tensor all = Tensor::ones({1, 1, 4, 5}, DType::f64);
  const double whole = scores_under(subject, f.x, all, 1, Target::logit).item();
  for (const int64_t n : {1, 4, 9, 16}) {
    CAPTURE(n);
    double xy = 0, xx = 0, yy = 0, x_sum = 0, y_sum = 0;
    constexpr int kSubsets = 50;
    for (int subset = 0; subset < kSubsets; ++subset) {
      std::vector<double> mask(20, 1);
      double worth = 0;
      const std::vector<int64_t> order = f.rng.permutation(20);
      for (int64_t k = 0; k < n; ++k) {
        mask[static_cast<size_t>(order[static_cast<size_t>(k)])] = 0;
        worth += map.data<double>()[order[static_cast<size_t>(k)]];
      }
      const Tensor kept = Tensor::of({1, 1, 4, 5}, mask, DType::f64);
      const double drop = whole - scores_under(subject, f.x, kept, 1, Target::logit).item();
      xy += worth * drop;
      xx += worth * worth;
      yy += drop * drop;
      x_sum += worth;
      y_sum += drop;
    }
    const double covariance = xy - x_sum * y_sum / kSubsets;
    const double spread =
        std::sqrt((xx - x_sum * x_sum / kSubsets) * (yy - y_sum * y_sum / kSubsets));
    CHECK(covariance / spread == doctest::Approx(1).epsilon(1e-12));
  }
}

// With independent masks m_i in {0, 1}, P(m_i = 1) = p, and T = sum_j w_j x_j:
//   E[m_i sum_j w_j x_j m_j] / p = w_i x_i + p (T - w_i x_i)
// Checked per pixel within four standard errors of the sampled mean.
TEST_CASE("additive score: RISE with independent masks has the expected mean") {
  Additive f;
  constexpr int64_t kMasks = 20000;
  constexpr double p = 0.3;
  Rng rng(32);
  const Tensor u = Tensor::uniform({kMasks, 1, 4, 5}, rng, 0, 1, DType::f64);
  const Tensor all = less(u, Tensor::scalar(p, DType::f64));
  const Masks masks{kMasks, [&](int64_t begin, int64_t end) { return slice(all, 0, begin, end); }};
  const Explained subject{.model = f.net};
  const std::vector<double> map =
      rise_map(subject, f.x, f.classes, masks, p, Target::logit).to_vector();

  const std::vector<double> part = (f.weight * f.x).to_vector();
  double total = 0;
  for (const double value : part) total += value;
  for (size_t i = 0; i < 20; ++i) {
    CAPTURE(i);
    // The sample of pixel i: m_i sum_j w_j x_j m_j / p
    double squares = 0;
    double mean_value = 0;
    for (int64_t n = 0; n < kMasks; ++n) {
      const double* m = all.data<double>() + n * 20;
      double score = 0;
      for (size_t j = 0; j < 20; ++j) score += part[j] * m[j];
      const double value = m[i] * score / p;
      mean_value += value / kMasks;
      squares += value * value / kMasks;
    }
    CHECK(map[i] == doctest::Approx(mean_value).epsilon(1e-9));
    const double error = std::sqrt((squares - mean_value * mean_value) / kMasks);
    const double expected = p * total + (1 - p) * part[i];
    CHECK(std::abs(map[i] - expected) < 4 * error);
  }
}
