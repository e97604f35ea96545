// interpret/saliency/methods.cpp: the table of methods, and the batches that go through it.
#include "interpret/saliency/methods.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/cam.h"
#include "interpret/saliency/display.h"
#include "interpret/saliency/gradient.h"

#include <algorithm>
#include <map>
#include <optional>

namespace limpid::interpret {
namespace {

constexpr int64_t kBatch = 64;  // images per pass

// Some images on their way through the methods; what several methods need is computed once.
class Batch {
 public:
  Batch(const Explained& subject, Tensor batch_images, std::span<const int64_t> batch_classes)
      : explained(subject), images(std::move(batch_images)), classes(batch_classes) {}

  const LayerSlopes& slopes() {
    if (!slopes_) slopes_ = layer_slopes(explained.model, *explained.layer, images, classes);
    return *slopes_;
  }

  const Explained& explained;
  Tensor images;
  std::span<const int64_t> classes;

 private:
  std::optional<LayerSlopes> slopes_;
};

struct Method {
  MethodInfo info;
  RawMaps (*compute)(Batch& batch);
};

// ---- Gradients ----

template <ReluRule kRule>
RawMaps gradient(Batch& b) {
  return {gradient_map(b.explained.model, b.images, b.classes, {.relu = kRule})};
}

// ---- Class activation maps ----

RawMaps evidence(const Tensor& map, const Tensor& features) {
  return {.map = map, .is_evidence = true, .is_rectified = true, .features = features};
}

template <CamWeights kWeights>
RawMaps cam(Batch& b) {
  const LayerSlopes& s = b.slopes();
  const Recording off(false);
  return evidence(weighted_sum(s.maps, cam_weights(kWeights, s)), s.maps);
}

RawMaps eigen_cam(Batch& b) { return evidence(eigen_sum(b.slopes().maps), b.slopes().maps); }

// Guided back-propagation, times Grad-CAM at the size of the image.
RawMaps guided_grad_cam(Batch& b) {
  const Tensor guided = gradient<ReluRule::guided>(b).map;  // [N, C, H, W]
  const Recording off(false);
  const Tensor coarse = relu(cam<CamWeights::grad>(b).map);
  return {guided * resize_bilinear(coarse, b.images.size(2), b.images.size(3))};
}

const std::vector<Method>& table() {
  using W = CamWeights;
  static const std::vector<Method> methods = {
      {{"gradient", "gradient of the class score by the image (Simonyan et al. 2014)"},
       gradient<ReluRule::standard>},
      {{"guided", "guided back-propagation (Springenberg et al. 2015)"},
       gradient<ReluRule::guided>},
      {{"deconv", "deconvnet rule (Zeiler and Fergus 2014)"}, gradient<ReluRule::deconv>},
      {{"cam", "CAM, for a pooled linear head (Zhou et al. 2016)", true}, cam<W::cam>},
      {{"grad-cam", "Grad-CAM (Selvaraju et al. 2017)", true}, cam<W::grad>},
      {{"grad-cam++", "Grad-CAM++ (Chattopadhay et al. 2018)", true}, cam<W::grad_plus_plus>},
      {{"xgrad-cam", "XGrad-CAM (Fu et al. 2020)", true}, cam<W::xgrad>},
      {{"hires-cam", "HiResCAM (Draelos and Carin 2020)", true}, cam<W::hires>},
      {{"layer-cam", "LayerCAM (Jiang et al. 2021)", true}, cam<W::layer>},
      {{"eigen-cam", "Eigen-CAM, the same for all classes (Muhammad and Yeasin 2020)", true},
       eigen_cam},
      {{"guided-grad-cam", "guided times Grad-CAM (Selvaraju et al. 2017)", true}, guided_grad_cam},
  };
  return methods;
}

const Method& method_named(const std::string& name) {
  std::string names;
  for (const Method& method : table()) {
    if (method.info.name == name) return method;
    names += (names.empty() ? "" : ", ") + method.info.name;
  }
  raise<ValueError>("saliency", "no method '", name, "'; there are: ", names);
}

void check_subject(const Method& method, const Explained& subject, const Tensor& images) {
  if (!method.info.needs_layer) return;
  check_value(subject.layer != nullptr, method.info.name.c_str(), "needs a layer");
  check_shape(
      images.rank() == 4, method.info.name.c_str(), "needs images [N, C, H, W], got ",
      images.shape());
}

// The maps of all batches as one.
Maps joined(const std::vector<Maps>& parts) {
  std::vector<Tensor> raw, shown;
  Maps all;
  for (const Maps& part : parts) {
    raw.push_back(part.raw);
    shown.push_back(part.shown);
    all.notes.insert(all.notes.end(), part.notes.begin(), part.notes.end());
  }
  all.raw = concat(raw, 0);
  all.shown = concat(shown, 0);
  return all;
}

}  // namespace

const std::vector<MethodInfo>& saliency_methods() {
  static const std::vector<MethodInfo> list = [] {
    std::vector<MethodInfo> infos;
    for (const Method& method : table()) infos.push_back(method.info);
    return infos;
  }();
  return list;
}

MethodInfo saliency_method(const std::string& name) { return method_named(name).info; }

std::vector<Maps> saliency_maps(
    std::span<const std::string> methods, const Explained& subject, const Tensor& images,
    std::span<const int64_t> classes) {
  const int64_t count = images.size(0);
  check_shape(
      std::ssize(classes) == count && count > 0, "saliency", "needs one class per image, got ",
      classes.size(), " for ", images.shape());
  for (const std::string& name : methods) check_subject(method_named(name), subject, images);

  std::vector<std::vector<Maps>> parts(methods.size());
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    const int64_t end = std::min(count, begin + kBatch);
    Batch batch(
        subject, slice(images, 0, begin, end).detach(),
        classes.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    for (size_t k = 0; k < methods.size(); ++k) {
      const RawMaps raw = method_named(methods[k]).compute(batch);
      parts[k].push_back(displayed(raw, batch.images.shape()));
    }
  }
  std::vector<Maps> all;
  for (const std::vector<Maps>& some : parts) all.push_back(joined(some));
  return all;
}

Maps saliency_maps(
    const std::string& method, const Explained& subject, const Tensor& images,
    std::span<const int64_t> classes) {
  return saliency_maps(std::span(&method, 1), subject, images, classes).front();
}

std::vector<std::string> spatial_layers(Module& model, const Shape& input) {
  std::vector<int64_t> sizes = {1};
  for (const int64_t size : input.sizes()) sizes.push_back(size);
  const Shape one(std::span<const int64_t>{sizes});
  std::map<const Module*, bool> spatial;
  Pass pass;
  pass.observer = [&](const Module& layer, const Tensor&, const Tensor& output) {
    spatial[&layer] = is_spatial(output.shape(), one);
  };
  const Recording off(false);
  const NamedTensors known = parameters(model);
  model(Tensor::zeros(one, known.empty() ? DType::f32 : known.front().second.dtype()), pass);
  std::vector<std::string> names;
  for (const auto& [name, layer] : layers(model)) {
    if (spatial[layer]) names.push_back(name);
  }
  return names;
}

}  // namespace limpid::interpret
