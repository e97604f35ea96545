// interpret/saliency/cam_scores.cpp: masks made of maps, ablated maps, optimised maps.
#include "interpret/saliency/cam_scores.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/ops/resample.h"
#include "framework/optim/adam.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/display.h"
#include "interpret/saliency/perturbation.h"
#include "interpret/saliency/pixels.h"

#include <algorithm>
#include <vector>

namespace limpid::interpret {

// ---- Score-CAM ----

namespace {

// 1 for each map with more than one value: enlarged [K, 1, H, W] -> [K, 1].
Tensor has_contrast(const Tensor& enlarged) {
  const Tensor rows = flatten(enlarged);
  return greater(max(rows, 1) + max(-rows, 1), Tensor::scalar(0, rows.dtype()));
}

// w_k of one image: masks [K, 1, H, W], counts [K, 1] -> [K, 1].
Tensor score_weights(
    ScoreCam variant, const Explained& subject, const Tensor& image, const Tensor& masks,
    const Tensor& counts, int64_t c) {
  const Explained standardised{.model = subject.model};  // masks act on what the network sees
  switch (variant) {
    case ScoreCam::probability:
      return counts * scores_under(subject, image, masks, c, Target::probability);
    case ScoreCam::official:
      return counts * scores_under(standardised, image, masks, c, Target::probability);
    case ScoreCam::increase: {
      const Tensor none = Tensor::zeros({1, 1, 1, 1}, image.dtype());
      const Tensor base = scores_under(subject, image, none, c, Target::probability);
      return counts * (scores_under(subject, image, masks, c, Target::probability) - base);
    }
    case ScoreCam::softmax: break;
  }
  // Constant maps are left out of the softmax, not only of the sum
  const Tensor logits = scores_under(standardised, image, masks, c, Target::logit);
  const Tensor least = Tensor::scalar(-1e30, logits.dtype());
  return counts * transpose(softmax(transpose(where(counts, logits, least))));
}

}  // namespace

Tensor score_sum(
    ScoreCam variant, const Explained& subject, const Tensor& maps, const Tensor& images,
    std::span<const int64_t> classes) {
  const Recording off(false);
  const int64_t K = maps.size(1);
  std::vector<Tensor> parts;
  for (size_t n = 0; n < classes.size(); ++n) {
    const auto at = static_cast<int64_t>(n);
    const Tensor own = slice(maps, 0, at, at + 1);
    const Tensor large = resize_bilinear(own, images.size(2), images.size(3));
    const Tensor enlarged = reshape(large, {K, 1, images.size(2), images.size(3)});
    const Tensor weights = score_weights(
        variant, subject, slice(images, 0, at, at + 1), min_max(enlarged), has_contrast(enlarged),
        classes[n]);
    const Tensor& summed = variant == ScoreCam::official ? large : own;
    parts.push_back(weighted_sum(summed, reshape(weights, {1, K, 1, 1})));
  }
  return concat(parts, 0);
}

// ---- Ablation-CAM ----

namespace {

// Logits with the layer's output replaced by `outputs` [M, ...], for one image.
Tensor logits_with(const Explained& subject, const Tensor& image, const Tensor& outputs) {
  Pass pass;
  pass.substitute = [&](const Module& layer, const Tensor&, const Tensor& output) {
    return &layer == subject.layer ? outputs : output;
  };
  const int64_t M = outputs.size(0);
  try {
    const Tensor logits = subject.model(image, pass);
    if (logits.size(0) == M) return logits;
  } catch (const ShapeError&) {
    // Something that passes the layer by, or a size read before it, needs all M rows
  }
  return subject.model(broadcast_to(image, image.shape().with(0, M)), pass);
}

Tensor output_of(const Explained& subject, const Tensor& image) {
  Pass pass;
  pass.watch(*subject.layer);
  subject.model(image, pass);
  return pass.activation(*subject.layer).detach();
}

// w_k of one image [1, C, H, W]: [1, K, 1, 1]
Tensor ablation_weights_of_one(const Explained& subject, const Tensor& image, int64_t c) {
  constexpr int64_t kPiece = 128;                   // ablated copies per pass
  constexpr double kTiny = 1e-12;                   // scores below count as 0
  const Tensor output = output_of(subject, image);  // [1, K, h, w] or [1, T, K]
  const bool is_tokens = output.rank() == 3;
  const int64_t K = output.size(is_tokens ? 2 : 1);
  std::vector<Tensor> parts;
  for (int64_t begin = 0; begin < K; begin += kPiece) {
    const int64_t end = std::min(K, begin + kPiece);

    // Row 0 keeps all maps, row i misses map begin + i - 1
    std::vector<int64_t> missing;
    for (int64_t k = begin; k < end; ++k) missing.push_back(k);
    const Tensor hole = one_hot(Tensor::of_integers({end - begin}, missing), K, output.dtype());
    const Tensor kept = 1 - pad(hole, 0, 1, 0);  // [1 + M, K]
    const Shape shape = is_tokens ? Shape{end - begin + 1, 1, K} : Shape{end - begin + 1, K, 1, 1};
    const Tensor logits = logits_with(subject, image, output * reshape(kept, shape));
    const Tensor score = select(logits, std::vector<int64_t>(missing.size() + 1, c));
    const Tensor whole = slice(score, 0, 0, 1);
    const Tensor drop = whole - slice(score, 0, 1, end - begin + 1);
    const Tensor is_tiny = less(abs(whole), Tensor::scalar(kTiny, whole.dtype()));
    const Tensor below = where(is_tiny, Tensor::scalar(0, whole.dtype()), whole);
    parts.push_back(ratio_or_zero(drop, below));
  }
  return reshape(concat(parts, 0), {1, K, 1, 1});
}

}  // namespace

Tensor ablation_weights(
    const Explained& subject, const Tensor& images, std::span<const int64_t> classes) {
  const Recording off(false);
  std::vector<Tensor> parts;
  for (size_t n = 0; n < classes.size(); ++n) {
    const auto at = static_cast<int64_t>(n);
    parts.push_back(ablation_weights_of_one(subject, slice(images, 0, at, at + 1), classes[n]));
  }
  return concat(parts, 0);
}

// ---- Opti-CAM ----

namespace {

// S(w): maps relu(A) [N, K, h, w], w [N, K] -> [N, 1, H, W]
Tensor mask_of(const Tensor& maps, const Tensor& w, const Shape& images) {
  const Tensor share = reshape(softmax(w), {maps.size(0), maps.size(1), 1, 1});
  return min_max(resize_bilinear(weighted_sum(maps, share), images[2], images[3]));
}

}  // namespace

Tensor opti_mask(
    const Explained& subject, const Tensor& maps, const Tensor& images,
    std::span<const int64_t> classes, int64_t steps) {
  check_value(steps >= 1, "opti-cam", "needs at least one step, got ", steps);
  const Recording on(true);
  constexpr double kRate = 0.1;
  const int64_t N = maps.size(0);
  const Tensor positive = relu(maps.detach());
  Tensor w = Tensor::full({N, maps.size(1)}, 0.5, maps.dtype()).require_gradient();
  Adam adam({{"w", w}});
  const int64_t check_every = std::max<int64_t>(1, steps / 10);
  Tensor done = Tensor::zeros({N, 1, 1, 1}, maps.dtype());  // 1 where an image is finished
  Tensor answer, before;                                    // masks, scores of the last check
  for (int64_t step = 0; step < steps; ++step) {
    const Tensor mask = mask_of(positive, w, images.shape());
    Pass pass;
    const Tensor score = select(subject.model(masked(subject, images, mask), pass), classes);
    const Tensor seen = mask.detach();
    answer = answer.defined() ? where(done, answer, seen) : seen;
    if (step % check_every == 0) {
      const Tensor now = reshape(score.detach(), {N, 1, 1, 1});
      if (before.defined()) done = maximum(done, less(now, before));
      before = now;
    }
    adam.clear_gradients();
    backward(-sum(score), std::span<const Tensor>(&w, 1));
    adam.step(kRate);
  }
  const Recording off(false);
  return where(done, answer, mask_of(positive, w, images.shape()));
}

}  // namespace limpid::interpret
