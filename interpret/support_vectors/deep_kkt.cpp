// interpret/support_vectors/deep_kkt.cpp: losses of the conditions, their slopes, exact lambda.
#include "interpret/support_vectors/deep_kkt.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/nnls.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace limpid::interpret {
namespace {

std::vector<Tensor> tensors_of(const NamedTensors& named) {
  std::vector<Tensor> tensors;
  for (const auto& entry : named) tensors.push_back(entry.second);
  return tensors;
}

// The labels as distributions [n, K].
Tensor distributions(const Tensor& labels, const Tensor& logits) {
  if (labels.dtype() == DType::i64) return one_hot(labels, logits.size(1), logits.dtype());
  check_shape(
      labels.shape() == logits.shape(), "deep_kkt", "soft labels ", labels.shape(),
      " do not fit the logits ", logits.shape());
  return labels;
}

void check_candidates(const Tensor& images, const Tensor& labels, const Tensor& lambda) {
  check_shape(
      images.rank() >= 2 && labels.rank() >= 1 && labels.size(0) == images.size(0) &&
          lambda.shape() == Shape({images.size(0)}),
      "deep_kkt", "needs one label and one lambda per image (", images.shape(), ", ",
      labels.shape(), ", ", lambda.shape(), ")");
}

double median_size(const Tensor& t) {
  std::vector<double> sizes = t.to_vector();
  for (double& v : sizes) v = std::abs(v);
  return upper_median(std::move(sizes));
}

// sum of d over one tensor, with a slope by R
Tensor distance_of(Distance distance, const Tensor& residual, const Tensor& theta) {
  switch (distance) {
    case Distance::l1: return sum(abs(residual));
    case Distance::squared: return sum(residual * residual);
    case Distance::huber:
    case Distance::cosine: break;
  }
  const double delta = std::max(0.1 * median_size(theta), 1e-12);
  const Tensor size = abs(residual);
  const Tensor near = minimum(size, Tensor::full(size.shape(), delta, size.dtype()));
  return sum(near * (size - 0.5 * near)) * (1 / delta);
}

// 1 - cos(theta, theta - R), where theta - R = -sum_i lambda_i g_i.
Tensor cosine_distance(const std::vector<Tensor>& residuals, const std::vector<Tensor>& theta) {
  std::vector<Tensor> wanted, reached;
  for (size_t k = 0; k < theta.size(); ++k) {
    const Shape row = {1, theta[k].numel()};
    wanted.push_back(reshape(theta[k].detach(), row));
    reached.push_back(wanted.back() - reshape(residuals[k], row));
  }
  return 1 - reshape(cosine_similarity(concat(wanted, 1), concat(reached, 1)), Shape{});
}

// L_stat as a function of the residuals.
Tensor total_distance(
    const std::vector<Tensor>& residuals, const std::vector<Tensor>& theta,
    const StationarityOptions& o) {
  if (o.distance == Distance::cosine) return cosine_distance(residuals, theta);
  int64_t scalars = 0;
  for (const Tensor& t : theta) scalars += t.numel();
  Tensor total;
  for (size_t k = 0; k < theta.size(); ++k) {
    const int64_t count = o.average == Average::tensor ? theta[k].numel() : scalars;
    const Tensor part =
        distance_of(o.distance, residuals[k], theta[k].detach()) * (1 / static_cast<double>(count));
    total = total.defined() ? total + part : part;
  }
  return total;
}

// R_k = theta_k + d(sum_i lambda_i L_i)/d theta_k
std::vector<Tensor> residuals_of(
    const Tensor& losses, const Tensor& lambda, const std::vector<Tensor>& theta, bool records) {
  const std::vector<Tensor> G = grad(sum(lambda * losses), theta, {.create_graph = records});
  std::vector<Tensor> residuals;
  for (size_t k = 0; k < theta.size(); ++k) residuals.push_back(theta[k].detach() + G[k]);
  return residuals;
}

double norm_of(const Tensor& t) { return std::sqrt(sum(to(t * t, DType::f64)).item()); }

// The candidates as leaves of one recorded pass.
struct Leaves {
  Tensor images, lambda, logits, losses;
};
Leaves forward(Module& model, const Tensor& images, const Tensor& labels, const Tensor& lambda) {
  Leaves l{images.detach(), lambda.detach(), {}, {}};
  l.images.require_gradient();
  l.lambda.require_gradient();
  Pass pass;
  l.logits = model(l.images, pass);
  l.losses = cross_entropies(l.logits, labels);
  return l;
}

// Moves the parameters along v for a scope and puts the very same bits back.
class Moved {
 public:
  Moved(std::vector<Tensor>& theta, const std::vector<Tensor>& v, double step) : theta_(theta) {
    const Recording off(false);
    for (size_t k = 0; k < theta.size(); ++k) {
      before_.push_back(theta[k].clone());
      theta[k].assign(before_.back() + step * v[k]);
    }
  }
  ~Moved() {
    for (size_t k = 0; k < before_.size(); ++k) theta_[k].assign(before_[k]);
  }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;

