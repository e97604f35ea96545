// interpret/saliency/cam.cpp: the engine and the weights of each method.
#include "interpret/saliency/cam.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/tape.h"

#include <cmath>
#include <set>

namespace limpid::interpret {

// ---- From a layer's output to maps ----

namespace {

struct Grid {
  int64_t h = 0, w = 0;
  int64_t first = 0;  // number of class tokens in front
};

// The grid of T tokens with the proportions of the image; h = 0 if there is none.
Grid token_grid(int64_t tokens, const Shape& image) {
  if (image.rank() != 4) return {};
  const double proportion = static_cast<double>(image[2]) / static_cast<double>(image[3]);
  for (const int64_t first : {0, 1}) {
    const int64_t cells = tokens - first;
    const int64_t h = std::llround(std::sqrt(static_cast<double>(cells) * proportion));
    if (h >= 1 && cells % h == 0 && h * image[3] == cells / h * image[2]) {
      return {h, cells / h, first};
    }
  }
  return {};
}

}  // namespace

bool is_spatial(const Shape& output, const Shape& image) {
  if (output.rank() == 4) return output[2] * output[3] > 1;
  if (output.rank() != 3) return false;
  const Grid grid = token_grid(output[1], image);
  return grid.h * grid.w > 1;
}

Tensor spatial_maps(const Tensor& output, const Shape& image, const Module& layer) {
  if (output.rank() == 4) return output;
  const Grid grid = output.rank() == 3 ? token_grid(output.size(1), image) : Grid{};
  check_shape(
      grid.h > 0, "cam", "the watched ", layer.type(), " has no spatial map (output ",
      output.shape(), ", image ", image, ")");
  const Tensor tokens = slice(output, 1, grid.first, output.size(1));  // [N, T, K]
  const Tensor channels = permute(tokens, {0, 2, 1});                  // [N, K, T]
  return reshape(channels, {output.size(0), output.size(2), grid.h, grid.w});
}

// ---- Slopes ----

namespace {

// The first op between the maps and the logits that is neither pooling nor part of a linear layer.
std::string obstacle_in_head(const Tensor& logits, const Tensor& maps) {
  static const std::set<std::string> allowed = {
      "reshape", "sum_to", "affine", "adaptive_avg_pool2d", "avg_pool2d", "matmul", "add"};
  int products = 0;
  for (const Node* node : between(logits, maps).nodes) {
    const std::string op = node->op;
    products += op == "matmul" ? 1 : 0;
    if (!allowed.contains(op)) return op;
    if (products > 1) return "a second matmul";
  }
  return products == 1 ? "" : "no matmul";
}

}  // namespace

LayerSlopes layer_slopes(
    Module& model, const Module& layer, const Tensor& images, std::span<const int64_t> classes,
    Target target) {
  const Recording on(true);
  Pass pass;
  pass.watch(layer);
  const Tensor logits = model(images, pass);     // [N, classes]
  const Tensor output = pass.activation(layer);  // A_k [N, K, h, w], or tokens
  const Tensor maps = spatial_maps(output.detach(), images.shape(), layer);
  const Tensor slope = grad(target_score(logits, classes, target), output);
  return {
      logits.detach(), maps, spatial_maps(slope, images.shape(), layer),
      obstacle_in_head(logits, output)};
}

// ---- Weights ----

Tensor ratio_or_zero(const Tensor& a, const Tensor& b) {
  const Tensor zero = Tensor::scalar(0, b.dtype());
  const Tensor is_zero = equal(b, zero);
  return where(is_zero, zero, a / where(is_zero, Tensor::scalar(1, b.dtype()), b));
}

namespace {

// With a head of pooling and one linear layer, y_c = sum_k W_ck mean(A_k) + b_c, so that the slope
// is W_ck / (h w) at every position.
Tensor head_weights(const LayerSlopes& s) {
  check_value(
      s.obstacle.empty(), "cam",
      "needs global average pooling and one linear layer behind the maps, found ", s.obstacle,
      "; grad-cam is the same for other heads");
  const Tensor first = slice(slice(s.slope, 2, 0, 1), 3, 0, 1);
  const Tensor spread = s.slope - first;
  check_value(
      max(reshape(abs(spread), {spread.numel()}), 0).item() == 0, "cam",
      "needs pooling over the whole map; grad-cam is the same for other heads");
  return sum(s.slope, {2, 3});
}

// Eq. 19 with first derivatives for the higher ones, alpha = g^2 / (2 g^2 + g^3 sum A), divided by
// g^2 above and below: where g is 0 so is relu(g).
Tensor plus_plus_weights(const LayerSlopes& s) {
  const Tensor below = 2 + sum(s.maps, {2, 3}) * s.slope;
  return sum(ratio_or_zero(relu(s.slope), below), {2, 3});
}

}  // namespace

Tensor cam_weights(CamWeights weights, const LayerSlopes& s) {
  const Recording off(false);
  switch (weights) {
    case CamWeights::cam: return head_weights(s);
    case CamWeights::grad: return mean(s.slope, {2, 3});
    case CamWeights::grad_plus_plus: return plus_plus_weights(s);
    case CamWeights::xgrad:
      return ratio_or_zero(sum(s.slope * s.maps, {2, 3}), sum(s.maps, {2, 3}));
    case CamWeights::hires: return s.slope;
    case CamWeights::layer: break;
  }
  return relu(s.slope);
}

Tensor weighted_sum(const Tensor& maps, const Tensor& alpha) { return sum(alpha * maps, {1}); }

Tensor weighted_maps(const Tensor& maps, const Tensor& alpha) {
  return relu(weighted_sum(maps, alpha));
}

// ---- Eigen-CAM ----

namespace {

// [1, K, h, w] -> [1, 1, h, w]
Tensor eigen_sum_of_one(const Tensor& maps) {
  // NaN and infinity have no principal component and are passed on
  if (!std::isfinite(sum(maps).item())) return sum(maps, {1});
  const Tensor values = to(maps, DType::f64);
  const int64_t K = maps.size(1);
  const int64_t positions = maps.size(2) * maps.size(3);
  const Tensor rows = transpose(reshape(values, {K, positions}));  // [h w, K]
  const Tensor centred = rows - mean(rows, {0});
  const Svd parts = svd(centred);
  const Tensor component = slice(parts.u, 1, 0, 1) * slice(parts.s, 0, 0, 1);  // R v_1 [h w, 1]
  const double agreement = sum(component * sum(centred, {1})).item();
  return to(
      reshape(agreement < 0 ? -component : component, {1, 1, maps.size(2), maps.size(3)}),
      maps.dtype());
}

}  // namespace

Tensor eigen_sum(const Tensor& maps) {
  const Recording off(false);
  std::vector<Tensor> parts;
  for (int64_t n = 0; n < maps.size(0); ++n) {
    parts.push_back(eigen_sum_of_one(slice(maps, 0, n, n + 1)));
  }
  return concat(parts, 0);
}

Tensor grad_cam(
    Module& model, const Module& layer, const Tensor& images, std::span<const int64_t> classes,
    Target target) {
  const LayerSlopes slopes = layer_slopes(model, layer, images, classes, target);
  const Recording off(false);
  return weighted_maps(slopes.maps, cam_weights(CamWeights::grad, slopes));
}

}  // namespace limpid::interpret
