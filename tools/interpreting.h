// tools/interpreting.h: an interpreter over a data set; serves `coreset interpret` and `grow`.
#pragma once

#include "interpret/coreset/grow.h"
#include "interpret/coreset/interpreter.h"
#include "interpret/coreset/select.h"
#include "tools/coreset.h"
#include "tools/model.h"

#include <memory>
#include <string>
#include <vector>

namespace limpid::tools {

struct InterpretingOptions {
  ModelOptions model;
  std::string data;
  std::string interpreter = "vebi";
  std::vector<std::string> layers;
  std::string classes = "usual";
  double mu_share = 0.5;
  double mu = 0;     // 0: by share
  double alpha = 0;  // 0: by share
  double ridge = 1e-3;
  int64_t concepts = 0;
  bool is_joint = false;
  int64_t probe = 200;
  WatchedTraining training;
};

void declare_interpreting(Arguments& a, InterpretingOptions& o);

/// A model, the training part of the data and an interpreter of the one on the other.
struct Interpreted {
  RunFolder folder;
  datasets::Dataset data;
  datasets::Dataset test;
  std::vector<int64_t> labels;
  std::unique_ptr<interpret::Interpreter> interpreter;
  std::string layers;              // that it looks at, for people
  std::vector<std::string> notes;  // what a reader must know
};
/// Functions are compared on images of the test part. Throws UsageError for options that do not fit
/// the model.
std::unique_ptr<Interpreted> open_interpreted(
    const InterpretingOptions& o, const Common& common, Console& console);

/// All samples with what the interpreter knows of them, for methods that prefer it: it has to see
/// all of them.
interpret::Samples samples_with_rows(Interpreted& all);

/// {mean, ci: [low, high]}, null for what has no meaning.
Json to_json(const interpret::Estimate& estimate);

}  // namespace limpid::tools
