// tools/report_results.h: sections of a page made of the JSON that other commands wrote.
#pragma once

#include "framework/io/json.h"
#include "interpret/report/report.h"

#include <cstdint>
#include <string>

namespace limpid::tools {

// Each adds one section for one file, and throws ValueError where a key is missing or of another
// kind than the command writes.

/// The table of maps and controls, curves, the comparison with another model, and what else was
/// asked for.
void add_metrics(interpret::Report& report, const Json& result);

/// Accuracy of each class, and which class is taken for which.
void add_evaluation(interpret::Report& report, const Json& result);

/// How the maps of each method change from layer to layer.
void add_sanity(interpret::Report& report, const Json& result);

/// The pictures, one row per image, looked for under their names and then in `folder`; rows beyond
/// `most_bytes` are left out, and the page says so. Throws FormatError for a picture that cannot be
/// read.
void add_explanations(
    interpret::Report& report, const Json& result, const std::string& folder, int64_t most_bytes);

/// The predictions of a paper with figures and verdicts, below any charts, of a file that
/// tools/reproduce wrote.
void add_predictions(interpret::Report& report, const Json& result);

/// The last part of a path, by which people know a run: "runs/fashion" -> "fashion".
std::string short_name(const std::string& path);

}  // namespace limpid::tools
