// tools/inputs.h: pictures and arrays from files, shaped for a model.
#pragma once

#include "framework/tensor/tensor.h"
#include "tools/run_folder.h"

#include <string>
#include <vector>

namespace limpid::tools {

/// Reads .npy arrays ([N, ...] or one example, values as the data set has them: pixels in [0, 1])
/// and pictures (PNG, JPEG, BMP, PNM; converted to the model's channels, divided by 255) into one
/// tensor [N, ...]. Throws FormatError for damaged files and UsageError, with both shapes, for
/// inputs that do not fit the model.
Tensor read_inputs(const std::vector<std::string>& files, const ModelCard& card);

}  // namespace limpid::tools
