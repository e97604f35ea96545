// datasets/npy_pair.cpp: arrays of numpy as examples and labels.
#include "datasets/npy_pair.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/npy.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace limpid::datasets {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 40;  // of one file; any disk file
constexpr int64_t kMaxClasses = 10000;           // more look like numbers to be regressed

// The shape of the inputs with a channel axis.
Shape examples_shape(const Shape& shape, const std::string& name) {
  if (shape.rank() == 0 || shape.rank() > 4) {
    throw FormatError(
        name, "", join_text("has shape ", shape, ", expected [N, D], [N, H, W] or [N, C, H, W]"));
  }
  if (shape.numel() == 0) throw FormatError(name, "", join_text("is empty: ", shape));
  if (shape.rank() == 1) return {shape[0], 1};
  if (shape.rank() == 3) return {shape[0], 1, shape[1], shape[2]};
  return shape;
}

// The values as f32, all of them finite.
Tensor finite_values(const Tensor& values, const std::string& name) {
  Tensor out = values;
  if (values.dtype() != DType::f32) {
    out = Tensor::empty(values.shape());
    out.assign(values);
  }
  const auto all = out.values<float>();
  const auto bad = std::ranges::find_if_not(all, [](float x) { return std::isfinite(x); });
  if (bad != all.end()) {
    throw FormatError(
        name, join_text("value ", bad - all.begin()), join_text(*bad, " is not a finite number"));
  }
  return out;
}

Examples read_inputs(const NpyFile& file) {
  const NpyHeader header = read_npy_header(file.bytes, file.name);
  const Shape shape = examples_shape(header.shape, file.name);
  const bool keeps_order = !header.is_fortran || header.shape.rank() == 1;
  const auto elements = file.bytes.subspan(static_cast<size_t>(header.begin));
  if (header.type == Stored::u8 && keeps_order && header.size == std::ssize(elements)) {
    return Examples::of_bytes(shape, elements, 255);
  }
  const Tensor values = read_npy(file.bytes, file.name).viewed_as(shape);
  if (header.type != Stored::u8) return finite_values(values, file.name);
  std::vector<std::byte> bytes;
  bytes.reserve(static_cast<size_t>(values.numel()));
  for (const int64_t value : values.values<int64_t>()) bytes.push_back(std::byte(value));
  return Examples::of_bytes(shape, bytes, 255);
}

void set_labels(Dataset& out, const NpyFile& file) {
  const Tensor labels = read_npy(file.bytes, file.name);
  const Shape& shape = labels.shape();
  if (shape.rank() < 1 || shape.rank() > 2 || (shape.rank() == 2 && shape[1] != 1)) {
    throw FormatError(file.name, "", join_text("has shape ", shape, ", expected [N] or [N, 1]"));
  }
  const int64_t count = out.images.shape()[0];
  if (shape[0] != count) {
    throw FormatError(
        file.name, "", join_text(shape[0], " labels for the ", count, " examples of ", out.name));
  }
  const Tensor flat = labels.viewed_as({count});
  if (labels.dtype() != DType::i64) {
    out.labels = finite_values(flat, file.name);
    return;
  }
  check_labels(flat, kMaxClasses, file.name);
  out.labels = flat;
  out.classes = std::max<int64_t>(2, 1 + *std::ranges::max_element(flat.values<int64_t>()));
  out.class_names = numbered_classes(out.classes);
}

}  // namespace

Dataset parse_npy_pair(const NpyFile& inputs, const NpyFile& labels) {
  Dataset out;
  out.name = inputs.name;
  out.images = read_inputs(inputs);
  set_labels(out, labels);
  return out;
}

Dataset load_npy_pair(const std::string& paths) {
  // A comma may be part of a name: the one behind the first .npy divides
  const std::string ending = ".npy,";
  const size_t found = paths.find(ending);
  const size_t comma = found == std::string::npos ? paths.find(',') : found + ending.size() - 1;
  check_value(
      comma != std::string::npos && comma > 0 && comma + 1 < paths.size(), "npy",
      "needs two files, as in npy:X.npy,y.npy, got ", paths);
  const std::string x = paths.substr(0, comma), y = paths.substr(comma + 1);
  const std::vector<std::byte> inputs = read_file(x, kMaxBytes), labels = read_file(y, kMaxBytes);
  Dataset out = parse_npy_pair({.name = x, .bytes = inputs}, {.name = y, .bytes = labels});
  out.name = "npy:" + paths;
  return out;
}

}  // namespace limpid::datasets
