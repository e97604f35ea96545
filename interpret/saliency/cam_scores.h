// interpret/saliency/cam_scores.h: class activation maps whose weights come from scores.
//
// Instead of slopes, these methods ask what the network says to a changed input or layer:
//
//   score-cam     how the image scores where it is seen through map k
//                                                   Wang et al., CVPR workshops 2020
//   ablation-cam  how much of the score is lost without map k
//                                                   Desai and Ramaswamy, WACV 2020, eq. 4
//   opti-cam      the combination of maps through which the image scores most
//                                                   Zhang et al., CVIU 2024
//
// Each needs tens to hundreds of forward passes per image.
#pragma once

#include "interpret/saliency/cam.h"
#include "interpret/saliency/methods.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

/// With U_k = A_k resized to the image and m_k = min-max(U_k); constant maps get weight 0.
enum class ScoreCam : uint8_t {
  probability,  // w_k = p_c(image under m_k), masked in pixel space; sum_k w_k A_k
  official,     // the authors' program: masks the standardised image; sum_k w_k U_k
  softmax,      // pytorch-grad-cam: w = softmax over k of y_c(standardised image times m_k)
  increase,     // the paper's text: p_c(image under m_k) - p_c(black), in pixel space
};

/// sum_k w_k A_k before the rectifier: [N, 1, h, w], or [N, 1, H, W] for the official variant.
Tensor score_sum(
    ScoreCam variant, const Explained& subject, const Tensor& maps, const Tensor& images,
    std::span<const int64_t> classes);

/// w_k = (y_c - y_c with A_k = 0) / y_c, [N, K, 1, 1]; 0 where |y_c| < 1e-12.
/// The layers before `subject.layer` run for one image only, if what passes the layer by can be
/// repeated by broadcasting.
Tensor ablation_weights(
    const Explained& subject, const Tensor& images, std::span<const int64_t> classes);

/// The mask S(w) = min-max(sum_k softmax(w)_k relu(A_k) resized to the image), [N, 1, H, W], whose
/// w maximises y_c(image under S): Adam with rate 0.1 from equal weights. An image is done when its
/// score is lower than a tenth of the steps before.
Tensor opti_mask(
    const Explained& subject, const Tensor& maps, const Tensor& images,
    std::span<const int64_t> classes, int64_t steps);

}  // namespace limpid::interpret
