// tools/report_shallow.h: sections of a page on shallow networks: what the shallow commands wrote.
#pragma once

#include "framework/io/json.h"
#include "interpret/report/report.h"

#include <cstdint>
#include <string>

namespace limpid::tools {

// Each adds one section for one file; pictures that it names are looked for under their names and
// then in `folder`. Throws ValueError where a key is missing or of another kind than the command
// writes, FormatError for a picture that cannot be read.

/// Counts by layer beside their bounds, the forms beside the deep network, fine-tuning.
void add_shallow_forms(interpret::Report& report, const Json& result);
/// The picture of the regions.
void add_shallow_regions(interpret::Report& report, const Json& result, const std::string& folder);
/// Importance, values of examples and their pictures; those beyond `most_bytes` are left out.
void add_shallow_values(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);
/// Distances to the decision boundary, beside what attacks found.
/// Throws ValueError if a key is missing.
void add_shallow_visited(interpret::Report& report, const Json& result);
void add_shallow_certificates(interpret::Report& report, const Json& result);

}  // namespace limpid::tools
