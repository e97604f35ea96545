// datasets/batches.h: a data set as a shuffled, seeded, repeatable stream of batches.
//
// Batch `index` of epoch `e` is a function of (seed, e, index) and of nothing else: a run that is
// resumed in the middle of an epoch, or that skips one, sees the same batches.
// Order of epoch e: Rng(seed).child(e).permutation(N), cut into pieces of `batch` examples. The
// last, short piece is kept; a single leftover example joins the batch before it, since batch
// statistics of one example do not exist. Augmentation is a function of (seed, epoch, example).
#pragma once

#include "datasets/dataset.h"
#include "datasets/mixup.h"
#include "framework/core/ranks.h"

#include <cstdint>
#include <vector>

namespace limpid::datasets {

struct BatchOptions {
  int64_t batch = 64;  // examples
  uint64_t seed = 0;
  bool shuffle = true;            // otherwise file order in every epoch
  std::vector<double> mean = {};  // per channel; empty together with std: raw values
  std::vector<double> std = {};
  Augmentation augmentation = {};  // of images, before standardisation; none as it stands
  int part = 0, parts = 1;  // which of so many neighbouring pieces of each batch; it may be empty
};

/// B examples, ready for the network.
struct Batch {
  Tensor inputs = {};                 // [B, C, H, W] or [B, D], (x - mean_c) / std_c
  Tensor labels = {};                 // [B]
  Tensor mixed = {};                  // [B, K], only with mixup: labels as distributions
  std::vector<int64_t> indices = {};  // their positions in the data set
  ranks::Share share = {};            // with parts > 1: which rows of the whole batch they are
};

/// The stream. Not to be shared between threads: it remembers the order of the last epoch asked.
class Batches {
 public:
  /// Throws ValueError for an empty set, a batch size below 1 or mixed targets, and as
  /// check_statistics does.
  explicit Batches(const Dataset& dataset, const BatchOptions& options = {});

  /// Batches per epoch.
  int64_t count() const { return count_; }
  /// Examples per epoch, N.
  int64_t examples() const { return dataset_.size(); }

  /// Throws ValueError for a negative epoch or an index outside 0 ... count() - 1.
  Batch get(int64_t epoch, int64_t index);

 private:
  Batch without_examples(Batch out) const;

  Dataset dataset_;
  BatchOptions options_;
  int64_t count_;
  int64_t epoch_ = -1;          // whose order is in order_
  std::vector<int64_t> order_;  // [N]
};

}  // namespace limpid::datasets
