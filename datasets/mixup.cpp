// datasets/mixup.cpp: Beta variates, partners, mixtures.
#include "datasets/mixup.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>

namespace limpid::datasets {
namespace {

constexpr int64_t kBlockValues = 1 << 14;  // values per parallel block, about one L1 cache
constexpr uint64_t kMixup = 1 << 10;       // child of an example's generator, beyond its transforms
constexpr double kLeastBeta = 1e-6, kLargestBeta = 1e6;

// The logarithm of a variate of Gamma(a, 1).
double log_gamma_variate(double a, Rng& rng) {
  // Below 1: G_a = G_(a + 1) U^(1/a)
  if (a < 1) {
    const double u = 1 - rng.uniform();
    return log_gamma_variate(a + 1, rng) + std::log(u) / a;
  }
  const double d = a - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = rng.normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    const double u = 1 - rng.uniform();
    if (std::log(u) < x * x / 2 + d - d * v + d * std::log(v)) return std::log(d * v);
  }
}

// [B] -> [B, K]: 1 at the label.
Tensor as_distributions(const Tensor& labels, int64_t classes) {
  Tensor out = Tensor::zeros({labels.numel(), classes});
  float* rows = out.mutable_data<float>();
  for (const int64_t label : labels.values<int64_t>()) {
    rows[label] = 1;
    rows += classes;
  }
  return out;
}

}  // namespace

Mixup draw_mixup(
    std::span<const int64_t> indices, int64_t examples, int64_t epoch, uint64_t seed,
    double alpha) {
  Mixup out;
  for (const int64_t i : indices) {
    Rng rng = example_rng(seed, epoch, i).child(kMixup);
    out.partners.push_back(rng.integer(examples));
    out.weights.push_back(beta_variate(alpha, alpha, rng));
  }
  return out;
}

Tensor mix(const Tensor& a, const Tensor& b, std::span<const double> weights) {
  check_shape(
      a.shape() == b.shape() && a.rank() >= 1 && a.shape()[0] == std::ssize(weights), "mix",
      "needs two tensors of one shape and a weight per row, got ", weights.size(), " weights for ",
      a.shape(), " and ", b.shape());
  Tensor out = Tensor::empty(a.shape());
  const float* left = a.data<float>();
  const float* right = b.data<float>();
  float* result = out.mutable_data<float>();
  const AxisSplit d = split_at(a.shape(), 0);
  const int64_t block = std::max<int64_t>(1, kBlockValues / std::max<int64_t>(1, d.inner));
  parallel::for_blocks(d.size, block, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * d.inner; i < end * d.inner; ++i) {
      const double w = weights[static_cast<size_t>(i / d.inner)];
      result[i] = static_cast<float>(
          w * static_cast<double>(left[i]) + (1 - w) * static_cast<double>(right[i]));
    }
  });
  return out;
}

double beta_variate(double a, double b, Rng& rng) {
  check_value(
      a >= kLeastBeta && b >= kLeastBeta && a <= kLargestBeta && b <= kLargestBeta, "beta_variate",
      "parameters must lie in [", kLeastBeta, ", ", kLargestBeta, "], got ", a, " and ", b);
  const double log_a = log_gamma_variate(a, rng);
  const double log_b = log_gamma_variate(b, rng);
  return 1 / (1 + std::exp(log_b - log_a));
}

Augmented augmented(
    const Dataset& dataset, std::span<const int64_t> indices, int64_t epoch, uint64_t seed,
    const Augmentation& augmentation) {
  check_dataset("augmented", dataset);
  const auto images = [&](std::span<const int64_t> chosen) {
    return augment(dataset.images.rows(chosen), chosen, epoch, seed, augmentation);
  };
  if (augmentation.mixup == 0) return {.images = images(indices)};
  const auto targets = [&](std::span<const int64_t> chosen) {
    return as_distributions(gather(dataset.labels, chosen), dataset.classes);
  };
  const Mixup mixup = draw_mixup(indices, dataset.size(), epoch, seed, augmentation.mixup);
  return {
      .images = mix(images(indices), images(mixup.partners), mixup.weights),
      .targets = mix(targets(indices), targets(mixup.partners), mixup.weights)};
}

}  // namespace limpid::datasets
