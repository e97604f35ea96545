// interpret/saliency/gradient.h: maps made of the gradient of a class score by the image.
//
//   gradient              d y_c / d x                   Simonyan et al., ICLR workshop 2014, sec. 3
//   guided                the same, with rectifiers that pass positive gradients only
//                         (guided back-propagation)     Springenberg et al., ICLR workshop 2015
//   deconv                rectifiers that ignore the sign of their input
//                                                       Zeiler and Fergus, ECCV 2014
//   integrated-gradients  (x - x0) mean over the way from x0 to x of the gradient
//                                                       Sundararajan et al., ICML 2017, eq. 1
//   smoothgrad, smoothgrad-squared, vargrad             mean, mean square and variance of the
//                         gradients of noisy images     Smilkov et al. 2017; Hooker et al., NeurIPS
//                                                       2019; Adebayo et al. 2018
//
// The first three are one backward pass under a rule (framework/tensor/record.h): every rectifier
// obeys, whether it is a layer, a function call or part of a residual block. The model runs in
// evaluation mode and is not written to.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/target.h"

#include <cstdint>
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

/// (x - x0) (1 / steps) sum_s gradient(x0 + (s + 1/2) / steps (x - x0)): the midpoint rule, summed
/// in double. The values of a map add up to y_c(x) - y_c(x0), but for the error of the rule.
Tensor integrated_gradients(
    Module& model, const Tensor& images, const Tensor& start, std::span<const int64_t> classes,
    int64_t steps);

/// Logits of the classes, [N, 1], without a graph.
Tensor class_scores(Module& model, const Tensor& images, std::span<const int64_t> classes);

/// Largest absolute value over the channels: [N, C, H, W] -> [N, 1, H, W] (Simonyan, section 3.1).
Tensor channel_maximum(const Tensor& map);

/// Mean and variance of tensors that arrive one by one, in double (Welford 1962):
///   d = x_n - m_{n-1},   m_n = m_{n-1} + d / n,   S_n = S_{n-1} + d (x_n - m_n).
/// The mean of equal tensors is exact, and their variance exactly 0.
class RunningMoments {
 public:
  void add(const Tensor& x);
  /// In the type of the tensors. Throws GraphError before the first add().
  Tensor mean() const;
  /// S / n.
  Tensor variance() const;

 private:
  Tensor mean_, squares_;  // f64
  DType dtype_ = DType::f32;
  int64_t count_ = 0;
};

/// sigma = level (max x - min x) of each image, [N, 1, ...]: the width of SmoothGrad's noise.
Tensor noise_width(const Tensor& images, double level);

}  // namespace limpid::interpret
