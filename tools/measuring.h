// tools/measuring.h: saliency maps of one model scored by every metric; serves `metrics`.
#pragma once

#include "interpret/metrics/confidence.h"
#include "interpret/metrics/insertion_deletion.h"
#include "interpret/saliency/methods.h"
#include "tools/run_folder.h"

#include <string>
#include <vector>

namespace limpid::tools {

class Console;

/// Images with everything that metrics know about them.
struct MeasuredImages {
  Tensor pictures;               // [N, C, H, W], raw values
  Tensor masks;                  // [N, 1, H, W], undefined for most data
  Tensor labels;                 // [N]
  std::vector<int64_t> classes;  // explained and scored
};

struct MeasuringOptions {
  std::vector<std::string> methods = {};
  std::vector<std::string> controls = {};  // ones, centre, random, shuffled
  std::string layer = {};                  // empty: the last spatial one, where a method needs one
  interpret::StepOptions steps = {};
  double tolerance = 0;    // pixels, of the pointing game
  bool has_curves = true;  // insertion and deletion
  bool has_sensitivity = false;
  bool has_roughness = false;
  uint64_t seed = 0;
};

/// One row of the table; per image where a vector has N entries.
struct MeasuredMethod {
  std::string name;
  bool is_control = false;
  bool is_slow = false;
  std::string same_as;  // an earlier method whose maps are equal to 1e-6; figures are its own
  int64_t flat = 0;     // images whose map says nothing; it is scored as black
  interpret::Confidence confidence;
  interpret::Curves deletion, insertion;  // empty without curves
  std::vector<double> hits, energy;       // pointing games; empty without masks
  double class_mean_hits = 0;             // mean over the labels of the share of hits
  std::vector<double> sensitivity;        // mean over n; empty unless asked for
  std::vector<double> roughness;          // of the map as it is shown; empty unless asked for
  std::vector<double> guided_cosine;      // the same; empty too for controls and for evidence
  double map_seconds = 0, score_seconds = 0;
};

struct Measurement {
  std::string layer;  // empty if no method needs one
  int64_t step = 0, steps = 0;
  std::vector<MeasuredMethod> rows;
};

/// Throws UsageError for methods, controls and layers that do not exist; before any work is done.
void check_measuring(const RunFolder& folder, const MeasuringOptions& options);

/// The maps of each method as masks in [0, 1], [N, 1, H, W]: coarse maps as they are shown, those
/// of the image's size stretched to [0, 1].
Tensor as_masks(const interpret::Maps& maps);

Measurement measure(
    const RunFolder& folder, const MeasuredImages& images, const MeasuringOptions& options,
    Console& console);

}  // namespace limpid::tools
