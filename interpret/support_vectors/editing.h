// interpret/support_vectors/editing.h: labels as latent variables: an image moved to another class.
//
// Paper    Deep Support Vectors (arXiv 2403.17329), section 5.2: synthesis that starts from an
//          image instead of noise, with another label, moves the image to that class.
//
// An adversarial image gets there too, with a change nobody sees. So the same target probability
// is also bought by targeted FGSM and PGD, and both are compared by distance and by structural
// similarity with the source. That the change means something is not claimed by either figure.
//
// Shapes   images [n, C, H, W], standardised; targets [n] i64.
#pragma once

#include "interpret/support_vectors/synthesis.h"

#include <vector>

namespace limpid::interpret {

struct EditOptions {
  /// Its steps are the most that are tried. The primal condition counts until the end (no mask),
  /// and the size prior is taken around the source, where it has no slope: it needs a weight that
  /// is no ratio.
  SynthesisOptions synthesis = {};
  double probability = 0.9;  // of the target, reached or the edit failed
};

struct Moved {
  Tensor images;                    // like the sources
  std::vector<double> probability;  // of the target
  std::vector<bool> reached;        // the target is the largest class, with that probability
  std::vector<int64_t> steps;
};

/// Each image by itself, until the target has the probability wanted. Throws ValueError for a
/// target outside the classes or a probability outside (0, 1), and as Synthesis does.
Moved edited(
    Module& model, const Tensor& images, const std::vector<int64_t>& targets,
    const EditOptions& options);

/// Limits of pixels, [1, C, 1, 1]; undefined: none.
struct PixelRange {
  Tensor low, high;
};

/// Targeted FGSM (Goodfellow et al., ICLR 2015): x - e sign(dL/dx) with L the cross-entropy of the
/// target, at the smallest e = step, 2 step, ... that gives image i the probability wanted[i]; the
/// likeliest of `most` tries if none does.
Moved fgsm_to(
    Module& model, const Tensor& images, const std::vector<int64_t>& targets,
    const std::vector<double>& wanted, double step, int64_t most, const PixelRange& range = {});
/// The same with the slope taken anew after each step (Madry et al., ICLR 2018, without their
/// ball).
Moved pgd_to(
    Module& model, const Tensor& images, const std::vector<int64_t>& targets,
    const std::vector<double>& wanted, double step, int64_t most, const PixelRange& range = {});

/// How far images are from their sources, both with values in [0, 1].
struct Closeness {
  std::vector<double> distance;  // |x - x0|_2
  std::vector<double> ssim;      // mean over channels, see metrics/similarity.h
};
Closeness closeness(const Tensor& images, const Tensor& sources);

}  // namespace limpid::interpret
