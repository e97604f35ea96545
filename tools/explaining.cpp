// tools/explaining.cpp: the table of methods and the pictures made of their maps.
#include "tools/explaining.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"
#include "interpret/report/heatmap.h"
#include "interpret/saliency/cam.h"
#include "interpret/saliency/gradient.h"
#include "tools/arguments.h"

#include <algorithm>
#include <map>

namespace limpid::tools {
namespace {

constexpr int64_t kBatch = 64;         // images per pass
constexpr int64_t kPictureSide = 224;  // pixels; small images are enlarged to about this

// Tables of features are shown as one row of pixels.
Tensor as_picture(const Tensor& values) {
  return values.rank() == 3 ? values : reshape(values, {1, 1, values.numel()});
}

int64_t enlargement(const Tensor& picture) {
  return std::max<int64_t>(1, kPictureSide / std::max(picture.size(1), picture.size(2)));
}

Tensor raw_map(
    const RunFolder& folder, const std::string& method, const std::string& layer,
    const Tensor& images, std::span<const int64_t> classes) {
  using namespace interpret;
  if (method == "gradient") return gradient_map(*folder.model, images, classes);
  if (method == "guided") {
    return gradient_map(*folder.model, images, classes, {.relu = ReluRule::guided});
  }
  if (method == "deconv") {
    return gradient_map(*folder.model, images, classes, {.relu = ReluRule::deconv});
  }
  return grad_cam(*folder.model, find_layer(*folder.model, layer), images, classes);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

}  // namespace

const std::vector<MethodInfo>& methods() {
  static const std::vector<MethodInfo> list = {
      {"gradient", "gradient of the class score by the image (Simonyan et al. 2014)"},
      {"guided", "guided back-propagation (Springenberg et al. 2015)"},
      {"deconv", "deconvnet rule (Zeiler and Fergus 2014)"},
      {"grad-cam", "Grad-CAM (Selvaraju et al. 2017)", true},
  };
  return list;
}

const MethodInfo& method_named(const std::string& name) {
  std::vector<std::string> names;
  for (const MethodInfo& method : methods()) {
    if (method.name == name) return method;
    names.push_back(method.name);
  }
  throw UsageError("no method '" + name + "'; there are: " + joined(names));
}

std::vector<std::string> spatial_layers(const RunFolder& folder) {
  std::map<const Module*, bool> is_spatial;
  Pass pass;
  pass.observer = [&](const Module& layer, const Tensor&, const Tensor& output) {
    is_spatial[&layer] = output.rank() == 4 && output.size(2) * output.size(3) > 1;
  };
  std::vector<int64_t> sizes = {1};
  for (const int64_t size : folder.card.input.sizes()) sizes.push_back(size);
  const Recording off(false);
  (*folder.model)(Tensor::zeros(Shape(std::span<const int64_t>(sizes))), pass);
  std::vector<std::string> names;
  for (const auto& [name, layer] : layers(*folder.model)) {
    if (is_spatial[layer]) names.push_back(name);
  }
  return names;
}

std::string layer_for(const RunFolder& folder, const std::string& wanted) {
  const std::vector<std::string> spatial = spatial_layers(folder);
  if (spatial.empty()) {
    throw UsageError(folder.card.architecture + " has no layer with a spatial map");
  }
  // The last in the order of computation: a layer inside a block ends before the block does
  if (wanted.empty()) {
    std::string last = spatial.back();
    while (last.rfind('.') != std::string::npos &&
           std::find(spatial.begin(), spatial.end(), last.substr(0, last.rfind('.'))) !=
               spatial.end()) {
      last = last.substr(0, last.rfind('.'));
    }
    return last;
  }
  if (std::find(spatial.begin(), spatial.end(), wanted) == spatial.end()) {
    throw UsageError("no layer '" + wanted + "' with a spatial map; there are: " + joined(spatial));
  }
  return wanted;
}

Maps explain_images(
    const RunFolder& folder, const std::string& method, const std::string& layer,
    const Tensor& images, std::span<const int64_t> classes) {
  std::vector<Tensor> parts;
  for (int64_t begin = 0; begin < images.size(0); begin += kBatch) {
    const int64_t end = std::min(images.size(0), begin + kBatch);
    const auto some = classes.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    parts.push_back(raw_map(folder, method, layer, slice(images, 0, begin, end), some));
  }
  const Recording off(false);
  Maps maps{concat(parts, 0), {}};
  if (method == "grad-cam") {
    maps.shown = resize_bilinear(maps.raw, images.size(2), images.size(3));
  } else {
    maps.shown = images.rank() == 4 ? interpret::channel_maximum(maps.raw)
                                    : relu(maps.raw) + relu(-maps.raw);
  }
  return maps;
}

Image picture_with_map(const Tensor& picture, const Tensor& map, std::string* note) {
  const Tensor shown = as_picture(picture);
  const interpret::ColouredMap coloured = interpret::colour(as_picture(map));
  if (note != nullptr) *note = coloured.note;
  const Image mixed = interpret::overlay(interpret::image_of(shown), coloured.image, 0.65);
  return interpret::enlarge(mixed, enlargement(shown));
}

Image picture_alone(const Tensor& picture) {
  const Tensor shown = as_picture(picture);
  return interpret::enlarge(interpret::image_of(shown), enlargement(shown));
}

}  // namespace limpid::tools
