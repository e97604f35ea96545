// interpret/support_vectors/manifold.h: what keeps an image among images: views and priors.
//
// Paper    Deep Support Vectors (arXiv 2403.17329), the manifold condition: a support vector stays
//          one under augmentation A, and its pixels vary as those of images do (eq. 9).
//
//   L_tot(x)  = sum over c,i,j of (x[c,i+1,j] - x[c,i,j])^2 + (x[c,i,j+1] - x[c,i,j])^2
//   L_norm(x) = |x - centre|_2^2, or |x - centre|_2
//
// The paper gives neither formula; these are the usual ones, chosen here. Once its random numbers
// are drawn, a view is affine in the image and made of recorded ops (framework/ops/augment.h), so
// that slopes come back through its adjoint.
//
// Shapes   images [n, C, H, W]; tables [n, D] have noise alone.
#pragma once

#include "framework/core/rng.h"
#include "framework/ops/augment.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace limpid::interpret {

/// Strengths of an augmentation; 0 switches a part off. The paper's numbers for photographs are
/// shift 0.125, crop 0.2, cutout 0.15, flip 0.5, noise 0.01; what they measure is read here as:
struct ViewOptions {
  double shift = 0.125;    // largest shift, share of the side; zeros from outside
  double crop = 0.2;       // largest share of a side that is cut away before resizing back
  double cutout = 0;       // side of the hole, share of the side
  double flip = 0;         // probability of left to right; 0.5 where a mirror image is as good
  double noise = 0.01;     // standard deviation, in standardised units
  bool per_image = false;  // each image draws its own; otherwise all share one draw

  bool operator==(const ViewOptions&) const = default;
};

/// One draw for n images. Noise is drawn for each pixel either way.
struct View {
  std::vector<Offset> shifts;  // [n]; each of these may be empty: that part is off
  std::vector<Box> crops;      // [n]
  std::vector<bool> flips;     // [n]
  std::vector<Box> holes;      // [n]
  Tensor noise;                // like the images, or undefined
};

/// Draws a view for images of this shape and type. Throws ValueError for a strength outside its
/// range (shares and probability 0 to 1, crop below 1), ShapeError where pixels would have to move
/// in something that is no image.
View draw_view(const ViewOptions& options, const Shape& images, DType dtype, Rng& rng);

/// The images as the view shows them: crop, shift, flip, noise, cutout, in this order.
Tensor seen(const View& view, const Tensor& images);

/// L_tot of each image [n]; `averages` divides by C H W. Throws ShapeError unless there is a width
/// and a height.
Tensor total_variation(const Tensor& images, bool averages = false);

enum class SizePrior : uint8_t { squared, norm };
/// L_norm of each image [n] around `centre`, which is like the images, or undefined for 0. The norm
/// has slope 0 at its kink.
Tensor size_prior(const Tensor& images, SizePrior prior, const Tensor& centre = {});

}  // namespace limpid::interpret
