// tools/run_folder.h: a trained model with everything needed to use it, as train leaves it.
//
// config.json       {"schema", "command", "options": every option of train, "model": see below}
// last.safetensors  weights, optimiser state and progress        best.safetensors  weights alone
// metrics.jsonl     one line per epoch
#pragma once

#include "datasets/datasets.h"
#include "framework/io/json.h"
#include "framework/nn/models.h"
#include "framework/train/trainer.h"

#include <memory>
#include <string>
#include <vector>

namespace limpid::tools {

struct Common;

enum class Task : uint8_t { classify, regress, reconstruct };
const char* name_of(Task task);
/// Throws UsageError for another name.
Task task_named(const std::string& name);

/// What a network was trained for: the "model" part of config.json.
struct ModelCard {
  std::string architecture;  // "mlp:64-32"
  Shape input;               // one example
  std::vector<std::string> class_names;
  std::vector<double> mean, std;  // per channel; inputs are (x - mean) / std
  std::string data;               // the --data it was trained on
  int64_t resize = 0, crop = 0;   // pixels: how a photograph is prepared; 0: not at all
  Task task = Task::classify;
  double target_mean = 0, target_std = 1;  // of the targets, to regress

  int64_t classes() const { return static_cast<int64_t>(class_names.size()); }
  /// Numbers that the network gives per example: one per class, one, or one per input.
  int64_t outputs() const;
};

Json to_json(const ModelCard& card);
/// Throws FormatError naming the file if a key is missing or makes no sense.
ModelCard card_from_json(const Json& json, const std::string& path);

struct RunFolder {
  std::string path;
  ModelCard card;
  Json config;
  std::unique_ptr<Module> model;
};

/// What people call it: the path of its run, or the architecture of weights from elsewhere.
const std::string& name_of(const RunFolder& folder);

/// A class of the model by its number or, failing that, by its name: "3", "cat". Throws UsageError
/// naming `what` and the classes.
int64_t class_from(const std::string& text, const ModelCard& card, const std::string& what);

/// Opens a run folder and loads its last weights. Throws UsageError if it is no such folder,
/// FormatError if its files are damaged.
RunFolder open_run(const std::string& path);

/// The data that --data names, with the run's own split unless options say otherwise; refused with
/// both shapes in the text if it does not fit the model. Where the model knows all names of classes
/// in the data, each class gets the model's number for its name.
datasets::Split load_data(
    const std::string& spec, const datasets::LoadOptions& options, const ModelCard* card);

/// "3 files that are no pictures were passed over: a/notes.txt, ..."; empty if there are none.
std::string passed_over_note(const datasets::Split& split);

/// Both parts of --data (the run's own data if that is empty), with the split of the run; so many
/// test examples as the run had if limit_test is negative, all if it is 0. Throws UsageError if
/// there is no test part.
datasets::Split parts_of(
    const std::string& spec, const Common& common, const RunFolder& folder,
    int64_t limit_test = -1);
/// The test part alone.
datasets::Dataset test_part(
    const std::string& spec, const Common& common, const RunFolder& folder,
    int64_t limit_test = -1);

/// Batches of a set for the trainer.
BatchSource batches_of(const datasets::Dataset& data, const datasets::BatchOptions& options);

/// All examples of a set in file order, standardised as the model expects.
BatchSource source_in_order(
    const datasets::Dataset& data, const ModelCard& card, int64_t batch = 250);

/// Logits of standardised images in evaluation mode, some at a time: [N, K].
Tensor logits_of(const RunFolder& folder, const Tensor& images);

/// Images as the model expects them: (x - mean) / std per channel.
Tensor standardised(const Tensor& images, const ModelCard& card);

/// The --data-dir in force: the option, or the default of the data sets.
std::string data_folder(const std::string& option);

/// Makes a folder and its parents. Throws Error naming the path.
void make_folder(const std::string& path);

}  // namespace limpid::tools
