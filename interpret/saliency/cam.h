// interpret/saliency/cam.h: class activation maps.
//
// A layer's feature maps A_k, weighted by how much each matters for class c and added up. The
// methods of this family differ in the weights only, so there is one engine, weighted_maps().
#pragma once

#include "framework/nn/module.h"
#include "interpret/saliency/target.h"

#include <span>

namespace limpid::interpret {

/// relu(sum_k alpha_k A_k): maps [N, K, h, w], alpha [N, K, 1, 1] or [N, K, h, w] -> [N, 1, h, w].
Tensor weighted_maps(const Tensor& maps, const Tensor& alpha);

/// Grad-CAM (Selvaraju et al., ICCV 2017): [N, 1, h, w], sized like the maps of `layer`.
/// alpha_k = mean over positions of d y_c / d A_k (eq. 1); map = relu(sum_k alpha_k A_k) (eq. 2).
/// The model runs in evaluation mode and is not written to.
/// Throws ShapeError if the layer's output is not [N, K, h, w], ValueError for a class out of
/// range.
Tensor grad_cam(
    Module& model, const Module& layer, const Tensor& images, std::span<const int64_t> classes,
    Target target = Target::logit);

}  // namespace limpid::interpret
