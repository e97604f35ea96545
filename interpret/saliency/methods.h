// interpret/saliency/methods.h: every saliency method behind one call, by name.
//
//     const Explained subject{*model, &find_layer(*model, "layer3"), mean, deviation};
//     const Maps maps = saliency_maps("grad-cam", subject, images, classes);
//
// One call for all, because whoever compares methods (a metric, a sanity check, a report) wants to
// run them under the same conditions and to be told alike where a map says nothing.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// What is explained. The model runs in evaluation mode and is not written to.
struct Explained {
  Module& model;
  const Module* layer = nullptr;  // whose output is weighted, for methods that need one
  /// The network sees (pixel - mean) / deviation, [C] or [1] each; undefined: pixels themselves.
  /// Methods that mask do it in pixel space, where 0 is black.
  Tensor mean = {};
  Tensor deviation = {};
  uint64_t seed = 0;  // of the methods that draw random numbers
};

struct MethodInfo {
  std::string name;
  std::string what;          // one line with its source
  bool needs_layer = false;  // weights the output of a layer
  bool is_slow = false;      // needs hundreds of forward passes per image
};

/// All methods, in the order in which people list them.
const std::vector<MethodInfo>& saliency_methods();

struct Maps {
  Tensor raw;    // as the method defines it: [N, C, H, W], or [N, 1, h, w] at the layer's size
  Tensor shown;  // [N, 1, H, W]: magnitudes over channels, or relu and min-max to [0, 1], resized
  std::vector<std::string> notes;  // one per image: empty, or why the map is flat or not finite
};

/// images [N, C, H, W] as the network sees them, one class per image. A flat or non-finite map is
/// shown as zeros with a note. Throws ValueError for an unknown name, a missing layer or a class
/// out of range, ShapeError for a layer without a spatial map.
Maps saliency_maps(
    const std::string& method, const Explained& subject, const Tensor& images,
    std::span<const int64_t> classes);

}  // namespace limpid::interpret
