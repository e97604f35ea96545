// interpret/interpretable_gradients.cpp: two gradients of one graph, and how they differ.
#include "interpret/interpretable_gradients.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

namespace limpid::interpret {
namespace {

constexpr double kSmallest = 1e-8;  // of a norm; our choice

Tensor rows_of(const Tensor& x) { return reshape(x, {x.size(0), x.numel() / x.size(0)}); }

// |x_j| / |x|_1 for each row.
Tensor shares(const Tensor& x) {
  const Tensor size = abs(x);
  return size / (sum(size, {1}) + kSmallest);
}

}  // namespace

GradientError gradient_error_named(const std::string& name) {
  if (name == "cosine") return GradientError::cosine;
  if (name == "mse") return GradientError::mse;
  if (name == "mae") return GradientError::mae;
  if (name == "hi") return GradientError::histogram;
  raise<ValueError>(
      "interpretable gradients", "no error '", name, "'; there are cosine, mse, mae and hi");
}

Tensor gradient_errors(GradientError error, const Tensor& a, const Tensor& b) {
  check_shape(
      a.shape() == b.shape() && a.rank() >= 2 && a.numel() > 0, "gradient_errors",
      "needs two gradients of one shape [N, ...] (", a.shape(), ", ", b.shape(), ")");
  const Tensor x = rows_of(a), y = rows_of(b);  // [N, d]
  const auto per_example = [&]() -> Tensor {    // [N, 1]
    switch (error) {
      case GradientError::cosine: return 1 - cosine_similarity(x, y, kSmallest * kSmallest);
      case GradientError::mse: return mean((x - y) * (x - y), {1});
      case GradientError::mae: return mean(abs(x - y), {1});
      case GradientError::histogram: return 1 - sum(minimum(shares(x), shares(y)), {1});
    }
    raise<ValueError>("gradient_errors", "unknown error");
  };
  return reshape(per_example(), {a.size(0)});
}

Tensor gradient_penalty(
    const Tensor& losses, const Tensor& images, const GradientPenaltyOptions& o) {
  const Tensor total = sum(losses);
  const Tensor guided = grad(
      total, images, {.create_graph = !o.detaches_target, .relu = ReluRule::guided});  // delta_G
  const Tensor delta = grad(total, images, {.create_graph = true});
  return o.lambda * mean(gradient_errors(o.error, delta, guided));
}

Tensor gradient_cosines(const Tensor& losses, const Tensor& images) {
  const Tensor total = sum(losses);
  const Recording off(false);
  const Tensor guided = grad(total, images, {.relu = ReluRule::guided});
  return 1 - gradient_errors(GradientError::cosine, grad(total, images), guided);
}

}  // namespace limpid::interpret
