// interpret/interpretable_step.cpp: scores, targets and routes of a penalised step.
#include "interpret/interpretable_step.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace limpid::interpret {
namespace {

// Children of the generator of a pass, one for each use of random numbers
constexpr uint64_t kShare = 0x73686172;    // "shar": which examples are penalised
constexpr uint64_t kDropout = 0x64726f70;  // "drop": dropout of their pass
constexpr uint64_t kNoise = 0x6e6f6973;    // "nois": smoothgrad

// SmoothGrad (Smilkov et al. 2017): the deviation of the noise is a share of the range of an image
constexpr int kNoisyImages = 4;
constexpr double kNoiseLevel = 0.15;
constexpr double kLongest = 10;  // medians; of one slope

double rms(const Tensor& x) { return std::sqrt(mean(x * x).item()); }

// A batch whose scores are a function of its images, to be evaluated more than once.
class Scores {
 public:
  // The first pass draws from the generator of `pass`, the others from copies of it
  Scores(
      Module& model, const Batch& batch, Pass& pass, const ExampleLosses& losses_of,
      GradientSource source)
      : model_(model), batch_(batch), pass_(pass), losses_of_(losses_of), source_(source) {
    if (pass.has_rng()) start_ = pass.rng();
    images = batch.inputs.detach();
    images.require_gradient();
    logits = model(images, pass);
    losses = losses_of(logits, batch);
    scores = gradient_scores(source, logits, losses, batch.labels);
  }

  // The scores at other images [N, ...]: [N]
  Tensor at(const Tensor& moved) const {
    std::optional<Rng> rng = start_;
    Pass again = pass_.repeated(rng ? &*rng : nullptr);
    const Tensor y = model_(moved, again);
    return gradient_scores(source_, y, losses_of_(y, batch_), batch_.labels);
  }

  // Mean gradient over noisy images
  Tensor smooth_gradient() const {
    Rng rng = pass_.rng().child(kNoise);
    const Tensor rows = flatten(batch_.inputs);
    const Tensor range = max(rows, 1) + max(-rows, 1);  // [N, 1]
    Tensor total = Tensor::zeros(images.shape(), images.dtype());
    for (int k = 0; k < kNoisyImages; ++k) {
      const Tensor noise = Tensor::normal(rows.shape(), rng, 0, kNoiseLevel, rows.dtype());
      Tensor noisy = reshape(rows + range * noise, images.shape());
      noisy.require_gradient();
      total = total + grad(sum(at(noisy)), noisy);
    }
    return total / kNoisyImages;
  }

  Tensor target(const GradientPenaltyOptions& o) const {
    if (o.target == GradientTarget::smoothgrad) return smooth_gradient();
    return gradient_target(scores, images, o);
  }

  Tensor images, logits, losses, scores;

 private:
  Module& model_;
  const Batch& batch_;
  Pass& pass_;
  const ExampleLosses& losses_of_;
  GradientSource source_;
  std::optional<Rng> start_;
};

// h of the finite difference: one for the batch, because batch norm couples its examples.
double step_length(const InterpretableOptions& o, const Tensor& images, const Tensor& U) {
  if (o.route == GradientRoute::shift) return o.penalty.lambda;
  const double relative = o.step > 0 ? o.step : images.dtype() == DType::f32 ? 1e-3 : 1e-7;
  return relative * rms(images) / rms(U);
}

// `x` with the value of `value`: the gradient is that of x.
Tensor with_value(const Tensor& x, const Tensor& value) { return x + (value - x).detach(); }

// Where the scores are evaluated a second time, and what lambda L_R is.
struct Move {
  Tensor value;        // lambda L_R, not recorded
  Tensor images = {};  // X + h U
  double h = 0;        // 0: no slope, nothing to move
};
Move move_of(const Scores& s, const InterpretableOptions& o) {
  const GradientPenaltyOptions& p = o.penalty;
  const Tensor delta = grad(sum(s.scores), s.images);
  const Tensor target = s.target(p);
  const Tensor U = capped_slopes(gradient_error_slopes(p.error, delta, target, p.smallest));
  Move move{.value = p.lambda * mean(gradient_errors(p.error, delta, target, p.smallest))};
  if (rms(U) == 0) return move;
  move.h = step_length(o, s.images, U);
  move.images = s.images.detach() + move.h * U;
  return move;
}

// A tensor whose gradient is that of lambda L_R and whose value is lambda L_R.
Tensor penalty_of(const Scores& s, const InterpretableOptions& o) {
  if (o.route == GradientRoute::double_backward) {
    return gradient_penalty(s.scores, s.images, s.target(o.penalty), o.penalty);
  }
  const Move move = move_of(s, o);
  if (move.h == 0) return move.value;
  const Tensor slope = (o.penalty.lambda / move.h) * (mean(s.at(move.images)) - mean(s.scores));
  return with_value(slope, move.value);
}

// L_C + lambda L_R. The shift needs no gradient of L(X): L(X) + (L(X + lambda U) - L(X)).
Tensor loss_of(const Scores& s, const InterpretableOptions& o) {
  if (o.route == GradientRoute::shift) {
    const Move move = move_of(s, o);
    if (move.h != 0) {
      return with_value(mean(s.at(move.images)), mean(s.losses.detach()) + move.value);
    }
  }
  return mean(s.losses) + penalty_of(s, o);
}

// Rows of a tensor whose first dimension is the batch.
Tensor rows_at(const Tensor& x, const std::vector<int64_t>& index) {
  const auto count = static_cast<int64_t>(index.size());
  if (!x.defined()) return x;
  if (x.dtype() == DType::i64) {
    Tensor picked = Tensor::empty({count}, DType::i64);
    std::ranges::transform(
        index, picked.mutable_data<int64_t>(), [&](int64_t i) { return x.data<int64_t>()[i]; });
    return picked;
  }
  return reshape(
      take_rows(flatten(x), Tensor::of_integers({count}, index)), x.shape().with(0, count));
}

// At least two examples, so that batch norm and permuted targets have something to work with.
Batch drawn_part(const Batch& batch, double share, const Rng& rng) {
  const int64_t n = batch.inputs.size(0);
  const int64_t wanted = std::llround(share * static_cast<double>(n));
  std::vector<int64_t> index = rng.child(kShare).permutation(n);
  index.resize(static_cast<size_t>(std::clamp<int64_t>(wanted, std::min<int64_t>(2, n), n)));
  std::ranges::sort(index);
  return {rows_at(batch.inputs, index), rows_at(batch.labels, index), rows_at(batch.mixed, index)};
}

}  // namespace

