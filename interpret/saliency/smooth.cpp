// interpret/saliency/smooth.cpp: statistics of a method's maps over noisy copies of the images.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/batch.h"
#include "interpret/saliency/gradient.h"

namespace limpid::interpret {
namespace {

constexpr uint64_t kNoise = 1;  // the stream of the noise under the seed

// Copy number `copy` of all images: x + sigma e with one e [1, ...] for all.
Tensor noisy(const Batch& batch, int64_t copy) {
  const Explained& subject = batch.explained;
  Rng rng = Rng(subject.seed).child(kNoise).child(static_cast<uint64_t>(copy));
  const Tensor& x = batch.images;
  const Tensor noise = Tensor::normal(x.shape().with(0, 1), rng, 0, 1, x.dtype());
  return x + noise_width(x, subject.settings.noise_level) * noise;
}

}  // namespace

RawMaps over_noise(
    Batch& batch, const std::function<RawMaps(Batch&)>& compute, Statistic statistic,
    int64_t copies) {
  const Recording off(false);
  check_value(copies >= 1, "smoothgrad", "needs at least one noisy copy, got ", copies);
  RawMaps last;
  RunningMoments moments;
  for (int64_t copy = 0; copy < copies; ++copy) {
    Batch some(batch.explained, noisy(batch, copy), batch.classes);
    last = compute(some);
    const Tensor map = last.is_rectified ? relu(last.map) : last.map;
    moments.add(statistic == Statistic::mean_square ? map * map : map);
  }
  last.map = statistic == Statistic::variance ? moments.variance() : moments.mean();
  last.completeness.clear();
  return last;
}

}  // namespace limpid::interpret
