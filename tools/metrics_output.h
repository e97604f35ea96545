// tools/metrics_output.h: the figures of `metrics`: table, JSON and definitions.
#pragma once

#include "interpret/metrics/gradient_quality.h"
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

/// A figure of how clean gradients are.
struct QualityFigure {
  std::string key;
  std::string definition;
  std::vector<double> interpret::GradientQuality::*values;  // per image
};
const std::vector<QualityFigure>& quality_figures();

/// Gradient quality: prints one line per figure, with the difference to another model if given.
Json report_gradients(
    const interpret::GradientQuality& quality, const interpret::GradientQuality* other,
    uint64_t seed, const Console& console);

}  // namespace limpid::tools
