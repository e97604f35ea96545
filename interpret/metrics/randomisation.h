// interpret/metrics/randomisation.h: whether maps change when the network forgets.
//
// Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, section 3: weights are replaced by
// fresh ones and the maps compared with those of the trained network. A method whose maps stay
// alike does not look at what was learned. Two modes:
//   cascade      from the logits down, one more layer each time
//   independent  each layer alone, the others as they were trained
// A layer is a convolution, a linear layer or another owner of a weight matrix, with the norm that
// follows it. Fresh values are those that the layers of this library start with. The running
// statistics of fresh norms are then measured on the given images, since without that the
// activations, and so the maps, may vanish.
#pragma once

#include "framework/core/rng.h"
#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace limpid::interpret {

/// Tensors that are replaced together.
struct LayerGroup {
  std::string name;                  // of the owner of the weight matrix: "layer1.0.conv1"
  std::vector<std::string> tensors;  // parameters and running statistics
};
/// From the input to the logits, in the order in which the model lists them.
std::vector<LayerGroup> layer_groups(Module& model);

/// Gives the tensors of a group the values that training starts from: `tensors` by name.
void start_afresh(const LayerGroup& group, std::map<std::string, Tensor>& tensors, Rng& rng);

/// The maps of one method for some images.
struct ComparedMaps {
  Tensor raw;    // [N, ...], with its sign
  Tensor shown;  // [N, 1, H, W] in [0, 1]
};
/// All methods' maps of the same images under a model.
using MapFunction = std::function<std::vector<ComparedMaps>(Module&)>;

/// How alike one method's maps are before and after; one number per image, NaN for a flat map.
struct RandomisedLayer {
  std::string layer;                 // the last one replaced
  std::vector<double> spearman;      // of the raw maps
  std::vector<double> spearman_abs;  // of their absolute values
  std::vector<double> ssim;          // of the shown maps
};

enum class RandomisationMode : uint8_t { cascade, independent };

struct RandomisationOptions {
  RandomisationMode mode = RandomisationMode::cascade;
  uint64_t seed = 0;
  /// Called after each layer; ends the test early if it returns false.
  std::function<bool(int64_t done, int64_t total)> progress = {};
};

/// Results [method][layer], layers in the order of their replacement, from the logits down.
/// `twin` is a second network of the same structure, which is overwritten; the model is only read.
/// `images` [N, ...] serve the statistics of norms. Throws ValueError if the two differ.
std::vector<std::vector<RandomisedLayer>> randomisation_test(
    Module& model, Module& twin, const Tensor& images, const MapFunction& maps,
    const RandomisationOptions& options = {});

}  // namespace limpid::interpret
