// interpret/gradient_penalty/shift.cpp: directions in input space and the flow through rectifiers.
#include "interpret/gradient_penalty/shift.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "framework/train/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

namespace limpid::interpret {
namespace {

// Cross-entropies [N] as a function of the images.
struct Losses {
  Tensor images, each;

  Losses(Module& model, const Tensor& inputs, const Tensor& labels) {
    const Recording on(true);
    images = inputs.detach();
    images.require_gradient();
    Pass pass;
    const Tensor log_p = log_softmax(model(images, pass));
    each = reshape(-select(log_p, labels.values<int64_t>()), {inputs.size(0)});
  }
  Tensor gradient(ReluRule rule = ReluRule::standard) const {
    return grad(sum(each), images, {.relu = rule});
  }
};

Tensor row_sums(const Tensor& x) { return sum(flatten(x), {1}); }  // [N, ...] -> [N, 1]

// [C] so that it broadcasts along axis 1 of the images
Tensor along_channels(const Tensor& values, const Tensor& images) {
  Shape shape = images.shape();
  for (int axis = 0; axis < shape.rank(); ++axis) shape = shape.with(axis, 1);
  return reshape(values, shape.with(1, values.numel()));
}

// Sees both masks of the guided rule: what arrives where a rectifier is open, and what goes on.
class Flows : public Observer {
 public:
  std::vector<RectifierFlow> rows;  // newest rectifier first

  void on_result(const char* op, const Tensor& value) override {
    const bool is_first_mask = is_inside_ && std::strncmp(op, "mask", 4) == 0;
    if (!is_first_mask) return;
    is_inside_ = false;
    rows.back().arriving = size_of(value);
  }
  void before_gradient(const char* op) override {
    for (const char* rectifier : {"relu", "relu6", "gelu"}) {
      if (std::strcmp(op, rectifier) != 0) continue;
      is_inside_ = true;
      rows.push_back({op, 0});
    }
  }
  void on_gradient(const char* op, const Tensor& gradient) override {
    if (rows.empty() || rows.back().op != op || rows.back().arriving == 0) return;
    rows.back().removed = 1 - size_of(gradient) / rows.back().arriving;
  }

