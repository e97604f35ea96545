// tools/extracting.h: support vectors of a part of the data; serves dsv extract and audit.
#pragma once

#include "interpret/support_vectors/extraction.h"
#include "tools/run_folder.h"
#include "tools/support_file.h"

#include <string>
#include <vector>

namespace limpid::tools {

class Console;

/// Price of lambda unless options say otherwise, in units of the steepest slope at lambda = 0.
inline constexpr double kUsualRho = 0.01;

/// Images as the model takes them, in its type.
Tensor model_images(const Tensor& images, const RunFolder& folder);

/// Multipliers of a part of the data, with progress under the name `part`. Throws UsageError where
/// options or data do not suit, Interrupted after Ctrl-C.
interpret::SupportVectors extracted(
    const RunFolder& folder, const datasets::Dataset& data, interpret::SupportOptions options,
    const std::string& part, Console& console);

/// The samples chosen, with what a file keeps of them.
SupportSet support_set(
    const datasets::Dataset& data, const interpret::SupportVectors& vectors,
    const std::vector<int64_t>& chosen, const std::map<std::string, std::string>& metadata = {});

}  // namespace limpid::tools
