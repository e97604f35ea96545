// interpret/gradient_penalty/penalty.cpp: two gradients of one graph, and how they differ.
#include "interpret/gradient_penalty/penalty.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/conv.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

#include <limits>

namespace limpid::interpret {
namespace {

Tensor rows_of(const Tensor& x) { return reshape(x, {x.size(0), x.numel() / x.size(0)}); }
Tensor number(double value, const Tensor& like) { return Tensor::scalar(value, like.dtype()); }
Tensor row_sum(const Tensor& x) { return sum(x, {1}); }  // [N, d] -> [N, 1]

void check_pair(const char* op, const Tensor& a, const Tensor& b) {
  check_shape(
      a.shape() == b.shape() && a.rank() >= 2 && a.numel() > 0, op,
      "needs two gradients of one shape [N, ...] (", a.shape(), ", ", b.shape(), ")");
}

// 1 for the rows whose norms both count, else 0: [N, 1]. NaN counts, so that it is seen.
Tensor rows_that_count(const Tensor& norm_a, const Tensor& norm_b, double smallest) {
  const Tensor limit = number(smallest, norm_a);
  return (1 - less(norm_a.detach(), limit)) * (1 - less(norm_b.detach(), limit));
}

// Norms of both rows, and which rows count. Where one does not, 1 stands for both norms, so that
// nothing is divided by 0.
struct Norms {
  Tensor counts, a, b;  // [N, 1]
};
Norms norms_of(const Tensor& a, const Tensor& b, double smallest) {
  const Tensor aa = row_sum(a * a), bb = row_sum(b * b), one = number(1, a);
  const Tensor counts = rows_that_count(sqrt(aa.detach()), sqrt(bb.detach()), smallest);
  return {counts, sqrt(where(counts, aa, one)), sqrt(where(counts, bb, one))};
}
Norms absolute_norms_of(const Tensor& a, const Tensor& b, double smallest) {
  const Tensor size_a = row_sum(abs(a)), size_b = row_sum(abs(b)), one = number(1, a);
  const Tensor counts = rows_that_count(size_a, size_b, smallest);
  return {counts, where(counts, size_a, one), where(counts, size_b, one)};
}

Tensor cosine_error(const Tensor& a, const Tensor& b, double smallest) {
  const Norms n = norms_of(a, b, smallest);
  return where(n.counts, 1 - row_sum(a * b) / (n.a * n.b), number(0, a));
}

Tensor histogram_error(const Tensor& a, const Tensor& b, double smallest) {
  const Norms n = absolute_norms_of(a, b, smallest);
  const Tensor common = row_sum(minimum(abs(a) / n.a, abs(b) / n.b));
  return where(n.counts, 1 - common, number(0, a));
}

Tensor cosine_slope(const Tensor& a, const Tensor& b, double smallest) {
  const Norms n = norms_of(a, b, smallest);
  const Tensor c = row_sum(a * b) / (n.a * n.b);
  return where(n.counts, (c * a / n.a - b / n.b) / n.a, number(0, a));
}

Tensor histogram_slope(const Tensor& a, const Tensor& b, double smallest) {
  const Norms n = absolute_norms_of(a, b, smallest);
  const Tensor share = abs(a) / n.a;
  const Tensor q = -less_equal(share, abs(b) / n.b);
  return where(n.counts, sign(a) / n.a * (q - row_sum(q * share)), number(0, a));
}

// Image i gets the row of image i + 1, the last that of the first.
Tensor rolled(const Tensor& x) {
  check_value(x.size(0) >= 2, "interpretable gradients", "a batch of one cannot be permuted");
  return concat({slice(x, 0, 1, x.size(0)), slice(x, 0, 0, 1)}, 0);
}

// sqrt(gx^2 + gy^2) of each channel by the filters of Sobel (1968); 0 on the border.
Tensor sobel_magnitude(const Tensor& images) {
  const bool fits = images.rank() == 4 && images.size(2) >= 3 && images.size(3) >= 3;
  check_value(fits, "interpretable gradients", "edges need images, got ", images.shape());
  const int64_t C = images.size(1);
  const Tensor horizontal =
      Tensor::of({1, 1, 3, 3}, {-1, 0, 1, -2, 0, 2, -1, 0, 1}, images.dtype());
  const auto filtered = [&](const Tensor& filter) {  // [N, C, H - 2, W - 2]
    return conv2d(images.detach(), broadcast_to(filter, {C, 1, 3, 3}), {.groups = C});
  };
  const Tensor gx = filtered(horizontal), gy = filtered(transpose(horizontal));
  return pad(pad(sqrt(gx * gx + gy * gy), 2, 1, 1), 3, 1, 1);
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

GradientTarget gradient_target_named(const std::string& name) {
  if (name == "guided") return GradientTarget::guided;
  if (name == "deconv") return GradientTarget::deconv;
  if (name == "smoothgrad") return GradientTarget::smoothgrad;
  if (name == "permuted") return GradientTarget::permuted;
  if (name == "edges") return GradientTarget::edges;
  raise<ValueError>(
      "interpretable gradients", "no target '", name,
      "'; there are guided, deconv, smoothgrad, permuted and edges");
}

Tensor gradient_errors(GradientError error, const Tensor& a, const Tensor& b, double smallest) {
  check_pair("gradient_errors", a, b);
  const Tensor x = rows_of(a), y = rows_of(b);  // [N, d]
  const auto per_example = [&]() -> Tensor {    // [N, 1]
    switch (error) {
      case GradientError::cosine: return cosine_error(x, y, smallest);
      case GradientError::mse: return mean((x - y) * (x - y), {1});
      case GradientError::mae: return mean(abs(x - y), {1});
      case GradientError::histogram: return histogram_error(x, y, smallest);
    }
    raise<ValueError>("gradient_errors", "unknown error");
  };
  return reshape(per_example(), {a.size(0)});
}

Tensor gradient_error_slopes(
    GradientError error, const Tensor& a, const Tensor& b, double smallest) {
  check_pair("gradient_error_slopes", a, b);
  const Recording off(false);
  const Tensor x = rows_of(a), y = rows_of(b);  // [N, d]
  const auto d = static_cast<double>(x.size(1));
  const auto slopes = [&]() -> Tensor {
    switch (error) {
      case GradientError::cosine: return cosine_slope(x, y, smallest);
      case GradientError::mse: return (x - y) * (2 / d);
      case GradientError::mae: return sign(x - y) / d;
      case GradientError::histogram: return histogram_slope(x, y, smallest);
    }
    raise<ValueError>("gradient_error_slopes", "unknown error");
  };
  return reshape(slopes(), a.shape());
}

Tensor gradient_target(
    const Tensor& scores, const Tensor& images, const GradientPenaltyOptions& o) {
  const Tensor total = sum(scores);
  const Recording recording(!o.detaches_target);
  const auto under = [&](ReluRule rule) {
    return grad(
        total, images,
        {.create_graph = !o.detaches_target, .relu = rule, .holds_statistics = o.holds_statistics});
  };
  switch (o.target) {
    case GradientTarget::guided: return under(ReluRule::guided);
    case GradientTarget::deconv: return under(ReluRule::deconv);
    case GradientTarget::permuted: return rolled(under(ReluRule::guided));
    case GradientTarget::edges: return sobel_magnitude(images);
    case GradientTarget::smoothgrad: break;
  }
  raise<ValueError>("gradient_target", "smoothgrad needs the network; see penalised_loss");
}

Tensor gradient_penalty(
    const Tensor& scores, const Tensor& images, const Tensor& target,
    const GradientPenaltyOptions& o) {
  const Tensor delta =
      grad(sum(scores), images, {.create_graph = true, .holds_statistics = o.holds_statistics});
  return o.lambda * mean(gradient_errors(o.error, delta, target, o.smallest));
}

Tensor gradient_penalty(
    const Tensor& scores, const Tensor& images, const GradientPenaltyOptions& o) {
  return gradient_penalty(scores, images, gradient_target(scores, images, o), o);
}

Tensor gradient_cosines(const Tensor& scores, const Tensor& images) {
  const Tensor total = sum(scores);
  const Recording off(false);
  const Tensor a = rows_of(grad(total, images));
  const Tensor b = rows_of(grad(total, images, {.relu = ReluRule::guided}));
  constexpr double kShortest = 1e-18;  // its square is about the least normal f32
  const Norms n = norms_of(a, b, kShortest);
  const Tensor nan = number(std::numeric_limits<double>::quiet_NaN(), a);
  return reshape(where(n.counts, row_sum(a * b) / (n.a * n.b), nan), {a.size(0)});
}

}  // namespace limpid::interpret
