// interpret/metrics/score.cpp: forward passes in batches, and masks in pixel space.
#include "interpret/metrics/score.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"

#include <algorithm>

namespace limpid::interpret {
namespace {

std::vector<int64_t> classes_of(
    std::span<const int64_t> classes, std::span<const int64_t> origin, const Tensor& logits) {
  std::vector<int64_t> columns;
  for (const int64_t n : origin) {
    check_value(
        n >= 0 && n < static_cast<int64_t>(classes.size()), "score", "no class for image ", n);
    const int64_t k = classes[static_cast<size_t>(n)];
    check_value(
        k >= 0 && k < logits.size(1), "score", "class ", k, " is outside 0 to ",
        logits.size(1) - 1);
    columns.push_back(k);
  }
  return columns;
}

// [C] or [1] shaped to meet [N, C, H, W].
Tensor per_channel(const Tensor& values) { return reshape(values, {1, values.numel(), 1, 1}); }

}  // namespace

Score class_probability(Module& model, std::span<const int64_t> classes) {
  return [&model, classes](const Tensor& variants, std::span<const int64_t> origin) {
    const Recording off(false);
    Pass pass;
    const Tensor logits = model(variants, pass);  // [B, K]
    return select(softmax(logits), classes_of(classes, origin, logits)).to_vector();
  };
}

Score class_logit(Module& model, std::span<const int64_t> classes) {
  return [&model, classes](const Tensor& variants, std::span<const int64_t> origin) {
    const Recording off(false);
    Pass pass;
    const Tensor logits = model(variants, pass);
    return select(logits, classes_of(classes, origin, logits)).to_vector();
  };
}

std::vector<double> scores_of(const Score& score, const Tensor& images) {
  std::vector<double> all;
  for (int64_t begin = 0; begin < images.size(0); begin += kVariantsPerPass) {
    const int64_t end = std::min(images.size(0), begin + kVariantsPerPass);
    const std::vector<int64_t> origin = index_range(begin, end);
    const std::vector<double> some = score(slice(images, 0, begin, end), origin);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

Tensor PixelSpace::pixels(const Tensor& images) const {
  Tensor x = images;
  if (deviation.defined()) x = x * per_channel(deviation);
  if (mean.defined()) x = x + per_channel(mean);
  return x;
}

Tensor PixelSpace::images(const Tensor& pixels) const {
  Tensor x = pixels;
  if (mean.defined()) x = x - per_channel(mean);
  if (deviation.defined()) x = x / per_channel(deviation);
  return x;
}

Tensor masked(const Tensor& images, const Tensor& masks, const PixelSpace& space) {
  const Recording off(false);
  check_shape(
      images.rank() == 4 && masks.rank() == 4 && masks.size(1) == 1 &&
          masks.size(0) == images.size(0) && masks.size(2) == images.size(2) &&
          masks.size(3) == images.size(3),
      "masked", "needs a mask [N, 1, H, W] per image (images ", images.shape(), ", masks ",
      masks.shape(), ")");
  return space.images(masks * space.pixels(images));
}

}  // namespace limpid::interpret
