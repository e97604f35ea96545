// tools/training.h: one training run, from options to run folder; serves `train` and `demo`.
#pragma once

#include "framework/autograd/profile.h"
#include "tools/arguments.h"
#include "tools/objective.h"
#include "tools/penalty.h"
#include "tools/run_folder.h"

#include <string>
#include <vector>

namespace limpid::tools {

struct TrainingOptions {
  std::string data;
  std::string model;
  std::string task = {};  // classify, regress, reconstruct; empty: what the model is for
  int64_t epochs = 10;
  int64_t batch = 64;
  std::string optimizer = "adam";
  double lr = 2e-3;
  double momentum = 0.9;  // sgd only
  bool nesterov = false;  // sgd only
  std::string schedule = "cosine";
  int64_t warmup = 0;  // epochs
  double weight_decay = 0;
  bool decay_weights_only = false;
  double clip = 0;
  double label_smoothing = 0;
  bool class_weights = false;  // inverse to the frequency of each class
  double ema = 0;              // decay of averaged weights; 0: no averages
  PenaltyOptions penalty = {};
  std::string augment = "none";
  int64_t resize = 0;                    // pixels, of images:FOLDER
  std::string normalize = {};            // in place of the statistics of the training part
  std::string init = {};                 // run folder to start from
  std::vector<std::string> freeze = {};  // patterns of parameter names
  double validation = 0;                 // share of the training part that is held out; 0: none
  int64_t patience = 0;  // epochs without a better validation loss; 0: go on to the end
  std::string label_column = {};
  int64_t limit_train = 0;
  int64_t limit_test = 0;
  double test_fraction = 0.2;
  int64_t split_seed = 0;
  int64_t stop_after_epoch = 0;  // 0: not before the end
  bool anomaly = false;          // stop at the first op that makes a NaN or an infinity
  bool profile = false;          // measure time and bytes of each op
  bool resume = false;
  bool replaces = false;  // may replace a run in the same folder
};

/// One line of metrics.jsonl. Accuracies are NaN where there are no classes, validation figures
/// where nothing is held out, the cosine without --interpretable-gradients.
struct EpochLine {
  int64_t epoch = 0;
  double learning_rate = 0, train_loss = 0, train_accuracy = 0, test_loss = 0, test_accuracy = 0;
  double validation_loss = 0, validation_accuracy = 0, gradient_cosine = 0;
};

struct TrainingResult {
  std::string run;  // the folder
  std::vector<EpochLine> curve;
  Evaluation test;
  double train_accuracy = 0;            // of the last epoch, as its weights changed
  double gradient_cosine = 0;           // of the test set, with --interpretable-gradients
  int64_t best_epoch = 0;               // whose weights are in best.safetensors
  std::vector<OpProfile::Row> profile;  // with --profile
  int64_t parameters = 0;
  double images_per_second = 0;
  datasets::Split split;
  RunFolder folder;
};

/// The lines of metrics.jsonl, at most so many. Throws FormatError.
std::vector<EpochLine> read_curve(const std::string& path, int64_t most = INT64_MAX);

/// Trains and writes the run folder after every epoch. `config` is what config.json keeps of the
/// options. Throws UsageError for names and combinations that make no sense.
TrainingResult train_run(
    const TrainingOptions& options, const Json& config, const std::string& folder,
    const Common& common, Console& console);

/// A folder name for a run that was given none: runs/DATA-MODEL-seedN, numbered if it exists.
std::string fresh_run_folder(const TrainingOptions& options, int64_t seed);

}  // namespace limpid::tools
