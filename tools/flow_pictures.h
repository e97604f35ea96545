// tools/flow_pictures.h: flows of points as pictures: where they go, the field, how they gather.
#pragma once

#include "framework/io/json.h"
#include "interpret/transport/flow.h"

#include <string>

namespace limpid::tools {

struct FlowPictures {
  const interpret::Law& law;
  const interpret::Flow& layers;
  const interpret::Flow& shallow;
  const interpret::Flow* limit = nullptr;
  double noise_variance = 0;
};

/// Writes trajectories.svg, density.svg and, in one or two dimensions, field.svg into the folder;
/// returns their paths. More dimensions are shown along the two principal axes of the start.
Json draw_flows(const FlowPictures& flows, const std::string& folder);

}  // namespace limpid::tools
