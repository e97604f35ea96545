// interpret/saliency/pixels.h: masking where 0 is black, whatever the network's standardisation.
#pragma once

#include "interpret/saliency/methods.h"

namespace limpid::interpret {

/// The images with pixels multiplied by a mask: (m p - mean) / deviation where p = x deviation +
/// mean. images [N, C, H, W], mask [N, 1, H, W] or any shape that broadcasts. A mask of ones goes
/// through the same arithmetic, so that its scores can be compared with those of other masks.
/// Throws ShapeError if mean and deviation fit neither the channels nor one value.
Tensor masked(const Explained& subject, const Tensor& images, const Tensor& mask);

/// Black images as the network sees them, shaped like `images`: -mean / deviation.
Tensor black(const Explained& subject, const Tensor& images);
/// White images, likewise: (1 - mean) / deviation.
Tensor white(const Explained& subject, const Tensor& images);

}  // namespace limpid::interpret
