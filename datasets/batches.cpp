// datasets/batches.cpp: cutting the order of an epoch into batches.
#include "datasets/batches.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/tensor/integers.h"

#include <algorithm>

namespace limpid::datasets {
namespace {

constexpr uint64_t kAugmentation = uint64_t{1} << 63;  // child of the seed; epochs are the others

}  // namespace

Batches::Batches(const Dataset& dataset, const BatchOptions& options)
    : dataset_(dataset), options_(options) {
  check_dataset("batches", dataset);
  check_value(
      options.part >= 0 && options.part < options.parts, "batches", "there is no part ",
      options.part, " of ", options.parts);
  check_value(options.batch >= 1, "batches", "batch size must be at least 1, got ", options.batch);
  if (!options.mean.empty() || !options.std.empty()) {
    check_statistics(
        "batches", {.mean = options.mean, .std = options.std}, dataset.images.shape()[1]);
  }

  check_value(
      options.augmentation.is_none() || dataset.images.shape().rank() == 4, "batches",
      "augmentation needs images, got examples of shape ", dataset.example_shape());
  check_value(
      options.augmentation.mixup == 0 || !dataset.is_regression(), "batches",
      "mixup needs classes, not targets");

  // A remainder of 1 joins the batch before
  const int64_t n = dataset.size();
  const int64_t remainder = n % options.batch;
  count_ = std::max<int64_t>(1, n / options.batch + (remainder > 1 ? 1 : 0));
}

// A part that has no example: tensors of as many dimensions, without rows.
Batch Batches::without_examples(Batch out) const {
  out.inputs = Tensor::empty(dataset_.images.shape().with(0, 0));
  out.labels = Tensor::empty(dataset_.labels.shape().with(0, 0), dataset_.labels.dtype());
  if (options_.augmentation.mixup > 0) out.mixed = Tensor::empty({0, dataset_.classes});
  return out;
}

Batch Batches::get(int64_t epoch, int64_t index) {
  check_value(epoch >= 0, "batches", "epoch must not be negative, got ", epoch);
  check_value(
      index >= 0 && index < count_, "batches", "index ", index, " is out of range, expected 0 to ",
      count_ - 1);

  // Lay down the order of the epoch
  if (epoch != epoch_) {
    if (options_.shuffle) {
      order_ = Rng(options_.seed).child(static_cast<uint64_t>(epoch)).permutation(examples());
    } else {
      order_ = index_range(0, examples());
    }
    epoch_ = epoch;
  }

  const auto begin = order_.begin() + index * options_.batch;
  const auto end = index + 1 == count_ ? order_.end() : begin + options_.batch;
  Batch out;
  if (options_.parts == 1) {
    out.indices.assign(begin, end);
  } else {
    out.share = ranks::share(end - begin, options_.part, options_.parts);
    out.indices.assign(begin + out.share.begin, begin + out.share.end);
  }
  if (out.indices.empty()) return without_examples(out);
  if (options_.augmentation.is_none()) {
    out.inputs = dataset_.images.rows(out.indices);
  } else {
    const uint64_t seed = Rng(options_.seed).child(kAugmentation).state().key;
    Augmented made = augmented(dataset_, out.indices, epoch, seed, options_.augmentation);
    out.inputs = made.images;
    if (options_.augmentation.mixup > 0) out.mixed = made.targets;
  }
  if (!options_.mean.empty()) {
    out.inputs = standardise(out.inputs, {.mean = options_.mean, .std = options_.std});
  }
  out.labels = gather(dataset_.labels, out.indices);
  return out;
}

}  // namespace limpid::datasets
