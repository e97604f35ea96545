// framework/train/checkpoint.h: a run in one file, complete enough to go on with the same bits.
//
// last.safetensors holds the weights and buffers under their own names, so that it is also a plain
// weights file, and beside them `optimizer.*` (slots and step count) and `state.*` (progress).
// Where weights are averaged, the averages are the weights of the file, because they are what the
// run is for; those that the optimiser works on are `state.weights.*`.
// Its bytes depend on the run only: no time, path or thread count is stored. The metadata hold a
// CRC-32 of all values, so that a byte that changed on the disk is found.
#pragma once

#include "framework/nn/module.h"
#include "framework/optim/optimizer.h"
#include "framework/optim/weight_average.h"
#include "framework/train/trainer.h"

#include <map>
#include <string>

namespace limpid {

/// Value of the metadata "format"; a file that names another number of the family is refused.
inline constexpr const char* kCheckpointFormat = "limpid-checkpoint-1";

/// Writes atomically: the path holds the old checkpoint or the new one, never a part. The checksum
/// is added to the metadata as "crc32".
void save_checkpoint(
    const std::string& path, Module& model, const Optimizer& optimizer, const Progress& progress,
    const std::map<std::string, std::string>& metadata, const WeightAverage* average = nullptr);

/// Restores all of them and returns the metadata. Throws FormatError naming the file if it is
/// damaged, belongs to another network or optimiser, or holds weights alone; nothing has been
/// changed then.
std::map<std::string, std::string> load_checkpoint(
    const std::string& path, Module& model, Optimizer& optimizer, Progress& progress,
    WeightAverage* average = nullptr);

/// Weights and buffers alone.
void save_weights(
    const std::string& path, Module& model, const std::map<std::string, std::string>& metadata);
/// The weights and buffers of a file of any origin: what belongs to a training run is left out, and
/// so are the counters that PyTorch keeps in its batch norms (num_batches_tracked). Throws
/// FormatError, also for values that changed since we wrote them.
std::map<std::string, Tensor> load_weights_file(const std::string& path);
/// From a weights file or a checkpoint. Throws FormatError with all missing, unexpected and
/// misshapen tensors.
void load_weights(const std::string& path, Module& model);
/// The weights whose name and shape the model has, for a start from a network that is alike.
/// Returns what was left out on both sides, in one line; empty if nothing was. Throws FormatError
/// if nothing fits.
std::string load_fitting_weights(const std::string& path, Module& model);

}  // namespace limpid
