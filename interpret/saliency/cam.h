// interpret/saliency/cam.h: class activation maps from one forward and one backward pass.
//
// A layer's feature maps A_k [h, w], weighted by how much each matters for class c and added up:
//     S = relu(sum_k alpha_k A_k)
// With the slope g_k = d y_c / d A_k and sums and means over the positions i, j of one map, the
// methods of this family differ in alpha alone:
//
//   cam         W_ck of a pooled linear head                    Zhou et al., CVPR 2016, eq. 2
//   grad-cam    mean g_k                                        Selvaraju et al., ICCV 2017, eq. 1
//   grad-cam++  sum relu(g_k) / (2 + g_k sum A_k)               Chattopadhay et al., WACV 2018,
//   eqs.
//                                                               10 and 19
//   xgrad-cam   sum g_k A_k / sum A_k                           Fu et al., BMVC 2020
//   hires-cam   g_k, position by position                       Draelos and Carin, arXiv 2011.08891
//   layer-cam   relu(g_k), position by position                 Jiang et al., TIP 2021
//   eigen-cam   first right singular vector of the centred maps Muhammad and Yeasin, IJCNN 2020
//
// Ratios with a denominator of 0 count as 0. The model runs in evaluation mode and is not written
// to.
#pragma once

#include "framework/nn/module.h"
#include "interpret/saliency/target.h"

#include <cstdint>
#include <span>
#include <string>

namespace limpid::interpret {

/// A layer's output as maps [N, K, h, w]. Tokens [N, T, K] of a transformer become the grid that
/// has the image's proportions; a token too many, the first, is the class token and is left out.
/// Throws ShapeError for other outputs. `image` is [N, C, H, W].
Tensor spatial_maps(const Tensor& output, const Shape& image, const Module& layer);
/// True for an output that spatial_maps() takes and that has more than one position.
bool is_spatial(const Shape& output, const Shape& image);

/// Feature maps of a layer, and how the class scores change with them.
struct LayerSlopes {
  Tensor logits;         // y [N, classes]
  Tensor maps;           // A_k [N, K, h, w]
  Tensor slope;          // d y_c / d A_k [N, K, h, w]
  std::string obstacle;  // the op that keeps the head from being pooling and one linear layer
};
/// Throws ShapeError if the layer's output is not spatial, ValueError for a class out of range.
LayerSlopes layer_slopes(
    Module& model, const Module& layer, const Tensor& images, std::span<const int64_t> classes,
    Target target = Target::logit);

enum class CamWeights : uint8_t { cam, grad, grad_plus_plus, xgrad, hires, layer };
/// alpha of the table above: [N, K, 1, 1] or [N, K, h, w].
/// Throws ValueError for cam if the head is not global average pooling and one linear layer.
Tensor cam_weights(CamWeights weights, const LayerSlopes& slopes);

/// sum_k alpha_k A_k before the rectifier: maps [N, K, h, w], alpha [N, K, 1, 1] or [N, K, h, w]
/// -> [N, 1, h, w].
Tensor weighted_sum(const Tensor& maps, const Tensor& alpha);
/// relu(weighted_sum(maps, alpha)).
Tensor weighted_maps(const Tensor& maps, const Tensor& alpha);

/// The first principal component of each image's maps, whatever the class: R v_1 where R [h w, K]
/// is centred over the positions. Its sign, which mathematics leaves open, is that of the
/// correlation with sum_k A_k. [N, K, h, w] -> [N, 1, h, w], before the rectifier.
Tensor eigen_sum(const Tensor& maps);

/// Grad-CAM by itself: [N, 1, h, w], sized like the maps of `layer`.
/// Throws ShapeError if the layer's output is not spatial, ValueError for a class out of range.
Tensor grad_cam(
    Module& model, const Module& layer, const Tensor& images, std::span<const int64_t> classes,
    Target target = Target::logit);

/// a / b, and 0 where b is 0. The shapes broadcast.
Tensor ratio_or_zero(const Tensor& a, const Tensor& b);

}  // namespace limpid::interpret
