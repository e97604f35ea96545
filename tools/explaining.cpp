// tools/explaining.cpp: the layer, the standardisation and the pictures of maps.
#include "tools/explaining.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/ops/linear_maps.h"
#include "interpret/report/heatmap.h"
#include "tools/arguments.h"

#include <algorithm>

namespace limpid::tools {
namespace {

constexpr int64_t kPictureSide = 224;  // pixels; small images are enlarged to about this

// Tables of features are shown as one row of pixels.
Tensor as_picture(const Tensor& values) {
  return values.rank() == 3 ? values : reshape(values, {1, 1, values.numel()});
}

int64_t enlargement(const Tensor& picture) {
  return std::max<int64_t>(1, kPictureSide / std::max(picture.size(1), picture.size(2)));
}

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : joined(names, ", ");
}

}  // namespace

std::string method_list() {
  std::vector<std::string> names;
  for (const interpret::MethodInfo& method : interpret::saliency_methods()) {
    names.push_back(method.name);
  }
  return listed(names) +
         "; smooth:NAME is the mean over noisy copies of the image, smooth:N:NAME over N of them";
}

interpret::MethodInfo method_named(const std::string& name) {
  try {
    return interpret::saliency_method(name);
  } catch (const ValueError& error) {
    throw UsageError(error.what());
  }
}

std::string layer_for(const RunFolder& folder, const std::string& wanted) {
  const std::vector<std::string> spatial =
      interpret::spatial_layers(*folder.model, folder.card.input);
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
    throw UsageError("no layer '" + wanted + "' with a spatial map; there are: " + listed(spatial));
  }
  return wanted;
}

std::vector<interpret::Maps> explain_images(
    const RunFolder& folder, const std::vector<std::string>& methods, const std::string& layer,
    const Tensor& images, std::span<const int64_t> classes, uint64_t seed) {
  const auto per_channel = [](const std::vector<double>& values) {
    return Tensor::of({std::ssize(values)}, values);
  };
  const interpret::Explained subject{
      .model = *folder.model,
      .layer = layer.empty() ? nullptr : &find_layer(*folder.model, layer),
      .mean = per_channel(folder.card.mean),
      .deviation = per_channel(folder.card.std),
      .seed = seed};
  try {
    return interpret::saliency_maps(methods, subject, images, classes);
  } catch (const ValueError& error) {  // a network or a layer that the method is not made for
    throw UsageError(error.what());
  }
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

Image signed_map(const Tensor& map, const interpret::ColourLimits& limits) {
  const Tensor shown = as_picture(map);
  const auto scale = interpret::MapScale::symmetric;
  const bool has_contrast = limits.low < limits.high;
  const interpret::ColouredMap coloured =
      has_contrast ? interpret::colour(shown, scale, limits) : interpret::colour(shown, scale);
  return interpret::enlarge(coloured.image, enlargement(shown));
}

}  // namespace limpid::tools
