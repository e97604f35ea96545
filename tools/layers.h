// tools/layers.h: every layer of a network with shape and size; serves `layers` and `report`.
#pragma once

#include "tools/run_folder.h"

#include <string>
#include <vector>

namespace limpid::tools {

struct LayerRow {
  std::string name, type;
  Shape output;  // of one example
  int64_t parameters = 0;
  int64_t macs = 0;  // multiplications with an addition, for one example
  bool is_spatial = false;
};

/// In the order of the network's state; a layer stands before those inside it.
std::vector<LayerRow> layer_rows(const RunFolder& folder);

}  // namespace limpid::tools