 private:
  std::vector<Tensor>& theta_;
  std::vector<Tensor> before_;
};

// L_i and dL_i/dx_i at theta + step v.
struct AtMoved {
  Tensor losses, slopes;
};
AtMoved at_moved(
    Module& model, const Tensor& images, const Tensor& labels, std::vector<Tensor>& theta,
    const std::vector<Tensor>& v, double step) {
  const Moved moved(theta, v, step);
  Tensor x = images.detach();
  x.require_gradient();
  Pass pass;
  const Tensor losses = cross_entropies(model(x, pass), labels);
  return {losses.detach(), grad(sum(losses), x)};
}

// [n] as [n, 1, ...], to multiply images
Tensor per_image(const Tensor& values, const Tensor& images) {
  Shape shape = images.shape();
  for (int d = 1; d < shape.rank(); ++d) shape = shape.with(d, 1);
  return reshape(values, shape);
}

// What two passes at theta + e v and theta - e v give.
struct TwoPasses {
  Tensor by_lambda, by_images;  // of L_stat
  Tensor loss_slopes;           // dL_i/dx_i at theta, up to e^2
};

TwoPasses two_passes(
    Module& model, const Tensor& images, const Tensor& labels, const Tensor& lambda,
    std::vector<Tensor>& theta, const std::vector<Tensor>& v) {
  double square = 0;
  for (const Tensor& part : v) square += std::pow(norm_of(part), 2);
  const double length = std::sqrt(square);
  if (length == 0) {
    const Tensor here = at_moved(model, images, labels, theta, v, 0).slopes;
    return {Tensor::zeros(lambda.shape(), lambda.dtype()), 0.0 * here, here};
  }
  const double e = (images.dtype() == DType::f32 ? 1e-2 : 1e-4) / length;
  const AtMoved plus = at_moved(model, images, labels, theta, v, e);
  const AtMoved minus = at_moved(model, images, labels, theta, v, -e);
  const Recording off(false);
  return {
      (plus.losses - minus.losses) * (0.5 / e),
      per_image(lambda.detach(), images) * ((plus.slopes - minus.slopes) * (0.5 / e)),
      (plus.slopes + minus.slopes) * 0.5};
}

// v = d L_stat / d R, and L_stat itself.
std::vector<Tensor> direction_of(
    std::vector<Tensor> residuals, const std::vector<Tensor>& theta, const StationarityOptions& o,
    double& value) {
  for (Tensor& r : residuals) (r = r.detach()).require_gradient();
  const Tensor total = total_distance(residuals, theta, o);
  value = total.item();
  return grad(total, residuals);
}

// Phi_y - max_{c != y} Phi_c [n], y given as a class.
Tensor margins(const Tensor& logits, const Tensor& labels) {
  const Tensor own = one_hot(labels, logits.size(1), logits.dtype());
  const Tensor lowest = Tensor::full(own.shape(), -1e30, logits.dtype());
  const Tensor other = max(where(own, lowest, logits), 1);
  return reshape(sum(own * logits, {1}) - other, labels.shape());
}

// 1 where the primal condition is violated, else 0; a constant in derivatives.
Tensor violations(
    const Tensor& logits, const Tensor& losses, const Tensor& labels, double margin,
    double tolerance) {
  const Recording off(false);
  if (labels.dtype() == DType::i64) {
    const Tensor is_class = to(
        equal(to(reshape(arg_max(logits, 1), labels.shape()), DType::f64), to(labels, DType::f64)),
        losses.dtype());
    const Tensor is_far = greater_equal(
        margins(logits, labels), Tensor::full(losses.shape(), margin, losses.dtype()));
    return 1 - is_class * is_far;
  }
  // y log y is 0 at y = 0
  const Tensor floor = Tensor::full(labels.shape(), 1e-30, labels.dtype());
  const Tensor entropy = reshape(-sum(labels * log(maximum(labels, floor)), {1}), losses.shape());
  return greater(losses - entropy, Tensor::full(losses.shape(), tolerance, losses.dtype()));
}

}  // namespace

