// interpret/coreset/last_layer.h: what a trained network says about samples in one forward pass.
//
// The last layer is x = W h + b. The slope of the cross-entropy of sample i by the logits is g_i =
// p_i - e_{y_i}, and by (b, W) it is G_i = [g_i; g_i h_i'], K (d + 1) numbers. A sum of such
// gradients fits into memory, one for each sample does not and need not.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "framework/train/trainer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::interpret {

/// Features before the last layer and logits of all examples of a source.
struct HeadOutputs {
  Tensor hidden;      // h [n, d] f32; maps [C, H, W] are averaged over their positions
  Tensor logits;      // [n, K] f32
  std::string layer;  // the last layer with weights, whose input h is
};
/// One pass over epoch 0 of the source in evaluation mode. Throws ValueError if no layer has
/// weights or one runs on something else than examples, and for an empty source.
HeadOutputs head_outputs(Module& model, const BatchSource& source);

/// sum_i w_i G_i.
struct HeadGradient {
  Tensor bias;    // [1, K]
  Tensor weight;  // [K, d]
};
/// The plain sum: slopes g [n, K], features h [n, d], f32.
HeadGradient gradient_sum(const Tensor& g, const Tensor& h);
/// <G_j, v> = g_j' (v_bias + v_weight h_j) for each sample.
std::vector<double> products_with(const HeadGradient& v, const Tensor& g, const Tensor& h);

}  // namespace limpid::interpret
