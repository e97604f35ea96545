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
  CHECK(close(f.raw("occlusion", {.window = 1, .stride = 1}), expected));
  CHECK(
      close(f.raw("occlusion", {.window = 1, .stride = 1, .divides_by_coverage = true}), expected));
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
