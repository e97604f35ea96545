// interpret/transport/euler_steps.h: residual blocks as steps of an Euler method.
//
// Blocks h_{l+1} = h_l + f_l(h_l) of one shape are Euler steps of size 1 of a field that changes
// with depth. What numerical analysis would ask of them:
//
//   size        |f_l| / |h_l|, root mean squares over the examples: how far a step goes
//   doubling    |f_l - f_{l-1}| / |f_l + f_{l-1}|: the error of one step of size 2 with f_{l-1} in
//               place of the two, relative to what the two do. 0: one block would do (merge); above
//               1: the two work against each other, the step is too coarse (more, smaller ones)
//   turn        mean cosine of f_l and f_{l-1} per example: 1 where points move on straight ahead
//
// The features are enough, since f_l = Z_{l+1} - Z_l and Z_l = Z_{l-1} + f_{l-1}.
#pragma once

#include "interpret/transport/layer_features.h"

#include <string>
#include <vector>

namespace limpid::interpret {

struct EulerStep {
  std::string name;
  double size = 0;
  double doubling = 0, turn = 0;  // against the step before; NaN if that has another shape
};

/// Steps whose input and output have one shape, compounds alone (residual and attention blocks); a
/// plain layer is no residual. Empty if there are none.
std::vector<EulerStep> euler_steps(const std::vector<LayerFeatures>& steps);

/// Advice in words, one line per step that gives reason for one: doubling below 0.3 (merge) or
/// above 1 (halve).
std::vector<std::string> euler_advice(const std::vector<EulerStep>& steps);

}  // namespace limpid::interpret
