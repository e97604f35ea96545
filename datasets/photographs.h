// datasets/photographs.h: pictures of any size as networks for photographs expect them.
//
// Published weights were trained on pictures that went through torchvision's Resize(256),
// CenterCrop(224) and ToTensor() on PIL images. The functions below give the same bytes.
//
// resize is PIL's bilinear filter with antialiasing: two passes, along rows and then along columns.
// Output i of n looks at the input of size m around c = (i + 1/2) s, s = m / n, through a triangle
// that is stretched by f = max(s, 1), so that a smaller picture averages over all it covers:
//     y_i = sum_j w_ij x_j,   w_ij proportional to max(0, 1 - |j + 1/2 - c| / f),   sum_j w_ij = 1.
// Each pass works with weights rounded to 22 binary places and rounds its result to a byte.
#pragma once

#include "framework/io/image.h"
#include "framework/tensor/tensor.h"

#include <cstdint>

namespace limpid::datasets {

/// The picture in another size, bit for bit as PIL's Image.resize(size, BILINEAR).
/// Throws ValueError unless it has 1 or 3 channels, pixels, and sides of 1 to kMaxImageSide.
Image resize(const Image& image, int64_t height, int64_t width);

/// The shorter side becomes `side`, the longer one side * longer / shorter, cut off to a whole
/// number: torchvision's Resize(side). Throws as resize does.
Image resize_shorter_side(const Image& image, int64_t side);

/// height x width pixels from the middle; half a pixel goes to the even neighbour, as in
/// torchvision's CenterCrop. Throws ValueError if the picture is smaller.
Image centre_crop(const Image& image, int64_t height, int64_t width);

/// [C, H, W], f32: bytes / 255.
Tensor to_tensor(const Image& image);

/// centre_crop(resize_shorter_side(image, side), crop, crop) as values in [0, 1]: [C, crop, crop].
Tensor photograph(const Image& image, int64_t side = 256, int64_t crop = 224);

}  // namespace limpid::datasets
