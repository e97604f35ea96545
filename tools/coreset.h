// tools/coreset.h: the samples of a data set as selectors see them.
#pragma once

#include "interpret/coreset/last_layer.h"
#include "interpret/coreset/select.h"
#include "tools/run_folder.h"

#include <cstdint>
#include <string>

namespace limpid::tools {

class Console;
class Arguments;

/// Of the methods that watch a training run: networks of the model's architecture are trained from
/// scratch on the same data.
struct WatchedTraining {
  int64_t epochs = 10;
  int64_t runs = 1;  // from different weights; scores are averaged
  uint64_t seed = 0;
};

/// The options --score-epochs and --score-runs.
void declare_watched_training(Arguments& a, WatchedTraining& o);

/// The method of that name. Throws UsageError listing the names.
interpret::SelectorInfo selector_named(const std::string& name);
/// All methods, for --help.
std::string selector_list();

/// What the method needs to know of the samples, and no more: features and logits in one pass of
/// the model, scores by
///   forgetting   events over the epochs of watched trainings, each sample tested after every epoch
///   grand        the gradient norm of the last layer, mean over the same epochs
///   deepfool     minus the distance to another prediction of the model itself
/// `known`, if given, keeps features and logits for the next call. Throws UsageError for an
/// architecture that cannot be made by name, Interrupted after Ctrl-C.
interpret::Samples samples_for(
    const interpret::SelectorInfo& method, const RunFolder& folder, const datasets::Dataset& data,
    const WatchedTraining& training, Console& console, interpret::HeadOutputs* known = nullptr);

}  // namespace limpid::tools
