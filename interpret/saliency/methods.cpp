// interpret/saliency/methods.cpp: the table of methods, and the batches that go through it.
#include "interpret/saliency/methods.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/batch.h"
#include "interpret/saliency/cam_scores.h"
#include "interpret/saliency/gradient.h"
#include "interpret/saliency/perturbation.h"
#include "interpret/saliency/pixels.h"
#include "interpret/saliency/relevance.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace limpid::interpret {
namespace {

constexpr int64_t kBatch = 64;  // images per pass

// ---- Gradients ----

template <ReluRule kRule>
RawMaps gradient(Batch& b) {
  return {gradient_map(b.explained.model, b.images, b.classes, {.relu = kRule})};
}

RawMaps gradient_x_input(Batch& b) {
  const Tensor slope = gradient<ReluRule::standard>(b).map;
  const Recording off(false);
  return {slope * b.images};
}

// What the values of each map add up to, beside y_c(images) - y_c(start).
std::vector<Completeness> completeness_of(const Batch& b, const Tensor& map, const Tensor& start) {
  const Recording off(false);
  const Tensor after = class_scores(b.explained.model, b.images, b.classes);
  const Tensor before = class_scores(b.explained.model, start, b.classes);
  const Tensor totals = sum(flatten(to(map, DType::f64)), {1});
  const Tensor differences = to(after, DType::f64) - to(before, DType::f64);
  std::vector<Completeness> all;
  for (int64_t n = 0; n < map.size(0); ++n) {
    all.push_back({totals.data<double>()[n], differences.data<double>()[n]});
  }
  return all;
}

RawMaps integrated(Batch& b) {
  const Tensor start = black(b.explained, b.images);
  const Tensor map = integrated_gradients(
      b.explained.model, b.images, start, b.classes, b.explained.settings.steps);
  return {.map = map, .completeness = completeness_of(b, map, start)};
}

template <Statistic kStatistic>
RawMaps noisy_gradients(Batch& b) {
  return over_noise(b, gradient<ReluRule::standard>, kStatistic, b.explained.settings.noisy_copies);
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

template <ScoreCam kVariant>
RawMaps score_cam(Batch& b) {
  const Tensor& maps = b.slopes().maps;
  return evidence(score_sum(kVariant, b.explained, maps, b.images, b.classes), maps);
}

RawMaps ablation_cam(Batch& b) {
  const Tensor& maps = b.slopes().maps;
  const Recording off(false);
  return evidence(weighted_sum(maps, ablation_weights(b.explained, b.images, b.classes)), maps);
}

RawMaps opti_cam(Batch& b) {
  const Tensor& maps = b.slopes().maps;
  const int64_t steps = b.explained.settings.opti_steps;
  return evidence(opti_mask(b.explained, maps, b.images, b.classes, steps), maps);
}

// ---- Perturbations ----

int64_t or_default(int64_t wanted, int64_t otherwise) { return wanted > 0 ? wanted : otherwise; }

RawMaps occlusion(Batch& b) {
  const SaliencySettings& o = b.explained.settings;
  const int64_t side = std::min(b.images.size(2), b.images.size(3));
  const int64_t size = or_default(o.window, std::max<int64_t>(1, side / 8));
  const int64_t stride = or_default(o.stride, std::max<int64_t>(1, size / 2));
  const Masks all = windows(b.images.shape(), b.images.dtype(), size, stride);
  const Tensor map = occlusion_map(b.explained, b.images, b.classes, all, o.divides_by_coverage);
  return {.map = map, .is_evidence = true};
}

RawMaps rise(Batch& b) {
  const SaliencySettings& o = b.explained.settings;
  const bool is_small = std::max(b.images.size(2), b.images.size(3)) <= 64;
  const int64_t count = or_default(o.masks, is_small ? 1000 : 4000);
  const int64_t cells = or_default(o.cells, is_small ? 4 : 7);
  const Masks masks =
      random_grids(b.images.shape(), b.images.dtype(), count, cells, o.keep, b.explained.seed);
  return {.map = rise_map(b.explained, b.images, b.classes, masks, o.keep), .is_evidence = true};
}

// ---- Relevance ----

template <LrpRule kRule>
RawMaps lrp(Batch& b) {
  const Recording off(false);
  LrpOptions options{.rule = kRule};
  if (b.images.rank() == 4) {  // the values of a table have no bounds
    options.low = black(b.explained, b.images);
    options.high = white(b.explained, b.images);
  }
  return {lrp_map(b.explained.model, b.images, b.classes, options)};
}

RawMaps deeplift(Batch& b) {
  const Tensor start = black(b.explained, b.images);
  const Tensor map = deeplift_map(b.explained.model, b.images, start, b.classes);
  return {.map = map, .completeness = completeness_of(b, map, start)};
}

// ---- The table ----

Method of_input(const char* name, const char* what, RawMaps (*compute)(Batch&)) {
  return {{.name = name, .what = what, .can_smooth = true}, compute};
}

Method of_noise(const char* name, const char* what, RawMaps (*compute)(Batch&)) {
  return {{.name = name, .what = what}, compute};
}

Method of_layer(const char* name, const char* what, RawMaps (*compute)(Batch&)) {
  return {
      {.name = name, .what = what, .needs_layer = true, .needs_images = true, .can_smooth = true},
      compute};
}

Method of_scores(const char* name, const char* what, RawMaps (*compute)(Batch&)) {
  Method method = of_layer(name, what, compute);
  method.info.is_slow = true;
  return method;
}

Method of_masks(const char* name, const char* what, RawMaps (*compute)(Batch&)) {
  return {{.name = name, .what = what, .needs_images = true, .is_slow = true}, compute};
}

const std::vector<Method>& table() {
  using W = CamWeights;
  using S = ScoreCam;
  static const std::vector<Method> methods = {
      of_input(
          "gradient", "gradient of the class score by the image (Simonyan et al. 2014)",
          gradient<ReluRule::standard>),
      of_input(
          "guided", "guided back-propagation (Springenberg et al. 2015)",
          gradient<ReluRule::guided>),
      of_input("deconv", "deconvnet rule (Zeiler and Fergus 2014)", gradient<ReluRule::deconv>),
      of_input(
          "gradient-x-input", "gradient times input (Shrikumar et al. 2016)", gradient_x_input),
      of_input(
          "integrated-gradients", "mean gradient on the way from black (Sundararajan et al. 2017)",
          integrated),
      of_noise(
          "smoothgrad", "mean gradient of noisy copies (Smilkov et al. 2017)",
          noisy_gradients<Statistic::mean>),
      of_noise(
          "smoothgrad-squared", "mean squared gradient of noisy copies (Hooker et al. 2019)",
          noisy_gradients<Statistic::mean_square>),
      of_noise(
          "vargrad", "variance of the gradients of noisy copies (Adebayo et al. 2018)",
          noisy_gradients<Statistic::variance>),
      of_layer("cam", "CAM, for a pooled linear head (Zhou et al. 2016)", cam<W::cam>),
      of_layer("grad-cam", "Grad-CAM (Selvaraju et al. 2017)", cam<W::grad>),
      of_layer("grad-cam++", "Grad-CAM++ (Chattopadhay et al. 2018)", cam<W::grad_plus_plus>),
      of_layer("xgrad-cam", "XGrad-CAM (Fu et al. 2020)", cam<W::xgrad>),
      of_layer("hires-cam", "HiResCAM (Draelos and Carin 2020)", cam<W::hires>),
      of_layer("layer-cam", "LayerCAM (Jiang et al. 2021)", cam<W::layer>),
      of_layer(
          "eigen-cam", "Eigen-CAM, the same for all classes (Muhammad and Yeasin 2020)", eigen_cam),
      of_scores(
          "score-cam", "Score-CAM: probability of the masked pixels (Wang et al. 2020)",
          score_cam<S::probability>),
      of_scores(
          "score-cam-official", "Score-CAM as its authors' program computes it",
          score_cam<S::official>),
      of_scores(
          "score-cam-softmax", "Score-CAM with a softmax over the maps' scores",
          score_cam<S::softmax>),
      of_scores(
          "score-cam-increase", "Score-CAM by the increase over a black image",
          score_cam<S::increase>),
      of_scores("ablation-cam", "Ablation-CAM (Desai and Ramaswamy 2020)", ablation_cam),
      of_scores("opti-cam", "Opti-CAM (Zhang et al. 2024)", opti_cam),
      of_layer("guided-grad-cam", "guided times Grad-CAM (Selvaraju et al. 2017)", guided_grad_cam),
      of_input(
          "lrp-epsilon", "layer-wise relevance, stabilised (Bach et al. 2015)",
          lrp<LrpRule::epsilon>),
      of_input(
          "lrp-gamma",
          "layer-wise relevance, supporting weights raised by a quarter (Montavon 2019)",
          lrp<LrpRule::gamma>),
      of_input(
          "lrp-zplus", "layer-wise relevance, positive weights alone (Montavon et al. 2017)",
          lrp<LrpRule::z_plus>),
      of_input(
          "deeplift", "DeepLIFT's rescale rule against black (Shrikumar et al. 2017)", deeplift),
      of_masks(
          "occlusion", "drop of the score under a black window (Zeiler and Fergus 2014)",
          occlusion),
      of_masks("rise", "RISE: random masks weighted by their score (Petsiuk et al. 2018)", rise),
  };
  return methods;
}

// ---- smooth:NAME and smooth:N:NAME ----

const std::string kSmooth = "smooth:";

// The N of "N:NAME", which is taken off; nothing if there is none.
std::optional<int64_t> take_copies(std::string& rest) {
  constexpr int64_t kMost = 1000;
  const size_t colon = rest.find(':');
  if (colon == std::string::npos) return std::nullopt;
  int64_t copies = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + colon, copies);
  const bool is_number = error == std::errc() && end == rest.data() + colon;
  check_value(
      is_number && copies >= 1 && copies <= kMost, "saliency", "'", kSmooth, rest,
      "' is not smooth:N:METHOD with N from 1 to ", kMost);
  rest.erase(0, colon + 1);
  return copies;
}

// copies: the settings' if nothing
Method smoothed(const Method& method, std::optional<int64_t> copies) {
  Method result = method;
  result.info.name = kSmooth + (copies ? join_text(*copies, ":") : "") + method.info.name;
  result.info.what =
      join_text("mean over ", copies ? join_text(*copies, " ") : "", "noisy copies of: ") +
      method.info.what;
  result.info.is_slow = true;
  result.info.can_smooth = false;
  result.compute = [compute = method.compute, copies](Batch& b) {
    const int64_t count = copies.value_or(b.explained.settings.noisy_copies);
    return over_noise(b, compute, Statistic::mean, count);
  };
  return result;
}

Method method_named(const std::string& name) {
  const bool is_smooth = name.starts_with(kSmooth);
  std::string base = is_smooth ? name.substr(kSmooth.size()) : name;
  std::optional<int64_t> copies;
  if (is_smooth) copies = take_copies(base);
  std::string names;
  for (const Method& method : table()) {
    if (method.info.name == base && (!is_smooth || method.info.can_smooth)) {
      return is_smooth ? smoothed(method, copies) : method;
    }
    if (!is_smooth || method.info.can_smooth) {
      names += (names.empty() ? "" : ", ") + (is_smooth ? kSmooth : "") + method.info.name;
    }
  }
  raise<ValueError>("saliency", "no method '", name, "'; there are: ", names);
}

void check_subject(const MethodInfo& method, const Explained& subject, const Tensor& images) {
  const char* name = method.name.c_str();
  check_value(!method.needs_layer || subject.layer != nullptr, name, "needs a layer");
  check_shape(
      !method.needs_images || images.rank() == 4, name, "needs images [N, C, H, W], got ",
      images.shape());
}

// The maps of all batches as one.
Maps joined(const std::vector<Maps>& parts) {
  std::vector<Tensor> raw, shown;
  Maps all;
  for (const Maps& part : parts) {
    raw.push_back(part.raw);
    shown.push_back(part.shown);
    all.is_evidence = part.is_evidence;
    all.notes.insert(all.notes.end(), part.notes.begin(), part.notes.end());
    all.completeness.insert(
        all.completeness.end(), part.completeness.begin(), part.completeness.end());
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
  std::vector<Method> chosen;
  for (const std::string& name : methods) {
    chosen.push_back(method_named(name));
    check_subject(chosen.back().info, subject, images);
  }

  std::vector<std::vector<Maps>> parts(methods.size());
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    const int64_t end = std::min(count, begin + kBatch);
    Batch batch(
        subject, slice(images, 0, begin, end).detach(),
        classes.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    for (size_t k = 0; k < methods.size(); ++k) {
      parts[k].push_back(displayed(chosen[k].compute(batch), batch.images.shape()));
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
