// interpret/transport/denoiser.cpp: learning to remove noise.
#include "interpret/transport/denoiser.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/nn/layers.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/optim/adam.h"
#include "framework/optim/schedule.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/statistics.h"
#include "interpret/numerics/wasserstein.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

// What is trained, in coordinates (x - mean) / scale
class Net : public Module {
 public:
  Net(int64_t m, int64_t width, bool is_residual, Rng& rng)
      : encoder(m, width, rng), decoder(width, m, rng), is_residual_(is_residual) {}
  const char* type() const override { return "Denoiser"; }
  void visit(Visitor& v) override {
    v.child("encoder", encoder);
    v.child("decoder", decoder);
  }

  Linear encoder, decoder;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor u = decoder(tanh(encoder(x, pass)), pass);
    return is_residual_ ? x + u : u;
  }

  bool is_residual_;
};

// Batches of rows, with and without noise, all functions of the seed
class NoisyRows {
 public:
  NoisyRows(std::vector<double> rows, int64_t m, Tensor factor, double deviation, Rng rng)
      : rows_(std::move(rows)),
        m_(m),
        factor_(std::move(factor)),
        deviation_(deviation),
        rng_(rng) {}

  struct Batch {
    Tensor clean, noisy;  // [batch, m]
  };
  Batch next(int64_t batch, DType dtype) {
    const auto n = static_cast<double>(std::ssize(rows_) / m_);
    std::vector<double> choice(static_cast<size_t>(batch));
    rng_.uniform(std::span<double>(choice), 0, n);
    const int64_t k = factor_.defined() ? factor_.size(1) : m_;
    Tensor noise = Tensor::normal({batch, k}, rng_, 0, deviation_, DType::f64);
    if (factor_.defined()) noise = matmul(noise, factor_, {.transpose_b = true});
    std::vector<double> clean(static_cast<size_t>(batch * m_)), noisy(clean.size());
    for (int64_t i = 0; i < batch; ++i) {
      const auto row = static_cast<int64_t>(choice[static_cast<size_t>(i)]);
      for (int64_t j = 0; j < m_; ++j) {
        const double x = rows_[static_cast<size_t>(row * m_ + j)];
        clean[static_cast<size_t>(i * m_ + j)] = x;
        noisy[static_cast<size_t>(i * m_ + j)] = x + noise.data<double>()[i * m_ + j];
      }
    }
    return {Tensor::of({batch, m_}, clean, dtype), Tensor::of({batch, m_}, noisy, dtype)};
  }

 private:
  std::vector<double> rows_;
  int64_t m_;
  Tensor factor_;
  double deviation_;
  Rng rng_;
};

// log |det| of each [m, m] of [n, m, m]
Tensor log_abs_dets(const Tensor& jacobians) {
  const int64_t n = jacobians.size(0), m = jacobians.size(1);
  Tensor result = Tensor::zeros({n}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    const Tensor r = qr(reshape(slice(jacobians, 0, i, i + 1), {m, m})).r;
    for (int64_t j = 0; j < m; ++j) {
      result.mutable_data<double>()[i] += std::log(r.data<double>()[j * m + j]);
    }
  }
  return result;
}

Tensor plus_rows(Tensor points, const Tensor& row) {
  double* out = points.mutable_data<double>();
  for (int64_t i = 0; i < points.numel(); ++i) out[i] += row.data<double>()[i % row.numel()];
  return points;
}

void check_options(const Tensor& points, double t, const DenoiserOptions& o) {
  check_points("train_denoiser", points);
  check_value(
      t > 0 && std::isfinite(t), "train_denoiser", "a noise variance is finite and above 0, got ",
      t);
  check_value(
      o.width >= 1 && o.steps >= 1 && o.batch >= 1, "train_denoiser",
      "needs hidden units, steps and a batch, got ", o.width, ", ", o.steps, ", ", o.batch);
  check_value(
      o.learning_rate > 0 && std::isfinite(o.learning_rate), "train_denoiser",
      "a learning rate is finite and above 0, got ", o.learning_rate);
  check_dtype(o.dtype != DType::i64, "train_denoiser", "trains in f32 or f64");
  check_shape(
      !o.noise_factor.defined() ||
          (o.noise_factor.rank() == 2 && o.noise_factor.size(0) == points.size(1)),
      "train_denoiser", "the noise factor must have ", points.size(1), " rows");
}

}  // namespace

Denoiser::Denoiser(Tensor M, Tensor b, Tensor A, Tensor a, Tensor C)
    : M_(std::move(M)), b_(std::move(b)), A_(std::move(A)), a_(std::move(a)), C_(std::move(C)) {
  const int64_t m = b_.numel();
  check_shape(
      b_.rank() == 1 && M_.shape() == Shape({m, m}), "denoiser", "M ", M_.shape(), " and b ",
      b_.shape());
  if (!A_.defined()) return;
  const int64_t w = A_.size(0);
  check_shape(
      A_.shape() == Shape({w, m}) && a_.shape() == Shape({w}) && C_.shape() == Shape({m, w}),
      "denoiser", "A ", A_.shape(), ", a ", a_.shape(), " and C ", C_.shape(), " in ", m,
      " dimensions");
}

