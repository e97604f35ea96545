// tools/explaining.h: saliency maps of a trained model; serves `explain` and `demo`.
#pragma once

#include "framework/io/image.h"
#include "framework/tensor/tensor.h"
#include "interpret/report/heatmap.h"
#include "interpret/saliency/methods.h"
#include "tools/run_folder.h"

#include <span>
#include <string>
#include <vector>

namespace limpid::tools {

/// All methods and the forms of smooth, for --help.
std::string method_list();
/// Throws UsageError listing the names.
interpret::MethodInfo method_named(const std::string& name);

/// The layer to explain: `wanted`, or the last one with a spatial map. Throws UsageError listing
/// the valid ones if there is no such layer or it has no spatial map.
std::string layer_for(const RunFolder& folder, const std::string& wanted);

/// Maps of standardised images [N, C, H, W], one class per image, for each method.
/// Throws UsageError where a method does not fit the network or the layer.
std::vector<interpret::Maps> explain_images(
    const RunFolder& folder, const std::vector<std::string>& methods, const std::string& layer,
    const Tensor& images, std::span<const int64_t> classes, uint64_t seed);

/// A map over its picture, enlarged to be seen: picture [C, H, W] in [0, 1], map [1, H, W].
/// `note` receives what a reader must know, if anything.
Image picture_with_map(const Tensor& picture, const Tensor& map, std::string* note);
/// The picture alone at the same size.
Image picture_alone(const Tensor& picture);
/// A signed map [H, W] alone at that size, between given limits: blue, white at 0, red.
Image signed_map(const Tensor& map, const interpret::ColourLimits& limits);

}  // namespace limpid::tools
