// datasets/dataset.h: labelled examples in memory, and how to select, split and describe them.
//
// Values stay as they were read, scaled to [0, 1]; standardisation is the last step before the
// network (standardise below, and Batches), so that pictures can be drawn from the same values.
//
// Shapes   images [N, C, H, W], or features [N, D] of a table; labels [N]; masks [N, 1, H, W]
// Axis 1 is the channel axis of both forms: a table has one channel per feature.
#pragma once

#include "datasets/examples.h"
#include "framework/core/shape.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::datasets {

/// N labelled examples. Copying copies handles, never values.
/// For classification the labels are i64, each in 0 ... classes - 1; for regression they are the
/// f32 targets, and there are no classes.
struct Dataset {
  std::string name = {};                      // as on the command line: "digits", "idx:FOLDER"
  Examples images = {};                       // [N, C, H, W] or [N, D]
  Tensor labels = {};                         // [N], i64 or f32
  int64_t classes = 0;                        // the same for training and test part
  std::vector<std::string> class_names = {};  // one per class
  std::vector<std::string> files = {};        // where each example came from; empty for most data
  Tensor masks = {};                          // [N, 1, H, W], f32, 1 on the object; often undefined

  /// N; 0 for a set that was never filled.
  int64_t size() const { return labels.defined() ? labels.numel() : 0; }
  bool is_empty() const { return size() == 0; }
  /// Labels are targets, not classes.
  bool is_regression() const { return labels.defined() && labels.dtype() == DType::f32; }
  /// Shape of one example: [C, H, W] or [D]. Throws GraphError on an unfilled set.
  Shape example_shape() const;
};

/// A training part and a test part with the same classes; `test` is empty if the source has none.
struct Split {
  Dataset train = {};
  Dataset test = {};
  std::vector<std::string> passed_over = {};  // files among the pictures of a folder that are none
};

/// Checks that a set can be used: some examples, as many labels and masks as images, f32 values,
/// i64 labels in range with a name per class, or finite f32 targets without classes.
/// Throws ValueError, ShapeError or DTypeError, naming op.
void check_dataset(const char* op, const Dataset& dataset);

/// Checks that every label lies in 0 ... classes - 1. Throws FormatError `file: label i: ...`.
void check_labels(const Tensor& labels, int64_t classes, const std::string& file);

/// Names "0" ... "classes - 1", for sets that come without names.
std::vector<std::string> numbered_classes(int64_t classes);

// ---- Selecting ----

/// The examples at these positions, in this order; a position may occur more than once.
/// Throws as check_dataset and gather do.
Dataset take(const Dataset& dataset, std::span<const int64_t> indices);
/// The first n examples, or all if there are fewer.
Dataset first(const Dataset& dataset, int64_t n);

/// A class-balanced cut of n examples in file order: n places are dealt to the classes in turn,
/// and each class fills its places with its first examples. A class that runs out passes its
/// turn. Targets count as one class. n >= size() gives the whole set. Throws ValueError unless
/// n >= 1.
Dataset limit_balanced(const Dataset& dataset, int64_t n);

/// Splits every class at random into about (1 - fraction) for training and fraction for testing;
/// both parts keep file order. A class of two or more has at least one example in each part, a
/// class of one goes to training. Targets count as one class. The choice is a function of (labels,
/// fraction, seed).
/// Throws ValueError unless 0 < fraction < 1 and some class has two examples.
Split stratified_split(const Dataset& dataset, double fraction, uint64_t seed);

// ---- Describing ----

/// Examples per class, `classes` numbers; none for targets.
std::vector<int64_t> class_counts(const Dataset& dataset);

/// Mean and population standard deviation per channel; both have C (or D) entries.
struct ChannelStatistics {
  std::vector<double> mean = {};
  std::vector<double> std = {};
};

/// Checks that there is a finite mean and a finite, positive std for each of `channels` channels.
/// Throws ShapeError or ValueError, naming op.
void check_statistics(const char* op, const ChannelStatistics& statistics, int64_t channels);

/// mean_c = 1/(N H W) sum x,  std_c = sqrt(1/(N H W) sum (x - mean_c)^2), summed in double.
/// The std of a constant channel is given as 1, so that dividing by it is harmless.
ChannelStatistics channel_statistics(const Dataset& dataset);

/// (x - mean_c) / std_c for images [N, C, ...]: what a network is fed.
/// Throws as check_statistics does.
Tensor standardise(const Tensor& images, const ChannelStatistics& statistics);

}  // namespace limpid::datasets
