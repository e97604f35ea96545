// tools/gradient_output.h: the figures of `metrics --gradients`: measured, printed and as JSON.
#pragma once

#include "interpret/gradient_penalty/shift.h"
#include "interpret/metrics/gradient_quality.h"
#include "tools/run_folder.h"

#include <cstdint>
#include <string>
#include <vector>

namespace limpid::tools {

class Console;

/// A figure of how clean gradients are.
struct QualityFigure {
  std::string key;
  std::string definition;
  std::vector<double> interpret::GradientQuality::*values;  // per image
};
const std::vector<QualityFigure>& quality_figures();

/// What the gradient of the loss by the image is like, and what becomes of images moved along it.
struct GradientFigures {
  interpret::GradientQuality quality;
  interpret::ShiftFigures shift;
};

/// images [N, C, H, W] standardised, one label per image.
GradientFigures gradient_figures(
    const RunFolder& folder, const Tensor& images, const Tensor& labels, uint64_t seed);

/// Prints one line per figure with its definition, and with the difference to another model on the
/// same images if given.
Json report_gradients(
    const GradientFigures& figures, const GradientFigures* other, uint64_t seed,
    const Console& console);

}  // namespace limpid::tools
