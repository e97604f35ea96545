// interpret/metrics/controls.h: maps that know nothing of the network.
//
// A figure of a method means something only beside theirs: all ones hides nothing, a centred blob
// knows how photographs are taken, shuffled cells have the values and the smoothness of a method
// but not its places. Controls are handed to a metric as they are, never rescaled.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"

#include <cstdint>

namespace limpid::interpret {

/// 1 everywhere: [N, 1, H, W].
Tensor ones_control(int64_t count, int64_t height, int64_t width);

/// exp(-r^2 / (2 sigma^2)), r the distance from the middle of the image and sigma = H / 4.
Tensor centre_control(int64_t count, int64_t height, int64_t width);

/// Independent uniform numbers in [0, 1); image n depends on (rng, n) alone.
Tensor random_control(int64_t count, int64_t height, int64_t width, const Rng& rng);

/// random_control() of an eighth of the size, at least 2 x 2, resized: as smooth as the maps of
/// late layers are.
Tensor smooth_random_control(int64_t count, int64_t height, int64_t width, const Rng& rng);

/// The cells of each map [N, 1, h, w] in a random order, before they are resized to the image.
/// Image n depends on (rng, n) and its own map alone. Throws ShapeError for another form.
Tensor shuffled_cells(const Tensor& maps, const Rng& rng);

/// (S - min S) / (max S - min S) of each image, [N, 1, h, w] in [0, 1]; zeros where a map is flat
/// or not finite. Throws ShapeError for another form.
Tensor unit_range(const Tensor& maps);

/// True for images whose map is flat or not finite, [N].
std::vector<bool> flat_maps(const Tensor& maps);

}  // namespace limpid::interpret
