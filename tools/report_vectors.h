// tools/report_vectors.h: sections of a page on support vectors: what the dsv commands wrote.
#pragma once

#include "framework/io/json.h"
#include "interpret/report/report.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::tools {

// Each adds one section for one file; files that it names are looked for under their names and then
// in `folder`. Throws ValueError where a key is missing or of another kind than the command writes,
// FormatError for pictures and vectors that cannot be read.

/// How lambda goes with entropy and margin, and how the multipliers were found.
void add_extraction(interpret::Report& report, const Json& result);
/// What came out of the synthesis, step by step.
void add_synthesis(interpret::Report& report, const Json& result);
/// Before and after, with what adversarial steps cost.
void add_edits(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);
/// The tables of dsv audit with its pictures.
void add_audit(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);

/// A file of support vectors, as dsv extract and synthesize name them.
struct VectorFile {
  std::string title;  // "selected", "synthesised"
  std::string path;
};
/// One row per class: some vectors of each file, side by side. Files of tables are left out.
void add_vectors(
    interpret::Report& report, const std::vector<VectorFile>& files, int64_t most_bytes);

}  // namespace limpid::tools
