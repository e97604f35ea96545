// tools/removing.h: networks trained again without the pixels that maps point at (ROAR).
#pragma once

#include "tools/measuring.h"

#include <string>
#include <vector>

namespace limpid::tools {

struct RemovingOptions {
  std::vector<std::string> methods;
  std::string layer;
  std::vector<double> shares;  // of the pixels, in [0, 1]
  int64_t epochs = 5;
  uint64_t seed = 0;
};

/// Test accuracies of one method or control.
struct Removal {
  std::string name;
  bool is_control = false;
  std::vector<double> accuracy;  // per share
};

/// Maps of all training and test images of the data for their labels, then one training from
/// scratch per method and share; the controls are random and smooth random maps.
std::vector<Removal> remove_and_retrain_all(
    const RunFolder& folder, const datasets::Split& data, const RemovingOptions& options,
    Console& console);

/// "10,50" as shares. Throws UsageError unless each is a percentage in 0 ... 100.
std::vector<double> shares_from(const std::vector<std::string>& texts);

}  // namespace limpid::tools
