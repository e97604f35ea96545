// interpret/metrics/localisation.h: whether a map points at the object.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace limpid::interpret {

/// The pointing game (Zhang et al., ECCV 2016, without their 15-pixel margin): image n is a hit if
/// the largest pixel of its map lies inside its mask. map, mask [N, 1, H, W]; the mask is inside
/// where it is above 1/2. A flat or non-finite map is a miss. Throws ShapeError if shapes differ.
std::vector<bool> pointing_game(const Tensor& map, const Tensor& mask);

/// The same game for a map that always points at the centre of the image.
std::vector<bool> pointing_game_centre(const Tensor& mask);
/// And for a map that points at a random pixel.
std::vector<bool> pointing_game_random(const Tensor& mask, Rng& rng);

/// Share of hits.
double hit_rate(const std::vector<bool>& hits);

}  // namespace limpid::interpret
