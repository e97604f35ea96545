// tools/reporting.h: what pages show of training runs; serves `report` and `demo`.
#pragma once

#include "framework/io/json.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/report.h"
#include "tools/run_folder.h"
#include "tools/training.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::tools {

class Console;

/// A run on a page.
struct ShownRun {
  std::string name;  // short, and unique on the page
  const RunFolder* folder = nullptr;
  std::vector<EpochLine> curve = {};
};

/// "standard", or the penalty of the run: "cosine penalty, lambda 0.1".
std::string penalty_of(const RunFolder& folder);

/// "0.25 [0.2, 0.3]"; "-" for what is not finite.
std::string with_interval(double mean, const interpret::Interval& interval, int digits);

/// A picture for a grid: photographs are reduced, so that a page of many stays small.
Image for_grid(const Image& image);

/// Loss and, for what they are measured, accuracy and gradient cosine by epoch.
void add_curves(
    interpret::Report& report, const std::string& name, const std::vector<EpochLine>& curve);

struct ComparisonOptions {
  std::vector<std::string> methods = {"gradient", "guided", "grad-cam", "smoothgrad"};
  int64_t count = 6;       // images that are shown
  int64_t measured = 200;  // images that are measured, from the first on
  uint64_t seed = 0;
};

/// Two or more classifiers of the same images, side by side: how clean their gradients are, with
/// paired differences to the first run, and a grid of maps for each method. Images, classes (the
/// labels) and colour scales are the same for all runs. Adds to the open section and returns
/// {"data", "measured", "runs": [{"run", "penalty", "cosine", "variation", ...}]}.
Json add_comparison(
    interpret::Report& report, const std::vector<ShownRun>& runs, const datasets::Dataset& test,
    const ComparisonOptions& options, Console& console);

/// What a command printed with --json, and the file it stands in: pictures are looked for beside
/// it.
struct ResultFile {
  std::string path;
  Json json;
};

/// A section for each result, in the order in which report lists the commands. Throws FormatError
/// naming the file for keys that make no sense.
void add_results(interpret::Report& report, const std::vector<ResultFile>& results);

}  // namespace limpid::tools
