// interpret/metrics/sensitivity.cpp: random subsets of pixels, many per forward pass.
#include "interpret/metrics/sensitivity.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

void check_arguments(const Tensor& images, const Tensor& maps, const SensitivityOptions& o) {
  check_shape(
      images.rank() == 4 && maps.rank() == 4 && maps.size(0) == images.size(0) &&
          maps.size(2) == images.size(2) && maps.size(3) == images.size(3),
      "sensitivity_n", "needs a map of its size per image (images ", images.shape(), ", maps ",
      maps.shape(), ")");
  check_value(o.subsets >= 2, "sensitivity_n", "needs two subsets, got ", o.subsets);
  const int64_t cells = images.size(2) * images.size(3);
  for (const int64_t n : o.sizes) {
    check_value(n >= 1 && n <= cells, "sensitivity_n", "size ", n, " is not in 1 to ", cells);
  }
}

// 1 for the pixels that stay: [subsets, 1, H, W]. `inside` receives the sum of the map over the
// rest of each.
Tensor random_subsets(
    const Tensor& map, int64_t size, int64_t subsets, Rng rng, std::vector<double>& inside) {
  const int64_t cells = map.numel();
  const std::vector<double> values = map.to_vector();
  Tensor stays = Tensor::ones({subsets, 1, map.size(2), map.size(3)});
  float* out = stays.mutable_data<float>();
  inside.assign(static_cast<size_t>(subsets), 0);
  for (size_t s = 0; s < inside.size(); ++s, out += cells) {
    const std::vector<int64_t> order = rng.permutation(cells);
    for (int64_t k = 0; k < size; ++k) {
      const auto pixel = static_cast<size_t>(order[static_cast<size_t>(k)]);
      out[pixel] = 0;
      inside[s] += values[pixel];
    }
  }
  return stays;
}

std::vector<double> scores_of_one(const Score& score, const Tensor& variants, int64_t n) {
  std::vector<double> all;
  for (const Tensor& part : split(variants, 0, kVariantsPerPass)) {
    const std::vector<int64_t> origin(static_cast<size_t>(part.size(0)), n);
    const std::vector<double> some = score(part, origin);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace

std::vector<int64_t> sensitivity_sizes(int64_t pixels) {
  constexpr int kSizes = 7;
  const double last = std::max(1.0, 0.8 * static_cast<double>(pixels));
  std::vector<int64_t> sizes;
  for (int k = 0; k < kSizes; ++k) {
    const auto n = static_cast<int64_t>(std::pow(last, static_cast<double>(k) / (kSizes - 1)));
    if (sizes.empty() || n > sizes.back()) sizes.push_back(n);
  }
  return sizes;
}

std::vector<Sensitivity> sensitivity_n(
    const Score& score, const Tensor& images, const Tensor& maps, const SensitivityOptions& o) {
  const Recording off(false);
  check_arguments(images, maps, o);
  const std::vector<int64_t> sizes =
      o.sizes.empty() ? sensitivity_sizes(images.size(2) * images.size(3)) : o.sizes;
  const Tensor attributions = sum(maps, {1});  // [N, 1, H, W]
  const std::vector<double> plain = scores_of(score, images);
  std::vector<Sensitivity> results;
  for (const int64_t size : sizes) results.push_back({size, {}});
  for (int64_t n = 0; n < images.size(0); ++n) {
    const Rng rng = Rng(o.seed).child(static_cast<uint64_t>(n));
    for (size_t k = 0; k < sizes.size(); ++k) {
      std::vector<double> inside;
      const Tensor stays = random_subsets(
          slice(attributions, 0, n, n + 1), sizes[k], o.subsets, rng.child(k), inside);
      std::vector<double> drop = scores_of_one(score, slice(images, 0, n, n + 1) * stays, n);
      for (double& value : drop) value = plain[static_cast<size_t>(n)] - value;
      results[k].correlation.push_back(pearson(inside, drop));
    }
  }
  return results;
}

}  // namespace limpid::interpret
