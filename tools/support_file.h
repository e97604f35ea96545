// tools/support_file.h: deep support vectors in a file, as the dsv commands hand them on.
//
// A safetensors file with these tensors:
//   images   [N, ...] f32   as the data set has them (pixels in [0, 1]), not standardised
//   labels   [N] i64        classes, or [N, K] f32, f64 distributions over them
//   lambda   [N] f64        multipliers, at least 0
//   alpha    [N] f64        lambda_i |p_i - y_i|, the multipliers of a support vector machine
//   indices  [N] i64        positions in the training part; absent if the images are synthetic
#pragma once

#include "framework/tensor/tensor.h"
#include "tools/run_folder.h"

#include <map>
#include <string>
#include <vector>

namespace limpid::tools {

struct SupportSet {
  Tensor images, labels, lambda, alpha;
  Tensor indices = {};
  std::map<std::string, std::string> metadata = {};  // model, data, solver, ...

  int64_t size() const { return labels.defined() ? labels.size(0) : 0; }
};

/// Throws FormatError naming the file and the tensor if one is missing, unexpected, misshapen or
/// holds what it must not; an empty set is refused too.
SupportSet read_support(const std::string& path);
/// Writes atomically. Throws ValueError for a set that read_support would refuse.
void write_support(const std::string& path, const SupportSet& set);

/// Throws UsageError, naming the file, unless vectors and classes are those of the model.
void check_support(const SupportSet& set, const std::string& path, const ModelCard& card);
/// The class of each vector: of a distribution the likeliest.
std::vector<int64_t> classes_of(const SupportSet& set);

}  // namespace limpid::tools