GradientSource gradient_source_named(const std::string& name) {
  if (name == "loss") return GradientSource::loss;
  if (name == "neg-loss") return GradientSource::negative_loss;
  if (name == "logit") return GradientSource::logit;
  if (name == "log-prob") return GradientSource::log_probability;
  raise<ValueError>(
      "interpretable gradients", "no source '", name,
      "'; there are loss, neg-loss, logit and log-prob");
}

GradientRoute gradient_route_named(const std::string& name) {
  if (name == "double") return GradientRoute::double_backward;
  if (name == "fd") return GradientRoute::finite_difference;
  if (name == "shift") return GradientRoute::shift;
  raise<ValueError>(
      "interpretable gradients", "no route '", name, "'; there are double, fd and shift");
}

Tensor gradient_scores(
    GradientSource source, const Tensor& logits, const Tensor& losses, const Tensor& labels) {
  const auto at_label = [&](const Tensor& rows) {
    return reshape(select(rows, labels.values<int64_t>()), {rows.size(0)});
  };
  switch (source) {
    case GradientSource::loss: return losses;
    case GradientSource::negative_loss: return -losses;
    case GradientSource::logit: return at_label(logits);
    case GradientSource::log_probability: return at_label(log_softmax(logits));
  }
  raise<ValueError>("gradient_scores", "unknown source");
}

Tensor capped_slopes(const Tensor& slopes) {
  const Recording off(false);
  const Tensor rows = flatten(slopes);
  const Tensor lengths = sqrt(sum(rows * rows, {1}));  // [N, 1]
  std::vector<double> positive = lengths.to_vector();
  std::erase_if(positive, [](double length) { return !(length > 0); });
  if (positive.empty()) return slopes;
  const auto middle = positive.begin() + std::ssize(positive) / 2;
  std::nth_element(positive.begin(), middle, positive.end());
  const Tensor longest = Tensor::scalar(kLongest * *middle, slopes.dtype());
  return reshape(rows * (longest / maximum(lengths, longest)), slopes.shape());
}

void check_options(const InterpretableOptions& o) {
  const bool is_exact = o.route == GradientRoute::double_backward;
  const auto check = [](bool holds, const char* text) {
    check_value(holds, "interpretable gradients", text);
  };
  check(o.penalty.lambda >= 0, "lambda is below 0, or NaN");
  check(o.every >= 1, "every is below 1");
  check(o.share > 0 && o.share <= 1, "the share is not in (0, 1]");
  check(
      o.route != GradientRoute::shift || o.source == GradientSource::loss,
      "the shift route moves the inputs of the loss, so its source is the loss");
  check(
      o.penalty.detaches_target || is_exact,
      "only the exact route differentiates the target as well");
  check(
      o.penalty.detaches_target || (o.penalty.target != GradientTarget::smoothgrad &&
                                    o.penalty.target != GradientTarget::edges),
      "smoothgrad and edges are constant targets");
}

Tensor penalised_loss(
    Module& model, const Batch& batch, Pass& pass, Tensor& logits, const ExampleLosses& losses_of,
    int64_t step, const InterpretableOptions& options) {
  check_options(options);
  InterpretableOptions o = options;
  o.penalty.lambda *= static_cast<double>(o.every);
  const bool is_penalised = o.penalty.lambda > 0 && step % o.every == 0;
  if (!is_penalised || o.share < 1) {
    logits = model(batch.inputs, pass);
    const Tensor losses = losses_of(logits, batch);
    if (!is_penalised) return mean(losses);

    // The drawn part in a pass of its own
    const Batch part = drawn_part(batch, o.share, pass.rng());
    Rng rng = pass.rng().child(kDropout);
    Pass second = pass.repeated(&rng);
    return mean(losses) + penalty_of(Scores(model, part, second, losses_of, o.source), o);
  }
  const Scores s(model, batch, pass, losses_of, o.source);
  logits = s.logits;
  return loss_of(s, o);
}

}  // namespace limpid::interpret
