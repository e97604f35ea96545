// tools/report_coreset.h: sections of a page on interpretations with little data.
#pragma once

#include "framework/io/json.h"
#include "interpret/report/report.h"

#include <cstdint>
#include <string>

namespace limpid::tools {

// Each adds one section for one file; pictures that it names are looked for under their names and
// then in `folder`, and left out beyond `most_bytes`. Throws ValueError where a key is missing or
// of another kind than the command writes, FormatError for pictures that cannot be read.

/// Similarity by fraction with intervals, beside the random band, floor and chance; where the time
/// goes; chosen images, relevant units or concepts.
void add_protocol(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);
/// The stages of `coreset grow`, why it ended, and what was found.
void add_growth(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);

}  // namespace limpid::tools
