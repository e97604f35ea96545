// interpret/saliency/methods.h: every saliency method behind one call, by name.
//
//     const Explained subject{*model, &find_layer(*model, "layer3"), mean, deviation};
//     const Maps maps = saliency_maps("grad-cam", subject, images, classes);
//
// One call for all, because whoever compares methods (a metric, a sanity check, a report) wants to
// run them under the same conditions and to be told alike where a map says nothing.
//
// Two kinds of map. A picture of the image's own size has a sign and a value per channel
// (gradients, relevances) and is shown by its largest absolute value over the channels. A map of
// evidence, often coarser than the image (class activation maps, occlusion, RISE), is shown as
// relu, then min-max to [0, 1], then bilinear resizing, in this order.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// Numbers of the methods that sample, step or slide.
struct SaliencySettings {
  int64_t noisy_copies = 25;  // smoothgrad and smooth:METHOD; 25 and 0.15 are the reference's
  double noise_level = 0.15;  // sigma / (max x - min x)
  int64_t steps = 50;         // integrated gradients
  int64_t window = 0;         // occlusion, pixels; 0: an eighth of the shorter side
  int64_t stride = 0;         // occlusion, pixels; 0: half a window
  bool divides_by_coverage = false;  // occlusion: mean instead of sum over a pixel's windows
  int64_t masks = 0;                 // RISE; 0: 1000, or 4000 for images over 64 pixels
  int64_t cells = 0;                 // RISE, per side; 0: 4, or 7 for images over 64 pixels
  double keep = 0.5;                 // RISE: probability of a cell to be seen
  int64_t opti_steps = 50;           // Opti-CAM
};

/// What is explained. The model runs in evaluation mode and is not written to.
struct Explained {
  Module& model;
  const Module* layer = nullptr;  // whose output is weighted, for methods that need one
  /// The network sees (pixel - mean) / deviation, [C] or [1] each; undefined: pixels themselves.
  /// Methods that mask do it in pixel space, where 0 is black.
  Tensor mean = {};
  Tensor deviation = {};
  uint64_t seed = 0;  // of the methods that draw random numbers
  SaliencySettings settings = {};
};

struct MethodInfo {
  std::string name;
  std::string what;           // one line with its source
  bool needs_layer = false;   // weights the output of a layer
  bool needs_images = false;  // tables [N, D] are refused
  bool is_slow = false;       // needs hundreds of forward passes per image
  bool can_smooth = false;    // there are smooth:NAME and smooth:N:NAME
};

/// All methods, in the order in which people list them.
const std::vector<MethodInfo>& saliency_methods();
/// The method of that name. "smooth:NAME" is the mean of NAME's raw maps over noisy copies of the
/// image, as smoothgrad is that of gradient; it exists where can_smooth says so. "smooth:N:NAME"
/// has N copies, 1 to 1000, in place of the settings': N = 1 is one noisy copy, and no noise at all
/// is NAME itself. The copies of a smaller N are the first of a larger one. All images see the same
/// noise, so that a map does not depend on the others. Throws ValueError listing the names.
MethodInfo saliency_method(const std::string& name);

/// What a method's values add up to, and what they should: the difference of two class scores.
struct Completeness {
  double total = 0;
  double difference = 0;
};

struct Maps {
  Tensor raw;    // as the method defines it: [N, C, H, W], or [N, 1, h, w] at the layer's size
  Tensor shown;  // [N, 1, H, W]: magnitudes over channels, or relu and min-max to [0, 1], resized
  std::vector<std::string> notes;  // one per image: empty, or why the map is flat or not finite
  std::vector<Completeness> completeness = {};  // one per image, or none if the method has no sum
  bool is_evidence = false;  // relu and min-max; else raw is shaped like the images
};

/// images [N, C, H, W] as the network sees them, one class per image; the gradient methods take
/// tables [N, D] too, whose maps are shown as [N, D]. A flat or non-finite map is shown as zeros
/// with a note. Throws ValueError for an unknown name, a missing layer or a class out of range,
/// ShapeError for a layer without a spatial map.
Maps saliency_maps(
    const std::string& method, const Explained& subject, const Tensor& images,
    std::span<const int64_t> classes);
/// The same for several methods; what they have in common is computed once.
std::vector<Maps> saliency_maps(
    std::span<const std::string> methods, const Explained& subject, const Tensor& images,
    std::span<const int64_t> classes);

/// Names of the layers whose output has more than one position, in order: maps [N, K, h, w] or
/// tokens on a grid. `input` is the shape of one example.
std::vector<std::string> spatial_layers(Module& model, const Shape& input);

}  // namespace limpid::interpret
