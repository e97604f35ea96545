// tools/explaining.h: saliency methods by name; serves `explain` and `demo`.
#pragma once

#include "framework/io/image.h"
#include "framework/tensor/tensor.h"
#include "interpret/saliency/target.h"
#include "tools/run_folder.h"

#include <span>
#include <string>
#include <vector>

namespace limpid::tools {

/// What a method is called and what it needs.
struct MethodInfo {
  std::string name;
  std::string what;
  bool needs_layer = false;
};
const std::vector<MethodInfo>& methods();
/// Throws UsageError listing the names.
const MethodInfo& method_named(const std::string& name);

/// Names of the layers whose output is a map of more than one position, in order.
std::vector<std::string> spatial_layers(const RunFolder& folder);
/// The layer to explain: `wanted`, or the last spatial one. Throws UsageError listing the valid
/// ones if there is no such layer or it has no spatial map.
std::string layer_for(const RunFolder& folder, const std::string& wanted);

/// Maps of standardised images [N, C, H, W], one class per image.
struct Maps {
  Tensor raw;  // what the method gives: [N, C, H, W], or [N, 1, h, w] for Grad-CAM
  // [N, 1, H, W]: largest absolute value over channels, or resized to the image; [N, D] of a table
  Tensor shown;
};
Maps explain_images(
    const RunFolder& folder, const std::string& method, const std::string& layer,
    const Tensor& images, std::span<const int64_t> classes);

/// A map over its picture, enlarged to be seen: picture [C, H, W] in [0, 1], map [1, H, W].
/// `note` receives what a reader must know, if anything.
Image picture_with_map(const Tensor& picture, const Tensor& map, std::string* note);
/// The picture alone at the same size.
Image picture_alone(const Tensor& picture);

}  // namespace limpid::tools
