// interpret/saliency/cam.cpp: the engine and the weights of each method.
#include "interpret/saliency/cam.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

namespace limpid::interpret {

Tensor weighted_maps(const Tensor& maps, const Tensor& alpha) {
  return relu(sum(alpha * maps, {1}));
}

Tensor grad_cam(
    Module& model, const Module& layer, const Tensor& images, std::span<const int64_t> classes,
    Target target) {
  const Recording on(true);
  Pass pass;
  pass.watch(layer);
  const Tensor logits = model(images, pass);   // [N, classes]
  const Tensor maps = pass.activation(layer);  // A_k [N, K, h, w]
  check_shape(
      maps.rank() == 4, "grad_cam", "the watched ", layer.type(), " has no spatial map (output ",
      maps.shape(), ")");
  const Tensor slope = grad(target_score(logits, classes, target), maps);  // [N, K, h, w]

  const Recording off(false);
  return weighted_maps(maps, mean(slope, {2, 3}));  // eqs. 1 and 2
}

}  // namespace limpid::interpret
