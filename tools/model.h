// tools/model.h: from MODEL on the command line to a network that can be used.
//
//   RUN                       a run folder, as train leaves it
//   ARCH:FILE.safetensors     weights from anywhere for a network of ours, under the names that
//                             torchvision gives the parameters where it has the network
//   onnx:FILE                 a graph as ONNX describes it, run as it stands
//
// FILE is what follows the last colon. The class count comes from the last weight.
#pragma once

#include "tools/arguments.h"
#include "tools/run_folder.h"

#include <string>

namespace limpid::tools {

class Console;

struct ModelOptions {
  std::string model;
  std::string input_shape;  // "3,32,32"
  std::string normalize;    // imagenet, cifar, or M,S: numbers for all channels or for each
  std::string labels;       // file with one class name per line
  std::string map;          // file that renames tensors
  bool is_partial = false;  // missing and unexpected tensors are allowed, and listed
  int64_t resize = 0;       // pixels of the shorter side of a picture; 0: what the model expects
  int64_t crop = 0;         // pixels, then cut out of the middle; 0: likewise
};

/// The options above; MODEL is positional.
void declare_model(Arguments& a, ModelOptions& o, bool is_required = true);

/// --limit-train, 0 for all.
void declare_limit_train(Arguments& a, int64_t& count);
/// --limit-test, 0 for all; of a trained run also -1, for as many as it was tested on.
void declare_limit_test(Arguments& a, int64_t& count, bool is_of_run = true);

/// Opens the model. Throws UsageError for a MODEL that does not exist or options that do not fit
/// it, FormatError for damaged files and, with the whole list, for missing, unexpected and
/// misshapen tensors.
RunFolder open_model(const ModelOptions& o, Console& console);

/// Throws FormatError naming the first tensor of the model that holds NaN or infinity.
void check_finite(const RunFolder& folder, const std::string& source);

/// Mean and standard deviation per channel from --normalize. Throws UsageError.
datasets::ChannelStatistics normalization(const std::string& text, int64_t channels);

/// "1,8,8" -> [1, 8, 8]. Throws UsageError.
Shape shape_from(const std::string& text);

}  // namespace limpid::tools
