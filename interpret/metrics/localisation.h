// interpret/metrics/localisation.h: whether a map points at the object.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// The pointing game (Zhang et al., ECCV 2016): image n is a hit if the largest pixel of its map
/// lies inside its mask, or at a distance below `tolerance` pixels from a pixel inside; they allow
/// 15 at 224 pixels, which is 2 at 32. map, mask [N, 1, H, W]; the mask is inside where it is above
/// 1/2. A flat or non-finite map is a miss. Throws ShapeError if shapes differ.
std::vector<bool> pointing_game(const Tensor& map, const Tensor& mask, double tolerance = 0);

/// The same game for a map that always points at the centre of the image.
std::vector<bool> pointing_game_centre(const Tensor& mask, double tolerance = 0);
/// And for a map that points at a random pixel.
std::vector<bool> pointing_game_random(const Tensor& mask, Rng& rng, double tolerance = 0);

/// Share of hits.
double hit_rate(const std::vector<bool>& hits);

/// The energy-based pointing game (Wang et al., Score-CAM, CVPR workshop 2020, section 4.3): the
/// share of a map's sum that lies inside the mask, per image; maps are not negative. A map of ones
/// gets the area of the mask; 0 for a map that is zero everywhere or not finite.
std::vector<double> energy_pointing_game(const Tensor& map, const Tensor& mask);

/// The mean over classes of the mean over the images of each class that occurs.
/// Throws ShapeError unless there is one class per value.
double class_mean(std::span<const double> values, std::span<const int64_t> classes);

}  // namespace limpid::interpret
