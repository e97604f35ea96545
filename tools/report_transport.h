// tools/report_transport.h: sections of a page on transport: what the transport commands wrote.
#pragma once

#include "framework/io/json.h"
#include "interpret/report/report.h"

#include <cstdint>
#include <string>

namespace limpid::tools {

// Each adds one section for one file; pictures that it names are looked for under their names and
// then below `folder`, and those beyond `most_bytes` are left out, which the page says. Throws
// ValueError where a key is missing or of another kind than the command writes, FormatError for a
// picture that cannot be read.

/// What to read first in words, then layers, faults and remarks, Euler steps, pictures.
void add_layer_transport(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);
/// Before, after and without the change, with the verdict.
void add_layer_change(interpret::Report& report, const Json& result);
/// Layers beside their null bands, classes, the kind of shift.
void add_layer_shift(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);
/// Many thin layers beside a thick one and the continuous limit.
void add_denoisers(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);
/// Spectrum, reconstruction and units drawn from it.
void add_ridgelets(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);

}  // namespace limpid::tools