Tensor Denoiser::encode(const Tensor& points) const {
  check_points("denoiser", points);
  check_shape(
      points.size(1) == dimension(), "denoiser", "points in ", points.size(1),
      " dimensions, learned in ", dimension());
  check_value(A_.defined(), "denoiser", "an affine map has no code");
  return tanh(plus_rows(matmul(points, A_, {.transpose_b = true}), a_));
}

Tensor Denoiser::decode(const Tensor& codes) const {
  return plus_rows(matmul(codes, C_, {.transpose_b = true}), b_);
}

Tensor Denoiser::operator()(const Tensor& points) const {
  const Tensor linear = matmul(points, M_, {.transpose_b = true});
  if (!A_.defined()) return plus_rows(linear, b_);
  return linear + decode(encode(points));
}

Tensor Denoiser::jacobian(const Tensor& points) const {
  const int64_t n = points.size(0), m = dimension(), w = width();
  Tensor result = Tensor::zeros({n, m, m}, DType::f64);
  double* out = result.mutable_data<double>();
  for (int64_t i = 0; i < n * m * m; ++i) out[i] = M_.data<double>()[i % (m * m)];
  if (w == 0) return result;
  const Tensor z = encode(points);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t u = 0; u < w; ++u) {
      const double zu = z.data<double>()[i * w + u], slope = 1 - zu * zu;
      for (int64_t j = 0; j < m * m; ++j) {
        out[i * m * m + j] +=
            C_.data<double>()[j / m * w + u] * slope * A_.data<double>()[u * m + j % m];
      }
    }
  }
  return result;
}

Denoiser train_denoiser(const Tensor& points, double t, const DenoiserOptions& o) {
  check_options(points, t, o);
  const int64_t n = points.size(0), m = points.size(1), w = o.width;
  // Deviation of noisy points: one number, so that round noise stays round
  const Tensor mean = moments_of(points).mean;
  const double scale = std::sqrt(mean_variance(points) + t);
  std::vector<double> rows = points.to_vector();
  for (int64_t i = 0; i < n * m; ++i) {
    double& x = rows[static_cast<size_t>(i)];
    x = (x - mean.data<double>()[i % m]) / scale;
  }

  const Rng rng(o.seed);
  Rng start = rng.child(0);
  Net net(m, w, o.is_residual, start);
  convert(net, o.dtype);
  for (auto& [name, parameter] : parameters(net)) parameter.require_gradient();
  Adam adam(parameters(net));
  const Schedule schedule = {
      .kind = Schedule::Kind::cosine, .learning_rate = o.learning_rate, .steps = o.steps};
  NoisyRows source(std::move(rows), m, o.noise_factor, std::sqrt(t) / scale, rng.child(1));
  for (int64_t step = 0; step < o.steps; ++step) {
    const NoisyRows::Batch batch = source.next(o.batch, o.dtype);
    Pass pass(Mode::train);
    adam.clear_gradients();
    backward(mse(net(batch.noisy, pass), batch.clean));
    adam.step(schedule.at(step));
    if (o.progress && (step + 1) % 100 == 0 && !o.progress(step + 1, o.steps)) break;
  }

  // g(y) = mean + scale net((y - mean) / scale), written in y
  convert(net, DType::f64);
  const Tensor& A = net.encoder.weight();
  const Tensor& C = net.decoder.weight();
  Tensor a = net.encoder.bias().clone(), b = net.decoder.bias().clone();
  for (int64_t u = 0; u < w; ++u) {
    for (int64_t j = 0; j < m; ++j) {
      a.mutable_data<double>()[u] -= A.data<double>()[u * m + j] * mean.data<double>()[j] / scale;
    }
  }
  for (int64_t j = 0; j < m; ++j) {
    double& bj = b.mutable_data<double>()[j];
    bj = scale * bj + (o.is_residual ? 0 : mean.data<double>()[j]);
  }
  return Denoiser(
      o.is_residual ? identity(m) : Tensor::zeros({m, m}, DType::f64), b,
      detach(A.detach() / scale), a, detach(C.detach() * scale));
}

