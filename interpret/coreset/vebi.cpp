// interpret/coreset/vebi.cpp: shares of energy, moments, and one path per class.
#include "interpret/coreset/vebi.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/similarity.h"
#include "interpret/numerics/lasso.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>

namespace limpid::interpret {
namespace {

// e / total, in [b, C]; 0 where a layer is silent.
Tensor shares_of(const Tensor& energy) {
  const Tensor total = sum(energy, {1});
  const Tensor is_silent = equal(total, Tensor::scalar(0, DType::f64));
  return energy / where(is_silent, Tensor::scalar(1, DType::f64), total);
}

// Outputs of the layers in the order of their names.
std::vector<Tensor> outputs_of(
    Module& model, const std::vector<std::string>& names, const Tensor& images, Tensor& logits) {
  Pass pass;
  for (const std::string& name : names) pass.watch(find_layer(model, name));
  logits = model(images, pass).detach();
  std::vector<Tensor> outputs;
  for (const std::string& name : names) {
    outputs.push_back(pass.activation(find_layer(model, name)).detach());
  }
  return outputs;
}

Readings::Reader reader_of(Module& model, const std::vector<std::string>& names) {
  return [&model, names](const Tensor& images) {
    Reading reading;
    std::vector<Tensor> parts;
    for (const Tensor& output : outputs_of(model, names, images, reading.logits)) {
      parts.push_back(energy_shares(output));
    }
    reading.rows = to(concat(parts, 1), DType::f32);
    return reading;
  };
}

VebiOptions with_layers(Module& model, const Readings::Images& images, VebiOptions o) {
  const int64_t first = 0;
  const Tensor one = images({&first, 1});
  if (o.layers.empty()) o.layers = rectified_layers(model, one);
  check_value(!o.layers.empty(), "vebi", "no layer of the network is rectified; name some");
  return o;
}

void check_options(const VebiOptions& o) {
  check_value(
      o.strength >= 0 && (o.form != VebiForm::share || o.strength <= 1), "vebi",
      "needs a share in [0, 1], or mu or alpha of at least 0, got ", o.strength);
}

Tensor column(const Tensor& matrix, int64_t c) {
  return reshape(slice(matrix, 1, c, c + 1), {matrix.size(0)});
}

}  // namespace

Tensor energy_shares(const Tensor& output) {
  const Recording off(false);
  check_shape(
      output.rank() >= 2, "energy_shares", "needs the output of units [b, C, ...], got ",
      output.shape());
  const int64_t b = output.size(0), C = output.size(1);
  const Tensor values = reshape(to(output, DType::f64), {b, C, output.numel() / (b * C)});
  return shares_of(reshape(sum(values * values, {2}), {b, C}));
}

void VebiMoments::add(
    const Tensor& X, std::span<const int64_t> classes, int64_t K, SampleWeights weights) {
  const Recording off(false);
  const Tensor L = one_hot(integer_tensor(classes), K, DType::f64);
  const Tensor vX =
      weights.empty() ? X : X * Tensor::of({std::ssize(weights), 1}, weights, DType::f64);
  const Tensor more_Q = matmul(vX, X, {.transpose_a = true});
  const Tensor more_q = matmul(vX, L, {.transpose_a = true});
  Q = Q.defined() ? Q + more_Q : more_Q;
  q = q.defined() ? q + more_q : more_q;
  samples += weights.empty() ? static_cast<double>(X.size(0))
                             : std::accumulate(weights.begin(), weights.end(), 0.0);
}

Tensor vebi_weights(
    const VebiMoments& moments, const VebiOptions& o, std::vector<double>& budgets) {
  const Recording off(false);
  check_options(o);
  const int64_t m = moments.q.size(0), K = moments.q.size(1);
  const bool is_first = budgets.empty();
  if (is_first) budgets.assign(static_cast<size_t>(K), 0);
  Tensor W = Tensor::empty({K, m}, DType::f64);
  double* out = W.mutable_data<double>();
  parallel::for_each(K, [&](int64_t c) {
    const LassoPath path(moments.Q, column(moments.q, c), {.ridge = o.ridge});
    double& mu = budgets[static_cast<size_t>(c)];
    if (is_first)
      mu = o.form == VebiForm::share ? o.strength * path.knots().back().sum : o.strength;
    const Tensor w =
        o.form == VebiForm::alpha ? path.at_lambda(moments.samples * o.strength) : path.at_mu(mu);
    std::ranges::copy(w.values<double>(), out + c * m);
  });
  return W;
}

// ---- The interpreter ----

Vebi::Vebi(Module& model, const Data& data, const VebiOptions& options)
    : Vebi(model, data, with_layers(model, data.images, options), Completed{}) {}

Vebi::Vebi(Module& model, const Data& data, const VebiOptions& options, Completed)
    : WeightInterpreter(data, options.has_true_labels, reader_of(model, options.layers)),
      options_(options) {
  check_options(options_);
  const Recording off(false);
  const int64_t first = 0;
  Tensor logits;
  groups_ = {0};
  for (const Tensor& output :
       outputs_of(model, options_.layers, data.images({&first, 1}), logits)) {
    groups_.push_back(groups_.back() + output.size(1));
  }
}

Interpretation Vebi::solve(
    SampleList samples, std::span<const int64_t> classes, SampleWeights weights) {
  constexpr size_t kRows = 4096;  // of X at a time
  VebiMoments moments;
  check_value(!samples.empty(), "vebi", "no samples to interpret the network on");
  for (size_t begin = 0; begin < samples.size(); begin += kRows) {
    const size_t count = std::min(kRows, samples.size() - begin);
    moments.add(
        readings_.rows(samples.subspan(begin, count)), classes.subspan(begin, count), K_,
        weights.empty() ? weights : weights.subspan(begin, count));
  }
  Interpretation found{.weights = vebi_weights(moments, options_, budgets_)};
  for (int64_t c = 0; c < K_; ++c) found.active.push_back(std::ssize(relevant_units(found, c)));
  return found;
}

std::vector<RelevantUnit> Vebi::relevant_units(const Interpretation& found, int64_t c) const {
  const auto m = static_cast<size_t>(found.weights.size(1));
  const Weights w = found.weights.values<double>().subspan(static_cast<size_t>(c) * m, m);
  std::vector<RelevantUnit> units;
  for (const int64_t j : ranked_support(w)) {
    const auto after = std::ranges::upper_bound(groups_, j);
    const auto layer = static_cast<size_t>(after - groups_.begin()) - 1;
    units.push_back({options_.layers[layer], j - groups_[layer], w[static_cast<size_t>(j)]});
  }
  return units;
}

std::vector<RelevantUnit> Vebi::random_units(
    std::span<const RelevantUnit> like, const Rng& rng) const {
  std::vector<RelevantUnit> units;
  for (size_t l = 0; l < options_.layers.size(); ++l) {
    const std::string& layer = options_.layers[l];
    const auto count = std::ranges::count(like, layer, &RelevantUnit::layer);
    Rng of_layer = rng.child(l);
    const std::vector<int64_t> any = of_layer.permutation(groups_[l + 1] - groups_[l]);
    for (int64_t k = 0; k < count; ++k) units.push_back({layer, any[static_cast<size_t>(k)], 0});
  }
  return units;
}

// ---- Pictures ----

namespace {

struct Reach {
  int64_t top = 0, left = 0, bottom = 0, right = 0;  // the last two excluded
};

// Where a gradient [1, C, H, W] is not 0; empty if nowhere.
Reach reach_of(const Tensor& slope) {
  const Tensor largest = max(abs(slope), 1);
  const int64_t H = slope.size(2), W = slope.size(3);
  const std::vector<double> values = largest.to_vector();
  Reach r{H, W, 0, 0};
  for (int64_t y = 0; y < H; ++y) {
    for (int64_t x = 0; x < W; ++x) {
      if (values[static_cast<size_t>(y * W + x)] == 0) continue;
      r = {
          std::min(r.top, y), std::min(r.left, x), std::max(r.bottom, y + 1),
          std::max(r.right, x + 1)};
    }
  }
  return r.bottom > 0 ? r : Reach{};
}

struct Response {
  Reach reach = {};
  Tensor heat = {};  // [1, 1, H, W]
};

void check_unit(int64_t unit, const Tensor& output) {
  check_value(
      unit >= 0 && unit < output.size(1), "picture_of_unit", "no unit ", unit, " among ",
      output.size(1));
}

// The largest response of a unit on each image [N, C, H, W].
std::vector<double> responses_to(
    Module& model, const Module& layer, int64_t unit, const Tensor& images) {
  constexpr int64_t kBatch = 100;
  const Recording off(false);
  std::vector<double> responses;
  for (int64_t begin = 0; begin < images.size(0); begin += kBatch) {
    const Tensor some = slice(images, 0, begin, std::min(images.size(0), begin + kBatch));
    Pass pass;
    pass.watch(layer);
    model(some, pass);
    const Tensor& output = pass.activation(layer);
    check_unit(unit, output);
    const Tensor map = slice(output, 1, unit, unit + 1);
    const Tensor rows = reshape(map, {map.size(0), map.numel() / map.size(0)});
    std::ranges::copy(max(rows, 1).to_vector(), std::back_inserter(responses));
  }
  return responses;
}

// The largest response of a unit on one image, with its gradients under two rules.
Response response_on(Module& model, const Module& layer, int64_t unit, const Tensor& image) {
  const Recording on(true);
  Tensor x = image.detach();
  x.require_gradient();
  Pass pass;
  pass.watch(layer);
  model(x, pass);
  const Tensor& output = pass.activation(layer);
  const Tensor map = slice(output, 1, unit, unit + 1);
  const Tensor largest = max(reshape(map, {map.numel()}), 0);
  Response response;
  response.reach = reach_of(grad(largest, x));
  response.heat = relu(max(grad(largest, x, {.relu = ReluRule::guided}), 1).detach()).detach();
  return response;
}

// The h x w part of an image [1, C, H, W] around the middle of the reach, black outside: [C, h, w].
Tensor crop(const Tensor& image, const Reach& reach, int64_t h, int64_t w) {
  const Tensor wide = pad(pad(image, 2, h, h), 3, w, w);
  const int64_t top = (reach.top + reach.bottom - h) / 2 + h;
  const int64_t left = (reach.left + reach.right - w) / 2 + w;
  return reshape(slice(slice(wide, 2, top, top + h), 3, left, left + w), {image.size(1), h, w});
}

}  // namespace

UnitPicture picture_of_unit(
    Module& model, const std::string& layer, int64_t unit, const Tensor& images, int64_t count) {
  check_shape(
      images.rank() == 4, "picture_of_unit", "needs images [N, C, H, W], got ", images.shape());
  check_value(images.size(0) > 0 && count > 0, "picture_of_unit", "needs at least one image");
  const Module& watched = find_layer(model, layer);
  const std::vector<double> sizes = responses_to(model, watched, unit, images);
  UnitPicture picture;
  picture.images = index_range(0, std::ssize(sizes));
  const auto size_of = [&](int64_t n) { return sizes[static_cast<size_t>(n)]; };
  std::ranges::stable_sort(picture.images, std::ranges::greater{}, size_of);
  picture.images.resize(std::min(picture.images.size(), static_cast<size_t>(count)));

  int64_t h = 1, w = 1;
  std::vector<Response> responses;
  std::vector<Tensor> heat;
  for (const int64_t n : picture.images) {
    responses.push_back(response_on(model, watched, unit, slice(images, 0, n, n + 1)));
    const Response& r = responses.back();
    h = std::max(h, r.reach.bottom - r.reach.top);
    w = std::max(w, r.reach.right - r.reach.left);
    heat.push_back(r.heat);
  }
  const Recording off(false);
  std::vector<Tensor> crops;
  for (size_t k = 0; k < responses.size(); ++k) {
    const int64_t n = picture.images[k];
    crops.push_back(crop(slice(images, 0, n, n + 1), responses[k].reach, h, w));
  }
  const Tensor all = stack(crops, 0);
  picture.average = reshape(mean(all, {0}), {images.size(1), h, w});
  picture.heat = reshape(concat(heat, 0), {std::ssize(heat), 1, images.size(2), images.size(3)});
  return picture;
}

}  // namespace limpid::interpret
