// interpret/saliency/gradient.h: maps made of the gradient of a class score by the image.
//
//   saliency    d y_c / d x                        Simonyan et al., ICLR workshop 2014, section 3
//   guided      the same, with rectifiers that pass positive gradients only
//               (guided back-propagation)          Springenberg et al., ICLR workshop 2015
//   deconv      rectifiers that ignore the sign of their input
//                                                  Zeiler and Fergus, ECCV 2014
//
// All three are one backward pass under a rule (framework/tensor/record.h): every rectifier obeys,
// whether it is a layer, a function call or part of a residual block. The model runs in evaluation
// mode and is not written to.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/target.h"

#include <span>

namespace limpid::interpret {

struct GradientOptions {
  ReluRule relu = ReluRule::standard;
  Target target = Target::logit;
};

/// The signed gradient of each image's score: images [N, C, H, W] -> [N, C, H, W].
/// Throws ValueError for a class out of range, ShapeError unless there is one class per image.
Tensor gradient_map(
    Module& model, const Tensor& images, std::span<const int64_t> classes,
    const GradientOptions& options = {});

/// Largest absolute value over the channels: [N, C, H, W] -> [N, 1, H, W] (Simonyan, section 3.1).
Tensor channel_maximum(const Tensor& map);

}  // namespace limpid::interpret
