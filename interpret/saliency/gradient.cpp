// interpret/saliency/gradient.cpp: single gradients, and sums over many.
#include "interpret/saliency/gradient.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

#include <vector>

namespace limpid::interpret {

Tensor gradient_map(
    Module& model, const Tensor& images, std::span<const int64_t> classes,
    const GradientOptions& options) {
  const Recording on(true);
  Tensor x =
      images.detach();  // [N, C, H, W], a leaf of its own: the caller's tensor stays as it is
  x.require_gradient();
  Pass pass;
  const Tensor logits = model(x, pass);  // [N, K]
  return grad(target_score(logits, classes, options.target), x, {.relu = options.relu});
}

Tensor integrated_gradients(
    Module& model, const Tensor& images, const Tensor& start, std::span<const int64_t> classes,
    int64_t steps) {
  check_value(steps >= 1, "integrated_gradients", "needs at least one step, got ", steps);
  const Recording off(false);
  const Tensor way = images - start;
  Tensor total = Tensor::zeros(images.shape(), DType::f64);
  for (int64_t s = 0; s < steps; ++s) {
    const double share = (static_cast<double>(s) + 0.5) / static_cast<double>(steps);
    total = total + to(gradient_map(model, start + share * way, classes), DType::f64);
  }
  return to(total / static_cast<double>(steps), images.dtype()) * way;
}

Tensor class_scores(Module& model, const Tensor& images, std::span<const int64_t> classes) {
  const Recording off(false);
  Pass pass;
  return select(model(images, pass), classes);
}

Tensor channel_maximum(const Tensor& map) {
  const Recording off(false);
  return max(abs(map), 1);
}

// ---- Statistics of noisy gradients ----

void RunningMoments::add(const Tensor& x) {
  const Recording off(false);
  if (count_ == 0) {
    dtype_ = x.dtype();
    mean_ = squares_ = Tensor::zeros(x.shape(), DType::f64);
  }
  ++count_;
  const Tensor value = to(x, DType::f64);
  const Tensor before = value - mean_;
  mean_ = mean_ + before / static_cast<double>(count_);
  squares_ = squares_ + before * (value - mean_);
}

Tensor RunningMoments::mean() const { return to(mean_, dtype_); }

Tensor RunningMoments::variance() const {
  return to(squares_ / static_cast<double>(count_), dtype_);
}

Tensor noise_width(const Tensor& images, double level) {
  const Recording off(false);
  const Tensor rows = flatten(images);
  const Tensor width = level * (max(rows, 1) + max(-rows, 1));  // [N, 1]
  const std::vector<int64_t> sizes(static_cast<size_t>(images.rank()), 1);
  return reshape(width, Shape(std::span<const int64_t>(sizes)).with(0, images.size(0)));
}

}  // namespace limpid::interpret
