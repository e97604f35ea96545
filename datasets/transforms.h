// datasets/transforms.h: augmentation of training images, a pure function of (seed, epoch, index).
//
// What happens to the example at position i of the data set in epoch e is drawn from
// Rng(seed).child(e).child(i): the batch around it, its place there and the number of threads do
// not matter. Every step has a child of that generator to itself, so switching one on leaves the
// others as they were.
//
// Augmentation says how strongly, draw_transform() makes one Transform of it, and
// apply_transforms() carries them out, in this order: crop, flip, translation, rotation;
// brightness, contrast, saturation; noise; cutout. mixup, which needs two finished examples, comes
// last: datasets/mixup.h. Values are in [0, 1]: images are standardised afterwards. What comes in
// from outside is 0, black.
//
// Differentiable versions of these maps: framework/ops/augment.h.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::datasets {

/// Ranges to draw from; 0 and false switch a step off.
struct Augmentation {
  int64_t crop_padding = 0;  // pixels of zeros on all sides before cutting out the old size
  bool flip = false;         // mirrored left to right in half of all cases
  double rotation = 0;       // degrees to either side, at most 180
  int64_t cutout = 0;        // side of the erased square, pixels
  double brightness = 0;     // factor from [1 - b, 1 + b], b <= 1; contrast and saturation alike
  double contrast = 0;
  double saturation = 0;
  int64_t translate = 0;  // pixels, both ways on both axes: the same map as a padded crop
  double noise = 0;       // standard deviation
  double mixup = 0;       // alpha of the Beta distribution

  bool operator==(const Augmentation&) const = default;
  bool is_none() const { return *this == Augmentation{}; }
};

/// "none", "crop-flip" (that is "crop:4,flip"), or a list of steps such as
/// "crop:4,flip,rotate:15,cutout:8,jitter:0.2,translate:2,noise:0.05,mixup:0.2", where jitter sets
/// brightness, contrast and saturation. Throws ValueError, naming the valid words, for any other
/// word, a missing number, or one out of range.
Augmentation augmentation_named(const std::string& text);

// ---- One example ----

/// What happens to one image. As it stands: nothing.
struct Transform {
  int64_t crop_y = 0, crop_x = 0;    // pixels down and right
  bool flip = false;                 // left to right
  int64_t shift_y = 0, shift_x = 0;  // pixels down and right
  double angle = 0;                  // degrees, counter-clockwise about the centre
  double brightness = 1, contrast = 1, saturation = 1;  // factors
  double noise = 0;                                     // standard deviation
  Rng noise_source = Rng(0);
  int64_t cutout_y = 0, cutout_x = 0;  // the pixel at the middle of the square
  int64_t cutout = 0;                  // its side, pixels; it may reach over the edge
};

/// Draws for an image of height x width pixels. Throws ValueError for a strength out of range.
Transform draw_transform(
    const Augmentation& augmentation, int64_t height, int64_t width, const Rng& rng);

/// Carries out one Transform per image: [B, C, H, W] f32 -> the same shape.
///   shift       y[i,j] = x[i - dy, j - dx]
///   rotation    y[i,j] = x at the place turned back by the angle, bilinear; pixels outside count
///               as 0
///   brightness  y = b x
///   contrast    y = c x + (1 - c) mean of all values of the image
///   saturation  y = s x + (1 - s) (0.299 R + 0.587 G + 0.114 B) for three channels, else y = x
///   noise       y = x + a normal variate per value
///   cutout      y = 0 on rows cutout_y - floor(side / 2) + {0, ..., side - 1}, columns alike
///               (DeVries and Taylor 2017, arXiv:1708.04552; there 0 is the mean colour)
/// The steps of colour and noise end in a cut to [0, 1].
/// Throws ShapeError unless there is one Transform for each of B images with pixels.
Tensor apply_transforms(const Tensor& images, std::span<const Transform> transforms);

/// Rng(seed).child(epoch).child(index). Throws ValueError for a negative epoch or index.
Rng example_rng(uint64_t seed, int64_t epoch, int64_t index);

/// What is drawn for the examples at these positions of the data set, carried out; mixup is left
/// out. Throws as the functions above do.
Tensor augment(
    const Tensor& images, std::span<const int64_t> indices, int64_t epoch, uint64_t seed,
    const Augmentation& augmentation);

}  // namespace limpid::datasets
