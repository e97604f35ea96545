// interpret/support_vectors/retraining.h: what support vectors are worth: networks from them.
//
// Paper    Deep Support Vectors (arXiv 2403.17329), section 5.1 and table 2: a network of fresh
//          weights sees the vectors alone. Every set that is compared gets the same number of
//          steps. The labels are classes (the paper), or what the first network says of them; the
//          loss of a vector may be weighted by lambda or alpha.
//
// And without any training: where stationarity holds, the weights of a layer are those of
// theta_hat = -sum_i lambda_i g_i.
//
// Shapes   images [n, ...] standardised, targets [n, K] distributions, weights [n].
#pragma once

#include "framework/nn/models.h"
#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <string>

namespace limpid::interpret {

struct RetrainOptions {
  std::string architecture;
  int64_t steps = 2000;         // of Adam, whatever the size of the set
  int64_t batch = 64;           // vectors per step; all of them if there are fewer
  double learning_rate = 1e-3;  // the paper's 1e-4 needs more steps than this
  double weight_decay = 0;
};

/// A network of fresh weights, trained on the vectors with the loss mean of w_i CE(p_i, t_i), the
/// weights scaled to mean 1; undefined weights count as 1. A function of its arguments and `seed`.
/// Throws ShapeError for sizes that do not fit, ValueError for weights that are negative or all 0,
/// and as make_model does.
std::unique_ptr<Module> retrained(
    const ModelShape& shape, const Tensor& images, const Tensor& targets, const Tensor& weights,
    const RetrainOptions& options, uint64_t seed);

struct LayerFromVectors {
  std::string layer;    // "fc3"
  NamedTensors values;  // theta_hat of its parameters, under their names
  double cosine = 0;    // with the parameters themselves, over weight and bias together
};
/// theta_hat of the last layer with parameters.
LayerFromVectors last_layer_from_vectors(
    Module& model, const Tensor& images, const Tensor& targets, const Tensor& lambda);

}  // namespace limpid::interpret