 private:
  // sum |x|, without an op that would be observed
  static double size_of(const Tensor& x) {
    double total = 0;
    for (const double value : x.to_vector()) total += std::abs(value);
    return total;
  }
  bool is_inside_ = false;  // a formula that has not made its first mask yet
};

// The flows of more images through the same rectifiers.
void add_flows(const std::vector<RectifierFlow>& some, std::vector<RectifierFlow>& all) {
  if (all.empty()) all.resize(some.size());
  for (size_t k = 0; k < some.size(); ++k) {
    RectifierFlow& row = all[k];
    const double removed = row.removed * row.arriving + some[k].removed * some[k].arriving;
    row.op = some[k].op;
    row.arriving += some[k].arriving;
    row.removed = row.arriving > 0 ? removed / row.arriving : 0;
  }
}

void append(const std::vector<double>& some, std::vector<double>& all) {
  all.insert(all.end(), some.begin(), some.end());
}

// 1 for each image that is classified as labelled, else 0.
std::vector<double> hits(Module& model, const Tensor& images, const Tensor& labels) {
  const Recording off(false);
  Pass pass;
  const Tensor best = arg_max(model(images, pass), 1);
  const auto found = best.values<int64_t>();
  const auto wanted = labels.values<int64_t>();
  std::vector<double> result;
  for (size_t n = 0; n < found.size(); ++n) result.push_back(found[n] == wanted[n] ? 1 : 0);
  return result;
}

}  // namespace

ShiftAlignment shift_alignment(
    Module& model, const Tensor& images, const Tensor& labels, const GradientPenaltyOptions& o) {
  const Losses l(model, images, labels);
  const Tensor delta = l.gradient();
  const Tensor target = gradient_target(l.each, l.images, o).detach();
  const Recording off(false);
  const Tensor u = gradient_error_slopes(o.error, delta, target, o.smallest);
  const Tensor direction = sign(delta);
  const Tensor inner = row_sums(u * direction);  // [N, 1]
  const Tensor lengths = sqrt(row_sums(u * u) * row_sums(direction * direction));
  return {reshape(inner, {inner.numel()}), reshape(inner / lengths, {inner.numel()})};
}

Tensor fgsm(
    Module& model, const Tensor& images, const Tensor& labels, double epsilon,
    const PixelScale& scale) {
  return moved_pixels(images, fgsm_direction(model, images, labels), epsilon, scale);
}

Tensor moved_pixels(
    const Tensor& images, const Tensor& direction, double epsilon, const PixelScale& scale) {
  check_value(epsilon >= 0, "fgsm", "epsilon is ", epsilon);
  const Recording off(false);
  if (!scale.mean.defined()) return clamp(images + epsilon * direction, 0, 1);
  const Tensor mean = along_channels(scale.mean, images);
  const Tensor deviation = along_channels(scale.deviation, images);
  return (clamp(images * deviation + mean + epsilon * direction, 0, 1) - mean) / deviation;
}

Tensor fgsm_direction(Module& model, const Tensor& images, const Tensor& labels) {
  const Tensor slope = Losses(model, images, labels).gradient();
  const Recording off(false);
  return sign(slope);
}

Tensor with_random_signs(const Tensor& direction, const Rng& rng, int64_t first) {
  const Recording off(false);
  std::vector<double> signs;  // of all images, one after the other
  std::vector<float> draws(static_cast<size_t>(direction.numel() / direction.size(0)));
  for (int64_t n = 0; n < direction.size(0); ++n) {
    rng.child(static_cast<uint64_t>(first + n)).uniform(std::span<float>(draws), -1, 1);
    for (const float draw : draws) signs.push_back(draw < 0 ? -1 : 1);
  }
  return direction * Tensor::of(direction.shape(), signs, direction.dtype());
}

double accuracy_under_fgsm(
    Module& model, const Tensor& images, const Tensor& labels, double epsilon,
    const PixelScale& scale) {
  const Tensor moved = epsilon == 0 ? images : fgsm(model, images, labels, epsilon, scale);
  const Recording off(false);
  Pass pass;
  const int64_t correct = count_correct(model(moved, pass), labels);
  return static_cast<double>(correct) / static_cast<double>(labels.numel());
}

std::vector<RectifierFlow> guided_removal(
    Module& model, const Tensor& images, const Tensor& labels) {
  const Losses l(model, images, labels);
  Flows flows;
  const Observing watch(flows);
  l.gradient(ReluRule::guided);
  std::ranges::reverse(flows.rows);
  return flows.rows;
}

ShiftFigures shift_figures(
    Module& model, const Tensor& images, const Tensor& labels, const ShiftOptions& o) {
  constexpr int64_t kBatch = 64;
  const Rng rng(o.seed);
  ShiftFigures all;
  all.fgsm.resize(o.epsilons.size());
  all.random.resize(o.epsilons.size());
  for (int64_t begin = 0; begin < images.size(0); begin += kBatch) {
    const int64_t end = std::min(images.size(0), begin + kBatch);
    const Tensor x = slice(images, 0, begin, end);
    const Tensor y = slice(labels, 0, begin, end);
    append(shift_alignment(model, x, y).cosine.to_vector(), all.cosine);
    append(hits(model, x, y), all.clean);
    const Tensor worst = fgsm_direction(model, x, y);
    const Tensor random = with_random_signs(worst, rng, begin);
    for (size_t k = 0; k < o.epsilons.size(); ++k) {
      append(hits(model, moved_pixels(x, worst, o.epsilons[k], o.scale), y), all.fgsm[k]);
      append(hits(model, moved_pixels(x, random, o.epsilons[k], o.scale), y), all.random[k]);
    }
    add_flows(guided_removal(model, x, y), all.removal);
  }
  return all;
}

}  // namespace limpid::interpret
