// interpret/metrics/gradient_quality.cpp: two sweeps over one forward pass, one more with noise.
#include "interpret/metrics/gradient_quality.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/similarity.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>

namespace limpid::interpret {
namespace {

constexpr int64_t kBatch = 64;  // images per pass

// dl/dx of each image of a batch, and under the guided rule if that is asked for.
struct Gradients {
  Tensor plain, guided;  // [B, C, H, W]
};

Gradients loss_gradients(
    Module& model, const Tensor& images, std::span<const int64_t> classes, bool wants_guided) {
  const Recording on(true);
  Tensor x = images.detach();
  x.require_gradient();
  Pass pass;
  const Tensor loss = -sum(select(log_softmax(model(x, pass)), classes));
  Gradients g{grad(loss, x), {}};
  if (wants_guided) g.guided = grad(loss, x, {.relu = ReluRule::guided});
  return g;
}

// Images n0 ... of the whole set with noise of their own.
Tensor with_noise(const Tensor& images, int64_t n0, const GradientQualityOptions& o) {
  Tensor noisy = images.clone();
  const auto size = static_cast<size_t>(images.numel() / images.size(0));
  const Rng rng(o.seed);
  std::vector<float> noise(size);
  float* out = noisy.mutable_data<float>();
  for (int64_t n = 0; n < images.size(0); ++n, out += size) {
    const auto [low, high] = std::minmax_element(out, out + size);
    const double deviation = o.noise * static_cast<double>(*high - *low);
    rng.child(static_cast<uint64_t>(n0 + n)).normal(std::span<float>(noise), 0, deviation);
    for (size_t i = 0; i < size; ++i) out[i] += noise[i];
  }
  return noisy;
}

void append(const std::vector<double>& some, std::vector<double>& all) {
  all.insert(all.end(), some.begin(), some.end());
}

void append_gini(const Tensor& maps, std::vector<double>& all) {
  const std::vector<double> x = maps.to_vector();
  const auto size = x.size() / static_cast<size_t>(maps.size(0));
  for (size_t begin = 0; begin < x.size(); begin += size) {
    all.push_back(gini(std::span(x).subspan(begin, size)));
  }
}

}  // namespace

std::vector<double> total_variation(const Tensor& maps) {
  const Recording off(false);
  check_shape(maps.rank() == 4, "total_variation", "needs maps [N, C, H, W], got ", maps.shape());
  const Tensor size = abs(to(maps, DType::f64));
  const Tensor v = size / sum(size, {1, 2, 3});
  const int64_t H = v.size(2);
  const int64_t W = v.size(3);
  const Tensor down = slice(v, 2, 1, H) - slice(v, 2, 0, H - 1);
  const Tensor right = slice(v, 3, 1, W) - slice(v, 3, 0, W - 1);
  return (sum(abs(down), {1, 2, 3}) + sum(abs(right), {1, 2, 3})).to_vector();
}

GradientQuality gradient_quality(
    Module& model, const Tensor& images, std::span<const int64_t> classes,
    const GradientQualityOptions& options) {
  check_shape(
      images.rank() == 4 && images.size(0) == std::ssize(classes), "gradient_quality",
      "needs images [N, C, H, W] with a class each, got ", images.shape(), " and ", classes.size(),
      " classes");
  GradientQuality q;
  for (int64_t begin = 0; begin < images.size(0); begin += kBatch) {
    const int64_t end = std::min(images.size(0), begin + kBatch);
    const Tensor some = slice(images, 0, begin, end);
    const auto labels =
        classes.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    const auto [plain, guided] = loss_gradients(model, some, labels, true);
    const Tensor noisy =
        loss_gradients(model, with_noise(some, begin, options), labels, false).plain;
    append(cosines(plain, guided), q.cosine);
    append(cosines(plain, noisy), q.stability);
    append_gini(plain, q.sparsity);
    append(total_variation(plain), q.variation);
  }
  return q;
}

}  // namespace limpid::interpret
