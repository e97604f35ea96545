// tools/layer_pictures.h: features of layers as pictures.
#pragma once

#include "interpret/transport/layer_features.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::tools {

/// Examples in the plane of their first two principal axes, by class: SVG.
std::string cloud_picture(
    const interpret::LayerFeatures& features, std::span<const int64_t> labels,
    std::span<const std::string> class_names);

/// Paths of some examples through all layers, by class, in one frame and the plane in which the
/// paths as a whole extend most: SVG.
std::string trajectory_picture(
    const std::vector<interpret::LayerFeatures>& steps, std::span<const int64_t> labels,
    std::span<const std::string> class_names);

/// The channels of a map for the first examples, one row each, as PNG; false where the layer has no
/// maps.
bool save_map_picture(const std::string& path, const interpret::LayerFeatures& features);

}  // namespace limpid::tools