NamedTensors stationary_parameters(Module& model) {
  NamedTensors chosen;
  for (const auto& [name, tensor] : parameters(model)) {
    if (tensor.requires_gradient()) chosen.emplace_back(name, tensor);
  }
  check_value(!chosen.empty(), "deep_kkt", "no parameter requires a gradient");
  return chosen;
}

Tensor cross_entropies(const Tensor& logits, const Tensor& labels) {
  const Tensor t = distributions(labels, logits);
  return reshape(-sum(t * log_softmax(logits), {1}), {logits.size(0)});
}

Tensor residual_sizes(const Tensor& logits, const Tensor& labels) {
  const Recording off(false);
  const Tensor r = to(softmax(logits.detach()) - distributions(labels, logits), DType::f64);
  return sqrt(reshape(sum(r * r, {1}), {r.size(0)}));
}

Stationarity stationarity(
    Module& model, const Tensor& images, const Tensor& labels, const Tensor& lambda,
    bool wants_image_slopes, const StationarityOptions& o) {
  check_candidates(images, labels, lambda);
  const Recording on(true);
  const NamedTensors named = stationary_parameters(model);
  std::vector<Tensor> theta = tensors_of(named);
  const bool is_exact = o.route == MixedRoute::double_backward;
  const Leaves l = forward(model, images, labels, lambda);
  std::vector<Tensor> residuals = residuals_of(l.losses, l.lambda, theta, is_exact);

  Stationarity result;
  for (size_t k = 0; k < theta.size(); ++k) {
    result.relative_residual.emplace_back(
        named[k].first, norm_of(residuals[k].detach()) / norm_of(theta[k].detach()));
  }
  if (!is_exact) {
    const std::vector<Tensor> v = direction_of(residuals, theta, o, result.value);
    const TwoPasses passes = two_passes(model, images, labels, lambda, theta, v);
    result.by_lambda = passes.by_lambda;
    if (wants_image_slopes) result.by_images = passes.by_images;
    return result;
  }
  const Tensor total = total_distance(residuals, theta, o);
  result.value = total.item();
  std::vector<Tensor> wanted = {l.lambda};
  if (wants_image_slopes) wanted.push_back(l.images);
  const std::vector<Tensor> slopes = grad(total, wanted);
  result.by_lambda = slopes[0];
  if (wants_image_slopes) result.by_images = slopes[1];
  return result;
}

Primal primal(Module& model, const Tensor& images, const Tensor& labels) {
  check_shape(
      images.rank() >= 2 && labels.rank() == 1 && labels.size(0) == images.size(0), "primal",
      "needs one class per image (", images.shape(), ", ", labels.shape(), ")");
  const Recording on(true);
  Tensor x = images.detach();
  x.require_gradient();
  Pass pass;
  const Tensor logits = model(x, pass);
  const Tensor losses = cross_entropies(logits, labels);
  const Tensor is_wrong = violations(logits.detach(), losses.detach(), labels, 0, 0);
  const Tensor total = mean(is_wrong * losses);
  return {total.item(), 1 - mean(is_wrong).item(), grad(total, x)};
}

