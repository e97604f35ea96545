// interpret/gradient_penalty/shift.h: what the gradient penalty shares with adversarial training.
//
// To first order the penalty trains on inputs moved by lambda u (derivation.md).
// Adversarial training moves them by epsilon sign(dl/dx), the fast gradient sign method (FGSM,
// Goodfellow et al., ICLR 2015). If the benefit of the penalty came from robustness, the two
// directions would agree and accuracy under FGSM would rise. All in evaluation mode; the model is
// not written to, its gradients included.
#pragma once

#include "framework/core/rng.h"
#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/gradient_penalty/penalty.h"

#include <cstdint>
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

/// Images whose pixels have moved by epsilon times `direction`, kept in [0, 1], as the network sees
/// them. Throws ValueError for a negative epsilon.
Tensor moved_pixels(
    const Tensor& images, const Tensor& direction, double epsilon, const PixelScale& scale = {});

/// sign(dl/dx), shaped like the images.
Tensor fgsm_direction(Module& model, const Tensor& images, const Tensor& labels);

/// The control of FGSM: steps of the same size at the same places, each up or down at random. The
/// signs of image n depend on (rng, first + n) alone.
Tensor with_random_signs(const Tensor& direction, const Rng& rng, int64_t first = 0);

/// moved_pixels() along fgsm_direction().
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
  std::string op;       // relu, relu6 or gelu
  double arriving = 0;  // sum |g| where it is open
  double removed = 0;   // in [0, 1]; 0 if nothing arrives
};
/// One row per rectifier in forward order, for the guided gradient of the cross-entropy, summed
/// over the images. What arrives has passed the rule of all later rectifiers.
std::vector<RectifierFlow> guided_removal(
    Module& model, const Tensor& images, const Tensor& labels);

struct ShiftOptions {
  std::vector<double> epsilons = {1.0 / 255, 2.0 / 255};  // in pixels
  PixelScale scale = {};
  uint64_t seed = 0;  // of the random signs
};

/// All of the above for many images, a batch at a time. One number per image where a vector has N.
struct ShiftFigures {
  std::vector<double> cosine;                     // of shift_alignment()
  std::vector<double> clean;                      // 1 where classified as labelled, else 0
  std::vector<std::vector<double>> fgsm, random;  // the same after each epsilon of the options
  std::vector<RectifierFlow> removal;             // one per rectifier, over all images
};
/// images [N, ...] as the network sees them, labels [N].
ShiftFigures shift_figures(
    Module& model, const Tensor& images, const Tensor& labels, const ShiftOptions& options = {});

}  // namespace limpid::interpret
