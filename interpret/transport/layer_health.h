// interpret/transport/layer_health.h: whether a layer does more than its weights in random order.
//
// The weights W of one layer are put in random order, again and again, and the layer run on what it
// was given. If training fitted the layer to its input, its output stands apart from those of the
// shuffled layers; a layer whose weights were lost is one of them. Nothing but the network and its
// inputs is needed: no healthy twin, no training log.
//
// Input X [n, d] = U S V' (centred, one row per example) is given in three forms, so that all
// directions of the data have a say and not the largest alone; Y is the output, y its rows over
// examples (and positions, of maps):
//
//   spread        log tr Cov(y) for X itself, for U S^(1/2) V' and for U V': how much of the
//                 variance of the input, and of its whitened forms, the weights pick up
//   directions    (tr C)^2 / tr C^2 of C = Cov(y), the participation ratio: how many directions of
//                 the outputs are in use; 1 where all units say the same
//   separation    tr S_b / tr S, with S the scatter of the examples about their mean and S_b that
//                 of their class means: the share of the variance that lies between the classes
//
// z = (own - mean) / deviation against the shuffles; `distance` is the largest |z| of the three
// spreads. The method is limpid's own: the paper asks what a layer does to the distribution, this
// asks whether it is the layer that does it.
#pragma once

#include "interpret/transport/layer_features.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace limpid::interpret {

struct OutputStatistics {
  std::array<double, 3> spread{};  // X, half whitened, whitened
  double directions = 0;
  double separation = 0;  // NaN without labels
};

struct LayerHealth {
  std::string name, step;
  int64_t units = 0;    // outputs: channels of maps
  int64_t fan_in = 0;   // weights per unit
  double constant = 0;  // share of them that give one value for everything, before activation
  OutputStatistics own, z;
  double distance = 0;
  double weight_gain = 0;  // rms of the weights times sqrt(fan in): 1/sqrt(3) at the start
};

struct HealthOptions {
  int64_t shuffles = 50;
  uint64_t seed = 0;
};

/// `labels`: classes of the examples whose inputs were kept, or none. The weights are put back,
/// also if something throws. Throws ValueError for fewer than two shuffles.
LayerHealth layer_health(
    const WeightedLayer& layer, std::span<const int64_t> labels, const HealthOptions& options = {});

}  // namespace limpid::interpret
