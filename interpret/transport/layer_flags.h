// interpret/transport/layer_flags.h: rules that say in words which layer to look at.
//
// Faults are what a network in order does not show. Their thresholds were fixed on ten networks of
// two kinds before any other was looked at, but for the one that says so (tools/reproduce/
// transport_layers.py):
//
//   shuffled    the layer's output cannot be told from that of its own weights in random order:
//               distance <= 3.5 (layer_health.h). Only of layers with 28 weights per unit or more:
//               the few directions of a smaller input leave order little to show. (At 16 the first
//               layer of a ResNet-8, 27 weights per unit, trained without weight decay, was named
//               in 7 of 10 networks in order; 28 was chosen after that.)
//   collapsed   all units say the same: directions < 1.05 with three units or more; or nothing
//   dead        30 % of the units are constant before their activation, or 55 % after it
//   scaled      weights of this layer are larger, or smaller, than usual in the network by more
//               than the factor 5: root mean square times sqrt(fan in), against the median of
//               three layers or more
//
// Damage runs downstream: what comes after a broken layer looks broken too. So faults are listed in
// the order of the network and the first is where to begin.
//
// Remarks are what may be worth a look, also in a network in order (the second conditions of the
// first two were added after networks in order had shown them):
//
//   distance    log kappa_l lies more than 3.5 MAD from the median of the steps, and kappa_l is
//               more than twice the median or less than half of it: where all steps are nearly
//               alike, 3.5 MAD are little
//   separation  D grows by more than 10 %, beyond the spread over subsamples, and the share of the
//               variance between the classes falls. D alone hangs on the two classes that are
//               nearest to each other, and grows where all others part
//   loss        directions fall to less than half while D does not fall
//   twist       W_l^2 / kappa_l < 0.5: examples are moved past each other
//   silent      30 % of the units are constant after their activation
#pragma once

#include "interpret/transport/layer_health.h"
#include "interpret/transport/layer_transport.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

struct FlagRules {
  double shuffled_distance = 3.5;
  int64_t least_fan_in = 28;
  double collapsed_directions = 1.05;
  double constant_share = 0.3;
  double dead_share = 0.55;
  double silent_share = 0.3;
  double scale_factor = 5;
  double kinetic_mad = 3.5;
  double kinetic_factor = 2;
  double separation_growth = 1.1;
  double twist = 0.5;
};

struct LayerFlag {
  std::string layer;
  std::string rule;  // "shuffled", ...
  bool is_fault = false;
  double value = 0, threshold = 0;
  std::string text;    // what was seen, in words
  std::string advice;  // what to try
};

/// Faults first, in the order of the network, then remarks.
std::vector<LayerFlag> layer_flags(
    const NetworkTransport& transport, std::span<const LayerHealth> health,
    const FlagRules& rules = {});

}  // namespace limpid::interpret
