// tools/retraining.h: a network of the same architecture, trained from scratch the plain way.
#pragma once

#include "framework/train/trainer.h"
#include "tools/run_folder.h"

#include <functional>
#include <memory>

namespace limpid::tools {

/// A network of the same architecture with fresh weights. Throws UsageError for one that cannot be
/// made by name.
std::unique_ptr<Module> fresh_network(const RunFolder& folder, uint64_t seed);

struct RetrainingOptions {
  int64_t epochs = 5;
  double lr = 2e-3;
  uint64_t seed = 0;
  std::function<void()> after_epoch = {};
};

/// Trains by Adam with a cosine. Throws Interrupted after Ctrl-C.
void train_plainly(Module& net, const BatchSource& source, const RetrainingOptions& options);

}  // namespace limpid::tools
