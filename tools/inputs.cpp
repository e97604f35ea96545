// tools/inputs.cpp: files into one input tensor.
#include "tools/inputs.h"

#include "datasets/image_folder.h"
#include "datasets/photographs.h"
#include "framework/core/error.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "tools/arguments.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <system_error>

namespace limpid::tools {
namespace {

Shape with_batch(int64_t count, const Shape& example) {
  std::vector<int64_t> sizes = {count};
  for (const int64_t size : example.sizes()) sizes.push_back(size);
  return Shape(std::span<const int64_t>(sizes));
}

Tensor from_array(const std::string& path, const ModelCard& card) {
  const Tensor array = load_npy(path);
  Tensor values = Tensor::empty(array.shape(), DType::f32);
  values.assign(array);
  for (const double value : values.to_vector()) {
    if (!std::isfinite(value)) throw FormatError(path, "", join_text("holds the value ", value));
  }
  if (array.shape() == card.input) return reshape(values, with_batch(1, card.input));
  const bool fits = array.rank() == card.input.rank() + 1 &&
                    array.shape() == with_batch(array.shape()[0], card.input);
  if (!fits) {
    throw UsageError(join_text(
        path, ": has shape ", array.shape(), ", the model takes ", card.input,
        " or a batch of those"));
  }
  if (array.shape()[0] == 0) throw UsageError(path + ": holds no examples");
  return values;
}

Tensor from_picture(const std::string& path, const ModelCard& card) {
  if (card.input.rank() != 3) {
    throw UsageError(join_text(path, ": is a picture, the model takes ", card.input));
  }
  Image image = load_image(path, card.input[0]);
  if (card.resize > 0) image = datasets::resize_shorter_side(image, card.resize);
  if (card.crop > 0)
    image = as_usage([&] { return datasets::centre_crop(image, card.crop, card.crop); });
  const Shape shape = {image.channels, image.height, image.width};
  if (shape != card.input) {
    throw UsageError(join_text(
        path, ": has shape ", shape, ", the model takes ", card.input,
        "; see --resize, --crop and, for weights from elsewhere, --input-shape"));
  }
  return reshape(datasets::to_tensor(image), with_batch(1, shape));
}

// The pictures of a folder in place of it, by name; names that begin with a point are left out.
std::vector<std::string> unfolded(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    for (auto entry = fs::directory_iterator(path, error); !error && entry != end(entry);
         entry.increment(error)) {
      const bool is_hidden = entry->path().filename().string().starts_with('.');
      if (!is_hidden && datasets::is_picture_file(entry->path().string())) {
        found.push_back(entry->path().string());
      }
    }
    if (error) throw FormatError(path, "", "cannot read folder: " + error.message());
    if (found.empty()) throw FormatError(path, "", "holds no pictures");
    std::ranges::sort(found);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace

Examples read_inputs(const std::vector<std::string>& files, const ModelCard& card) {
  if (files.empty()) throw UsageError("--input names no file");
  Examples all;
  std::vector<Tensor> parts;
  for (const std::string& file : unfolded(files)) {
    parts.push_back(file.ends_with(".npy") ? from_array(file, card) : from_picture(file, card));
    const int64_t count = parts.back().size(0);
    for (int64_t n = 0; n < count; ++n) {
      all.names.push_back(count == 1 ? file : join_text(file, "[", n, "]"));
    }
  }
  all.values = concat(parts, 0);
  return all;
}

}  // namespace limpid::tools