Conditions conditions(
    Module& model, const Tensor& images, const Tensor& labels, const Tensor& lambda,
    const ConditionOptions& o) {
  check_candidates(images, labels, lambda);
  const Recording on(true);
  std::vector<Tensor> theta = tensors_of(stationary_parameters(model));
  const bool wants_stationarity = o.stationarity_weight != 0;
  const bool is_exact = o.stationarity.route == MixedRoute::double_backward;
  Leaves l = forward(model, images, labels, lambda);

  // L_primal
  Conditions result;
  result.logits = l.logits.detach();
  const Tensor violated =
      violations(result.logits, l.losses.detach(), labels, o.margin, o.soft_tolerance);
  const auto n = static_cast<double>(images.size(0));
  result.satisfied = images.size(0) - std::llround(sum(violated).item());
  const Tensor counted =
      o.masks_satisfied ? violated : Tensor::ones(violated.shape(), violated.dtype());
  const Tensor primal_loss = sum(counted * l.losses) * (1 / n);
  result.primal = primal_loss.item();
  Tensor total = o.primal_weight * primal_loss;
  result.by_lambda = Tensor::zeros(lambda.shape(), lambda.dtype());
  if (!wants_stationarity) {
    result.by_images = grad(total, l.images);
    return result;
  }

  // L_stat
  const std::vector<Tensor> residuals = residuals_of(l.losses, l.lambda, theta, is_exact);
  if (is_exact) {
    const Tensor distance = total_distance(residuals, theta, o.stationarity);
    result.stationarity = distance.item();
    total = total + o.stationarity_weight * distance;
    const std::vector<Tensor> slopes = grad(total, std::vector<Tensor>{l.lambda, l.images});
    result.by_lambda = slopes[0];
    result.by_images = slopes[1];
    return result;
  }
  const std::vector<Tensor> v = direction_of(residuals, theta, o.stationarity, result.stationarity);
  const TwoPasses passes = two_passes(model, images, labels, lambda, theta, v);
  const Recording off(false);
  result.by_lambda = o.stationarity_weight * passes.by_lambda;
  result.by_images = o.stationarity_weight * passes.by_images +
                     per_image((o.primal_weight / n) * counted, images) * passes.loss_slopes;
  return result;
}

Multipliers exact_multipliers(
    Module& model, const Tensor& images, const Tensor& labels, double rho) {
  check_candidates(images, labels, Tensor::zeros({images.size(0)}));
  const Recording on(true);
  const std::vector<Tensor> theta = tensors_of(stationary_parameters(model));
  const int64_t n = images.size(0);
  int64_t P = 0;
  for (const Tensor& t : theta) P += t.numel();

  // Rows g_i, and |p_i - y_i| of each candidate
  Tensor gradients = Tensor::empty({n, P}, DType::f64);
  std::vector<double> residual_size;
  for (int64_t i = 0; i < n; ++i) {
    Pass pass;
    const Tensor y = slice(labels, 0, i, i + 1);
    const Tensor logits = model(slice(images, 0, i, i + 1), pass);
    const std::vector<Tensor> g = grad(sum(cross_entropies(logits, y)), theta);
    const Recording off(false);
    residual_size.push_back(residual_sizes(logits, y).item());
    double* row = gradients.mutable_data<double>() + i * P;
    for (const Tensor& part : g) {
      for (const double value : part.to_vector()) *row++ = value;
    }
  }
  const Recording off(false);
  std::vector<double> flat;
  for (const Tensor& t : theta) {
    const std::vector<double> values = t.to_vector();
    flat.insert(flat.end(), values.begin(), values.end());
  }
  const Tensor weights = Tensor::of({P, 1}, flat, DType::f64);
  const Tensor K = matmul(gradients, gradients, {.transpose_b = true});
  const Tensor c = -reshape(matmul(gradients, weights), {n}) - rho;
  const NnlsResult solved = nnls(K, c);

  Multipliers m;
  m.lambda = solved.x;
  m.alpha = solved.x * Tensor::of({n}, residual_size, DType::f64);
  const Tensor moved = matmul(gradients, reshape(solved.x, {n, 1}), {.transpose_a = true});
  m.relative_residual = norm_of(weights + moved) / norm_of(weights);
  m.converged = solved.converged;
  m.largest_slope = solved.largest_slope;
  return m;
}

}  // namespace limpid::interpret
