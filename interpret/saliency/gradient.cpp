// interpret/saliency/gradient.cpp: one forward and one backward pass.
#include "interpret/saliency/gradient.h"

#include "framework/autograd/grad.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

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

Tensor channel_maximum(const Tensor& map) {
  const Recording off(false);
  return max(relu(map) + relu(-map), 1);  // |map| = relu(map) + relu(-map)
}

}  // namespace limpid::interpret
