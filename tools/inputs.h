// tools/inputs.h: pictures and arrays from files, shaped for a model.
#pragma once

#include "framework/tensor/tensor.h"
#include "tools/run_folder.h"

#include <string>
#include <vector>

namespace limpid::tools {

struct Examples {
  Tensor values;                   // [N, ...]
  std::vector<std::string> names;  // N: "cat.png", or "x.npy" and "x.npy[3]" for one of several
};

/// Reads .npy arrays ([N, ...] or one example, values as the data set has them: pixels in [0, 1])
/// and pictures (PNG, JPEG, BMP, PNM; converted to the model's channels, divided by 255); a folder
/// stands for the pictures in it, by name. Throws FormatError for damaged files and for folders
/// without pictures, and UsageError, with both shapes, for inputs that do not fit the model.
Examples read_inputs(const std::vector<std::string>& files, const ModelCard& card);

/// What --input takes, for --help.
inline constexpr const char* kInputHelp =
    "pictures, folders of pictures or .npy arrays, comma-separated";

}  // namespace limpid::tools
