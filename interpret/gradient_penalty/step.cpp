// interpret/gradient_penalty/step.cpp: scores, targets and routes of a penalised step.
#include "interpret/gradient_penalty/step.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/gates.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>
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
      const InterpretableOptions& o)
      : model_(model),
        batch_(batch),
        pass_(pass),
        losses_of_(losses_of),
        source_(o.source),
        holds_gates_(o.route == GradientRoute::finite_difference) {
    if (pass.has_rng()) start_ = pass.rng();
    images = batch.inputs.detach();
    images.require_gradient();
    const auto first = [&] {
      logits = model(images, pass);
      losses = losses_of(logits, batch);
      return gradient_scores(source_, logits, losses, batch.labels);
    };
    scores = holds_gates_ ? gates_.record(first) : first();
  }

  // The scores at other images [N, ...]: [N]
  Tensor at(const Tensor& moved) const {
    std::optional<Rng> rng = start_;
    Pass again = pass_.repeated(rng ? &*rng : nullptr);
    const Tensor y = model_(moved, again);
    return gradient_scores(source_, y, losses_of_(y, batch_), batch_.labels);
  }

  // The same at X + h U: by the gates at X for finite_difference, by its own for shift
  Tensor at_step(const Tensor& moved) const {
    return holds_gates_ ? gates_.hold([&] { return at(moved); }) : at(moved);
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

  std::vector<Tensor> trained_weights() const {
    std::vector<Tensor> leaves;
    for (const auto& [name, leaf] : parameters(model_)) {
      if (leaf.requires_gradient()) leaves.push_back(leaf);
    }
    return leaves;
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
  bool holds_gates_;
  Gates gates_;  // of the first pass
};

// h of the finite difference: one for the batch, because batch norm couples its examples. The error
// is h from the curvature and epsilon / h from rounding, least where they are equal.
double step_length(const InterpretableOptions& o, const Tensor& images, const Tensor& U) {
  if (o.route == GradientRoute::shift) return o.penalty.lambda;
  const double epsilon = visit_float("step_length", images.dtype(), []<class T>() {
    return static_cast<double>(std::numeric_limits<T>::epsilon());
  });
  return (o.step > 0 ? o.step : std::sqrt(epsilon)) * rms(images) / rms(U);
}

// `x` with the value of `value`: the gradient is that of x.
Tensor with_value(const Tensor& x, const Tensor& value) { return x + (value - x).detach(); }

// Where the scores are evaluated a second time, and what lambda L_R is.
struct Move {
  Tensor value;   // lambda L_R, not recorded
  Tensor images;  // X + h U
  double h = 0;   // 0: no slope, nothing to move
};
Move move_of(
    const Tensor& X, const Tensor& delta, const Tensor& target, const InterpretableOptions& o) {
  const GradientPenaltyOptions& p = o.penalty;
  const Tensor value = p.lambda * mean(gradient_errors(p.error, delta, target, p.smallest));
  const Tensor U = capped_slopes(gradient_error_slopes(p.error, delta, target, p.smallest));
  if (rms(U) == 0) return {value, X.detach()};
  const double h = step_length(o, X, U);
  return {value, X.detach() + h * U, h};
}

// A tensor whose gradient is that of lambda L_R and whose value is lambda L_R.
Tensor penalty_of(const Scores& s, const InterpretableOptions& o) {
  const Tensor target = s.target(o.penalty);
  if (o.route == GradientRoute::double_backward) {
    return gradient_penalty(s.scores, s.images, target, o.penalty);
  }
  const Move move = move_of(s.images, grad(sum(s.scores), s.images), target, o);
  if (move.h == 0) return move.value;
  const Tensor slope =
      (o.penalty.lambda / move.h) * (mean(s.at_step(move.images)) - mean(s.scores));
  return with_value(slope, move.value);
}

// A value whose gradient by each leaf is known and times `scale`; its own graph is not needed.
Tensor with_gradients(
    const Tensor& value, double scale, std::span<const Tensor> leaves,
    std::span<const Tensor> gradients) {
  std::vector<std::pair<Tensor, Vjp>> rules;
  for (size_t k = 0; k < leaves.size(); ++k) {
    rules.emplace_back(leaves[k], Vjp([scale, known = gradients[k]](const Tensor& g) {
                         return (g * scale) * known;
                       }));
  }
  return record_all("loss", value.detach(), std::move(rules));
}

// L_C + lambda L_R by fd or shift, if the loss itself is the score: one sweep gives delta and the
// gradient of L_C and uses the graph up, so that two graphs are never in memory.
Tensor moved_loss(const Scores& s, const InterpretableOptions& o) {
  const Tensor target = s.target(o.penalty);
  const bool is_shift = o.route == GradientRoute::shift;
  std::vector<Tensor> wanted = is_shift ? std::vector<Tensor>() : s.trained_weights();
  wanted.push_back(s.images);
  std::vector<Tensor> slopes = grad(sum(s.losses), wanted, {.release_graph = true});
  const Move move = move_of(s.images, slopes.back(), target, o);
  const Tensor plain = mean(s.losses.detach());  // L(X)
  const Tensor value = plain + move.value;

  // L(X + lambda U), or L(X) + lambda / h (L(X + h U) - L(X))
  if (is_shift) return with_value(mean(s.at_step(move.images)), value);
  wanted.pop_back();
  const double count = static_cast<double>(s.images.size(0));
  const Tensor L = with_gradients(plain, 1 / count, wanted, slopes);
  if (move.h == 0) return with_value(L, value);
  const double ratio = o.penalty.lambda / move.h;
  return with_value(L + ratio * (mean(s.at_step(move.images)) - L), value);
}

Tensor loss_of(const Scores& s, const InterpretableOptions& o) {
  const bool is_exact = o.route == GradientRoute::double_backward;
  if (!is_exact && o.source == GradientSource::loss) return moved_loss(s, o);
  return mean(s.losses) + penalty_of(s, o);
}

// Rows of a tensor whose first dimension is the batch.
Tensor rows_at(const Tensor& x, const std::vector<int64_t>& index) {
  return x.defined() ? take_rows(x, index) : x;
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

PenalisedGradient penalised_gradient_named(const std::string& name) {
  if (name == "held") return PenalisedGradient::held;
  if (name == "evaluate") return PenalisedGradient::evaluate;
  if (name == "train") return PenalisedGradient::train;
  raise<ValueError>(
      "interpretable gradients", "no gradient '", name, "'; there are held, evaluate and train");
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
  const Tensor longest = Tensor::scalar(kLongest * upper_median(positive), slopes.dtype());
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
      o.gradient != PenalisedGradient::held || is_exact,
      "statistics can be held by the exact route alone; evaluate and train can be moved");
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
  o.penalty.holds_statistics = o.gradient == PenalisedGradient::held;
  const bool is_other_network = o.gradient == PenalisedGradient::evaluate && depends_on_mode(model);
  if (!is_penalised || o.share < 1 || is_other_network) {
    logits = model(batch.inputs, pass);
    const Tensor losses = losses_of(logits, batch);
    if (!is_penalised) return mean(losses);

    // The drawn part, or the network of evaluation, in a pass of its own
    const Batch part = o.share < 1 ? drawn_part(batch, o.share, pass.rng()) : batch;
    Rng rng = pass.rng().child(kDropout);
    Pass second = is_other_network ? Pass(Mode::evaluate, &rng) : pass.repeated(&rng);
    return mean(losses) + penalty_of(Scores(model, part, second, losses_of, o), o);
  }
  const Scores s(model, batch, pass, losses_of, o);
  logits = s.logits;
  return loss_of(s, o);
}

}  // namespace limpid::interpret
