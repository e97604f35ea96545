// interpret/interpretable_shift.h: what the gradient penalty shares with adversarial training.
//
// To first order the penalty trains on inputs moved by lambda u (interpretable_gradients.md).
// Adversarial training moves them by epsilon sign(dl/dx), the fast gradient sign method (FGSM,
// Goodfellow et al., ICLR 2015). If the benefit of the penalty came from robustness, the two
// directions would agree and accuracy under FGSM would rise. All in evaluation mode; the model is
// not written to, its gradients included.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/interpretable_gradients.h"

#include <string>
#include <vector>

namespace limpid::interpret {

/// The direction in which the penalty moves each example, and that of FGSM.
struct ShiftAlignment {
  Tensor inner;   // [N], <u, sign(dl/dx)>
  Tensor cosine;  // [N], the same over both lengths; NaN where u or dl/dx is 0
};
/// l is the cross-entropy, u the slope of the error with respect to dl/dx, towards the target.
ShiftAlignment shift_alignment(
    Module& model, const Tensor& images, const Tensor& labels,
    const GradientPenaltyOptions& options = {});

/// What the network sees is (pixel - mean) / deviation, [C] each; undefined: pixels themselves.
struct PixelScale {
  Tensor mean = {};
  Tensor deviation = {};
};

/// Images whose pixels have moved by epsilon sign(dl/dx), kept in [0, 1], as the network sees them.
Tensor fgsm(
    Module& model, const Tensor& images, const Tensor& labels, double epsilon,
    const PixelScale& scale = {});

/// Share of the images that are classified as labelled after fgsm(); epsilon 0: as they are.
double accuracy_under_fgsm(
    Module& model, const Tensor& images, const Tensor& labels, double epsilon,
    const PixelScale& scale = {});

/// What the guided rule takes out of the way back at one rectifier: of the gradient g that arrives
/// where the rectifier is open, removed = sum |min(g, 0)| / sum |g|.
struct RectifierFlow {
  std::string op;      // relu, relu6 or gelu
  double arriving;     // sum |g| where it is open
  double removed = 0;  // in [0, 1]; 0 if nothing arrives
};
/// One row per rectifier in forward order, for the guided gradient of the cross-entropy, summed
/// over the images. What arrives has passed the rule of all later rectifiers.
std::vector<RectifierFlow> guided_removal(
    Module& model, const Tensor& images, const Tensor& labels);

}  // namespace limpid::interpret
