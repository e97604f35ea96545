// interpret/support_vectors/editing.cpp: edits by synthesis and by the sign of the gradient.
#include "interpret/support_vectors/editing.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/similarity.h"

#include <cmath>

namespace limpid::interpret {
namespace {

struct Standing {
  double probability = 0;
  bool is_largest = false;
};

Standing standing(const Tensor& logits, int64_t target) {
  const Recording off(false);
  return {
      softmax(logits).to_vector()[static_cast<size_t>(target)],
      arg_max(logits, 1).data<int64_t>()[0] == target};
}

void check_targets(Module& model, const Tensor& images, const std::vector<int64_t>& targets) {
  check_shape(
      images.rank() >= 2 && images.size(0) == std::ssize(targets) && images.size(0) >= 1, "edit",
      "needs one target per image (", images.shape(), ", ", targets.size(), ")");
  const Recording off(false);
  Pass pass;
  const int64_t classes = model(slice(images, 0, 0, 1), pass).size(1);
  for (const int64_t t : targets) {
    check_value(t >= 0 && t < classes, "edit", "class ", t, " is not in 0 to ", classes - 1);
  }
}

// Runs `move` for each image and joins the results.
template <class Move>
Moved each(const Tensor& images, size_t count, const Move& move) {
  Moved all;
  std::vector<Tensor> moved;
  for (size_t i = 0; i < count; ++i) {
    const auto at = static_cast<int64_t>(i);
    moved.push_back(move(slice(images.detach(), 0, at, at + 1), i, all));
  }
  const Recording off(false);
  all.images = concat(moved, 0);
  return all;
}

// The slope of the cross-entropy of the target.
struct Slope {
  Tensor by_image, logits;
};
Slope slope_to(Module& model, const Tensor& image, int64_t target) {
  const Recording on(true);
  Tensor x = image.detach();
  x.require_gradient();
  Pass pass;
  const Tensor logits = model(x, pass);
  const Tensor g = grad(cross_entropy(logits, Tensor::of_integers({1}, {target})), x);
  return {g, logits.detach()};
}

Tensor within(const Tensor& x, const PixelRange& range) {
  Tensor y = x;
  if (range.low.defined()) y = maximum(y, range.low);
  if (range.high.defined()) y = minimum(y, range.high);
  return y;
}

Moved by_signs(
    Module& model, const Tensor& images, const std::vector<int64_t>& targets,
    const std::vector<double>& wanted, double step, int64_t most, const PixelRange& range,
    bool renews_slope) {
  check_targets(model, images, targets);
  check_shape(
      wanted.size() == targets.size(), "edit", "needs one probability per image, not ",
      wanted.size());
  check_value(step > 0 && most >= 1, "edit", "needs a step above 0 and at least one try");
  return each(images, targets.size(), [&](const Tensor& source, size_t i, Moved& all) {
    Tensor direction = sign(slope_to(model, source, targets[i]).by_image);
    Tensor x = source, best = source;
    double highest = -1;
    bool is_reached = false;
    int64_t steps = 0;
    while (steps < most && !is_reached) {
      ++steps;
      x = renews_slope ? within(x - step * direction, range)
                       : within(source - (step * static_cast<double>(steps)) * direction, range);
      const Slope s = slope_to(model, x, targets[i]);
      const Standing now = standing(s.logits, targets[i]);
      if (renews_slope) direction = sign(s.by_image);
      if (now.probability > highest) {
        highest = now.probability;
        best = x;
      }
      is_reached = now.is_largest && now.probability >= wanted[i];
    }
    all.probability.push_back(highest);
    all.reached.push_back(is_reached);
    all.steps.push_back(steps);
    return best.clone();
  });
}

}  // namespace

Moved edited(
    Module& model, const Tensor& images, const std::vector<int64_t>& targets,
    const EditOptions& o) {
  check_targets(model, images, targets);
  check_value(
      o.probability > 0 && o.probability < 1, "edit", "probability ", o.probability,
      " is not between 0 and 1");
  return each(images, targets.size(), [&](const Tensor& source, size_t i, Moved& all) {
    SynthesisOptions options = o.synthesis;
    options.centre = source;
    options.masks_satisfied = false;
    Synthesis s(model, source, Tensor::of_integers({1}, {targets[i]}), options);
    const auto has_reached = [&](const Standing& now) {
      return now.is_largest && now.probability >= o.probability;
    };
    Standing now = standing(s.logits(), targets[i]);
    while (!has_reached(now) && !s.is_done()) {
      s.advance();
      now = standing(s.logits(), targets[i]);
    }
    all.probability.push_back(now.probability);
    all.reached.push_back(has_reached(now));
    all.steps.push_back(s.steps_done());
    return s.images();
  });
}

Moved fgsm_to(
    Module& model, const Tensor& images, const std::vector<int64_t>& targets,
    const std::vector<double>& wanted, double step, int64_t most, const PixelRange& range) {
  return by_signs(model, images, targets, wanted, step, most, range, false);
}

Moved pgd_to(
    Module& model, const Tensor& images, const std::vector<int64_t>& targets,
    const std::vector<double>& wanted, double step, int64_t most, const PixelRange& range) {
  return by_signs(model, images, targets, wanted, step, most, range, true);
}

Closeness closeness(const Tensor& images, const Tensor& sources) {
  check_shape(
      images.shape() == sources.shape() && images.rank() == 4, "closeness",
      "needs images and sources of one shape (", images.shape(), ", ", sources.shape(), ")");
  const Recording off(false);
  const int64_t n = images.size(0), C = images.size(1);
  Closeness close;
  close.distance = norm(flatten(images - sources), {1}).to_vector();
  const Shape planes = {n * C, 1, images.size(2), images.size(3)};
  const std::vector<double> each_plane =
      structural_similarity(reshape(images, planes), reshape(sources, planes));
  for (int64_t i = 0; i < n; ++i) {
    double total = 0;
    for (int64_t c = 0; c < C; ++c) total += each_plane[static_cast<size_t>(i * C + c)];
    close.ssim.push_back(total / static_cast<double>(C));
  }
  return close;
}

}  // namespace limpid::interpret
