// framework/train/checkpoint.cpp: names in the file, and the checks before anything is restored.
#include "framework/train/checkpoint.h"

#include "framework/core/error.h"
#include "framework/io/gzip.h"
#include "framework/io/safetensors.h"

#include <algorithm>

namespace limpid {
namespace {

const std::string kFormatFamily = "limpid-checkpoint-";
const std::string kOptimizer = "optimizer.";
const std::string kState = "state.";
const std::string kChecksum = "crc32";      // key of the metadata
const std::string kRaw = "state.weights.";  // beside averages

bool is_training_state(const std::string& name) {
  return name.starts_with(kOptimizer) || name.starts_with(kState);
}

std::map<std::string, Tensor> weights_of(Module& model) {
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, tensor] : state(model)) tensors.emplace(name, tensor);
  return tensors;
}

// CRC-32 of all values in the order of their names, as eight hexadecimal digits.
std::string checksum_of(const std::map<std::string, Tensor>& tensors) {
  uint32_t sum = 0;
  for (const auto& [name, tensor] : tensors) sum = crc32(tensor.bytes(), sum);
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(sum >> shift) & 15];
  return text;
}

void save_with_checksum(
    const std::string& path, const std::map<std::string, Tensor>& tensors,
    std::map<std::string, std::string> metadata) {
  metadata[kChecksum] = checksum_of(tensors);
  save_safetensors(path, tensors, metadata);
}

// A file of ours must hold the values it was written with; one from elsewhere has no checksum.
SafetensorsFile load_checked(const std::string& path) {
  SafetensorsFile file = load_safetensors(path);
  const auto format = file.metadata.find("format");
  const bool is_newer = format != file.metadata.end() &&
                        format->second.starts_with(kFormatFamily) &&
                        format->second != kCheckpointFormat;
  if (is_newer) {
    throw FormatError(
        path, "", "has format " + format->second + ", this program reads " + kCheckpointFormat);
  }
  const auto written = file.metadata.find(kChecksum);
  if (written == file.metadata.end()) return file;
  const std::string found = checksum_of(file.tensors);
  if (found != written->second) {
    throw FormatError(
        path, "", "damaged: the checksum of the values is " + found + ", not " + written->second);
  }
  return file;
}

void restore_weights(
    const std::string& path, Module& model, const std::map<std::string, Tensor>& tensors) {
  try {
    load_state(model, tensors, is_training_state);
  } catch (const ValueError& error) {
    throw FormatError(path, "", error.what());
  }
}

Tensor tensor_named(
    const std::string& path, const SafetensorsFile& file, const std::string& name,
    const Shape& shape, DType dtype) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) {
    throw FormatError(path, name, "missing; this is not a checkpoint of the same run");
  }
  if (found->second.shape() != shape || found->second.dtype() != dtype) {
    throw FormatError(
        path, name,
        join_text(
            "is ", name_of(found->second.dtype()), " ", found->second.shape(), ", expected ",
            name_of(dtype), " ", shape));
  }
  return found->second;
}

}  // namespace

void save_checkpoint(
    const std::string& path, Module& model, const Optimizer& optimizer, const Progress& progress,
    const std::map<std::string, std::string>& metadata, const WeightAverage* average) {
  std::map<std::string, Tensor> tensors = weights_of(model);
  if (average != nullptr) {
    for (const auto& [name, tensor] : average->averages()) {
      tensors.emplace(kRaw + name, tensors.at(name));
      tensors.at(name) = tensor;
    }
  }
  for (const auto& [name, tensor] : optimizer.state()) tensors.emplace(kOptimizer + name, tensor);
  tensors.emplace(
      kState + "progress",
      Tensor::of_integers({4}, {progress.epoch, progress.step, progress.correct, progress.seen}));
  tensors.emplace(kState + "loss_sum", Tensor::scalar(progress.loss_sum, DType::f64));
  save_with_checksum(path, tensors, metadata);
}

std::map<std::string, std::string> load_checkpoint(
    const std::string& path, Module& model, Optimizer& optimizer, Progress& progress,
    WeightAverage* average) {
  const SafetensorsFile file = load_checked(path);

  // Find everything before anything is changed
  const std::string differences = state_differences(model, file.tensors, is_training_state);
  if (!differences.empty()) throw FormatError(path, "weights", differences);
  auto slots = optimizer.state();
  std::vector<Tensor> saved;
  for (const auto& [name, tensor] : slots) {
    saved.push_back(tensor_named(path, file, kOptimizer + name, tensor.shape(), tensor.dtype()));
  }
  NamedParameters averages = average == nullptr ? NamedParameters() : average->averages();
  std::vector<Tensor> raw;
  for (const auto& [name, tensor] : averages) {
    raw.push_back(tensor_named(path, file, kRaw + name, tensor.shape(), tensor.dtype()));
  }
  const Tensor counts = tensor_named(path, file, kState + "progress", {4}, DType::i64);
  const Tensor loss_sum = tensor_named(path, file, kState + "loss_sum", {}, DType::f64);
  for (const int64_t count : counts.values<int64_t>()) {
    if (count < 0) throw FormatError(path, kState + "progress", "negative count");
  }
  restore_weights(path, model, file.tensors);

  // The averages go to their place, the weights of the optimiser to theirs
  NamedTensors weights = state(model);
  for (size_t i = 0; i < averages.size(); ++i) {
    averages[i].second.assign(file.tensors.at(averages[i].first));
    const auto named = [&](const auto& w) { return w.first == averages[i].first; };
    std::ranges::find_if(weights, named)->second.assign(raw[i]);
  }
  for (size_t i = 0; i < slots.size(); ++i) slots[i].second.assign(saved[i]);
  const int64_t* c = counts.data<int64_t>();
  progress = {
      .epoch = c[0], .step = c[1], .loss_sum = loss_sum.item(), .correct = c[2], .seen = c[3]};
  return file.metadata;
}

void save_weights(
    const std::string& path, Module& model, const std::map<std::string, std::string>& metadata) {
  save_with_checksum(path, weights_of(model), metadata);
}

std::map<std::string, Tensor> load_weights_file(const std::string& path) {
  std::map<std::string, Tensor> tensors = load_checked(path).tensors;
  std::erase_if(tensors, [](const auto& named) {
    return is_training_state(named.first) || named.first.ends_with(".num_batches_tracked");
  });
  return tensors;
}

void load_weights(const std::string& path, Module& model) {
  restore_weights(path, model, load_weights_file(path));
}

std::string load_fitting_weights(const std::string& path, Module& model) {
  const std::map<std::string, Tensor> tensors = load_weights_file(path);
  try {
    load_fitting_state(model, tensors);
  } catch (const ValueError& error) {
    throw FormatError(path, "", error.what());
  }
  return state_differences(model, tensors);
}

}  // namespace limpid