Denoiser fit_linear_denoiser(const Tensor& points, double t, uint64_t seed) {
  check_points("fit_linear_denoiser", points);
  const int64_t n = points.size(0), m = points.size(1);
  check_value(
      n > m, "fit_linear_denoiser", n, " points do not determine a map of ", m, " dimensions");
  check_value(
      t > 0 && std::isfinite(t), "fit_linear_denoiser",
      "a noise variance is finite and above 0, got ", t);
  Rng rng = Rng(seed).child(2);
  const Tensor noise = Tensor::normal({n, m}, rng, 0, std::sqrt(t), DType::f64);
  const Tensor columns = concat({points + noise, Tensor::ones({n, 1}, DType::f64)}, 1);
  const Tensor x = least_squares(columns, points).x;  // [m + 1, m]
  return Denoiser(transpose(slice(x, 0, 0, m)), reshape(slice(x, 0, m, m + 1), {m}), {}, {}, {});
}

DenoiserQuality measure_denoiser(
    const Denoiser& denoiser, const Law& law, double t, int64_t draws, uint64_t seed) {
  const int64_t m = law.dimension();
  const Rng rng(seed);
  const Tensor x = law.sample(draws, rng.child(3));
  Rng noise_rng = rng.child(4);
  const Tensor noise =
      law.noise().coloured(Tensor::normal({draws, m}, noise_rng, 0, std::sqrt(t), DType::f64));
  const Tensor y = x + noise;
  const Tensor exact = law.dae(y, t), learned = denoiser(y);
  DenoiserQuality quality;
  quality.loss = paired_cost(learned, x);
  quality.floor = paired_cost(exact, x);
  quality.error = paired_cost(learned, exact);
  quality.displacement = paired_cost(exact, y);
  const Tensor D = law.noise().matrix(m);
  for (int64_t j = 0; j < m; ++j) quality.least_loss += t * D.data<double>()[j * m + j];
  quality.least_loss -= quality.displacement;  // t^2 E |D score|^2
  const Tensor J = denoiser.jacobian(y);
  quality.smallest_eigenvalue = std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < draws; ++i) {
    const Tensor Ji = reshape(slice(J, 0, i, i + 1), {m, m});
    double skew = 0, all = 0;
    for (int64_t j = 0; j < m * m; ++j) {
      const double v = Ji.data<double>()[j], twin = Ji.data<double>()[j % m * m + j / m];
      skew += (v - twin) * (v - twin);
      all += v * v;
    }
    quality.asymmetry += all > 0 ? std::sqrt(skew / all) / static_cast<double>(draws) : 0;
    const Tensor even = (Ji + transpose(Ji)) / 2;
    quality.smallest_eigenvalue =
        std::min(quality.smallest_eigenvalue, eigen_symmetric(even).values.data<double>()[0]);
  }
  return quality;
}

LayerStep trained_step(const Denoiser& denoiser, const Tensor& points) {
  return {denoiser(points), log_abs_dets(denoiser.jacobian(points))};
}

TrainedComposition train_composition(
    const Tensor& points, std::span<const double> taus, const DenoiserOptions& options) {
  TrainedComposition result;
  result.flow = composed_flow(points, taus, [&](int64_t l, const Tensor& x, double tau) {
    DenoiserOptions of_layer = options;
    of_layer.seed = options.seed + static_cast<uint64_t>(l);
    result.layers.push_back(train_denoiser(x, tau, of_layer));
    return trained_step(result.layers.back(), x);
  });
  return result;
}

StackComparison train_stack(
    const Tensor& points, std::span<const double> taus, std::span<const int64_t> widths,
    const DenoiserOptions& options) {
  check_shape(
      taus.size() == widths.size(), "train_stack", taus.size(), " noise variances for ",
      widths.size(), " layers");
  StackComparison result;
  Tensor z = points;
  std::vector<Tensor> to_ground;  // C_l [m, width of layer l], C_0 = I
  for (size_t l = 0; l < taus.size(); ++l) {
    DenoiserOptions of_layer = options;
    of_layer.width = widths[l];
    of_layer.is_residual = false;
    of_layer.seed = options.seed + l;
    to_ground.push_back(
        l == 0 ? identity(points.size(1))
               : matmul(to_ground.back(), result.stack.back().decoder()));
    result.stack.push_back(train_denoiser(z, taus[l], of_layer));
    z = result.stack.back().encode(z);
  }
  result.codes = z;
  result.decoded = z;
  for (size_t l = taus.size(); l-- > 0;) result.decoded = result.stack[l].decode(result.decoded);

  result.composition.flow =
      composed_flow(points, taus, [&](int64_t l, const Tensor& x, double tau) {
        DenoiserOptions of_layer = options;
        of_layer.seed = options.seed + static_cast<uint64_t>(l);
        of_layer.noise_factor = to_ground[static_cast<size_t>(l)];
        result.composition.layers.push_back(train_denoiser(x, tau, of_layer));
        return trained_step(result.composition.layers.back(), x);
      });
  const double spread = mean_variance(points) * static_cast<double>(points.size(1));
  check_value(spread > 0, "train_stack", "all points are equal");
  result.gap = paired_cost(result.decoded, result.composition.flow.at(-1)) / spread;
  return result;
}

}  // namespace limpid::interpret
