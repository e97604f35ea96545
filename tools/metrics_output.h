// tools/metrics_output.h: the figures of `metrics`: table, JSON and definitions.
#pragma once

#include "interpret/numerics/statistics.h"
#include "tools/measuring.h"

#include <string>
#include <vector>

namespace limpid::tools {

/// A figure of merit: the mean over images of one number each.
struct Figure {
  std::string key;                                           // in JSON
  std::string title;                                         // of the column
  std::string definition;                                    // printed below the table
  int digits = 0;                                            // after the point
  std::vector<double> (*values)(const MeasuredMethod& row);  // per image; empty: not measured
};
/// In the order of the columns.
const std::vector<Figure>& figures();

/// The mean of the finite values and its interval.
struct Summary {
  double mean = 0;
  interpret::Interval interval;
};
Summary summary(const std::vector<double>& values, uint64_t seed);
/// Of b - a over the images that are kept and where both are finite.
interpret::PairedTest paired(
    const std::vector<double>& a, const std::vector<double>& b, const std::vector<bool>& keep,
    uint64_t seed);

/// "mean [low, high]".
std::string cell(const Summary& s, int digits);
/// The same of the differences, and "p 0.0123".
std::string difference_text(const interpret::PairedTest& test, int digits);
Json pair_of(const interpret::Interval& interval);

/// Table, definitions and notes on stdout, and the same as JSON keys.
void print_rows(const Measurement& m, uint64_t seed, const Console& console);
Json rows_json(const Measurement& m, uint64_t seed);
Json definitions_json(const Measurement& m);

/// The differences between two models on the same images, row by row, over those that are kept.
void print_differences(
    const Measurement& a, const Measurement& b, const std::vector<bool>& keep, uint64_t seed,
    const Console& console);
Json differences_json(
    const Measurement& a, const Measurement& b, const std::vector<bool>& keep, uint64_t seed);

}  // namespace limpid::tools
