// tools/synthesising.h: options and pictures of dsv synthesize, generate and edit.
#pragma once

#include "framework/tensor/tensor.h"
#include "interpret/support_vectors/synthesis.h"
#include "tools/arguments.h"
#include "tools/run_folder.h"

#include <string>
#include <vector>

namespace limpid::tools {

class Console;

/// What the command line says about a synthesis.
struct SynthesisArguments {
  int64_t steps = 1000;
  double lr = 0.1;
  std::string distance = "cosine";
  std::string average = "tensor";
  std::string route = "double";
  double eta = 5;
  bool views_only = false;
  interpret::ViewOptions view = {};
  std::vector<std::string> weights = {"1", "3", "3", "3"};
  bool literal_weights = false;
  bool no_mask = false;
  double margin = 5;
  bool averages_variation = false;
  std::string size = "squared";
  double lambda_move = 0.05;
  int64_t length_every = 20;
  std::string infeasible = "drop";
  double warmup = 0.1;
  int64_t exact_every = 0;
  int64_t start_scale = 1;
  int64_t basis = 1;
  bool no_clamp = false;
  std::vector<std::string> freeze = {};
};

void declare_synthesis(Arguments& a, SynthesisArguments& o);

/// Options for the network of a folder; pixels are kept in the range of pictures, [0, 1], unless
/// --no-clamp says otherwise. Freezes the parameters that --freeze names. Throws UsageError.
interpret::SynthesisOptions synthesis_options(
    const SynthesisArguments& o, const RunFolder& folder, uint64_t seed);

/// x std + mean per channel: standardised images as the data set has them.
Tensor as_data(const Tensor& images, const ModelCard& card);

/// The weights b_0 ... b_3 as numbers.
Json to_json(const interpret::Terms& terms);
/// A line of the trace. Per-class figures only where `wants_classes`.
Json to_json(const interpret::TracePoint& point);

/// One row per class, one column per image of it, [0, 1] images [n, C, H, W].
void save_class_grid(
    const std::string& path, const Tensor& images, const std::vector<int64_t>& classes);

/// Share of images, as the data set has them, that another network classifies as their class: the
/// features of a class are shared by networks that learned it, those of one network are not.
/// Throws UsageError for a network of other inputs or classes.
struct Judgement {
  std::string model;
  double accuracy = 0, probability = 0;  // share classified as the class; mean probability of it
};
std::vector<Judgement> judged(
    const std::vector<std::string>& judges, const Tensor& images,
    const std::vector<int64_t>& classes, const ModelCard& card, Console& console);

/// "FILE.safetensors" -> "FILE.png".
std::string with_ending(const std::string& path, const std::string& ending);

/// A number of a list. Throws UsageError naming the option.
double number_from(const std::string& text, const std::string& option);

}  // namespace limpid::tools
