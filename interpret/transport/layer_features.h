// interpret/transport/layer_features.h: where a network has moved its data after each layer.
//
// A network h_{l+1} = F_l(h_l) is read as a flow: layer l is the map Z_l -> Z_{l+1} of the whole
// data set (Sonoda and Murata, JMLR 20, 2019). Two lists are made in one pass in evaluation mode:
//
//   steps    a layer with weights and all that follows it up to the next one: norm, activation,
//            pooling. Residual blocks, attention blocks and other compounds are one step each.
//            Z_0 is the input, Z_l the output of step l as the next step receives it.
//   weighted the layers that hold a weight matrix themselves, inside blocks too, with what they
//            are given
//
// Maps whose examples hold more than `most_values` numbers are averaged over 2 x 2 pixels until
// they do not; LayerFeatures::pooling says how often.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::interpret {

struct LayerFeatures {
  std::string name;     // "input", then the name of the layer that opens the step
  std::string type;     // "Conv2d", "BasicBlock"; empty for the input
  Shape shape;          // of one example, before pooling
  int64_t pooling = 1;  // side of the squares of pixels that were averaged
  Tensor values;        // Z_l [n, d], f32
};

struct WeightedLayer {
  std::string name;
  Module* layer = nullptr;
  std::string step;  // that it belongs to
  Tensor input;      // [n, ...], what it is given
};

struct RecordOptions {
  int64_t batch = 100;
  int64_t most_values = 16'384;        // per example and step
  int64_t examples_for_weights = 200;  // whose inputs are kept for the weighted layers; 0: none
};

struct RecordedLayers {
  std::vector<LayerFeatures> steps;     // the input first
  std::vector<WeightedLayer> weighted;  // in the order in which they run
};

/// Runs the model over inputs [n, ...]. The model is only read. Throws ValueError if no layer has
/// weights and for no inputs or inputs that are not finite, NumericError naming the first layer
/// whose features are not.
RecordedLayers record_layers(
    Module& model, const Tensor& inputs, const RecordOptions& options = {});

}  // namespace limpid::interpret
