// interpret/transport/kernel_law.cpp: points, each with a kernel around it; choosing its width.
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/wasserstein.h"
#include "interpret/transport/law.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace limpid::interpret {
namespace {

constexpr int64_t kRows = 16;  // of points in a block

double square_distance(const double* a, const double* b, int64_t m) {
  double sum = 0;
  for (int64_t j = 0; j < m; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

// At most `most` rows, chosen at random: rows may be in some order
Tensor thinned(const Tensor& points, int64_t most) {
  const int64_t n = points.size(0);
  if (n <= most) return points;
  std::vector<int64_t> chosen = Rng(0).permutation(n);
  chosen.resize(static_cast<size_t>(most));
  return take_rows(points, chosen);
}

// log of the mean over the other points of N(x_i; x_j, h), for every h, added over i
std::vector<double> leave_one_out_scores(const Tensor& points, const std::vector<double>& grid) {
  const int64_t n = points.size(0), m = points.size(1);
  const double* x = points.data<double>();
  std::vector<std::vector<double>> per_point(static_cast<size_t>(n));
  parallel::for_blocks(n, kRows, [&](int64_t begin, int64_t end) {
    std::vector<double> squares(static_cast<size_t>(n));
    for (int64_t i = begin; i < end; ++i) {
      double least = std::numeric_limits<double>::infinity();
      for (int64_t j = 0; j < n; ++j) {
        squares[static_cast<size_t>(j)] = square_distance(x + i * m, x + j * m, m);
        if (j != i) least = std::min(least, squares[static_cast<size_t>(j)]);
      }
      for (const double h : grid) {
        double sum = 0;
        for (int64_t j = 0; j < n; ++j) {
          if (j != i) sum += std::exp((least - squares[static_cast<size_t>(j)]) / (2 * h));
        }
        per_point[static_cast<size_t>(i)].push_back(
            std::log(sum / static_cast<double>(n - 1)) - least / (2 * h) -
            static_cast<double>(m) / 2 * std::log(2 * std::numbers::pi * h));
      }
    }
  });
  std::vector<double> scores(grid.size());
  for (const auto& point : per_point) {
    for (size_t g = 0; g < grid.size(); ++g) scores[g] += point[g] / static_cast<double>(n);
  }
  return scores;
}

Moments weighted_moments(const Tensor& points, const Tensor& weights) {
  const int64_t n = points.size(0), m = points.size(1);
  const Tensor row = reshape(weights, {1, n});
  Moments moments = {.mean = reshape(matmul(row, points), {m}), .covariance = {}};
  const Tensor centred = points - moments.mean;
  moments.covariance = matmul(centred * reshape(weights, {n, 1}), centred, {.transpose_a = true});
  return moments;
}

}  // namespace

KernelLaw::KernelLaw(
    const Tensor& points, double bandwidth, NoiseShape noise, const Tensor& weights)
    : Law(points.rank() == 2 ? points.size(1) : 0, std::move(noise)),
      points_(points),
      bandwidth_(bandwidth) {
  check_points("kernel law", points);
  check_value(
      bandwidth >= 0 && std::isfinite(bandwidth), "kernel law",
      "a bandwidth is a variance of at least 0, got ", bandwidth);
  whitened_ = this->noise().whitened(points);
  if (!weights.defined()) return;
  check_shape(
      weights.shape() == Shape({points.size(0)}), "kernel law", "weights ", weights.shape(),
      " for ", points.size(0), " points");
  cumulative_ = weights.clone();
  double* total = cumulative_.mutable_data<double>();
  for (int64_t i = 0; i < weights.numel(); ++i) {
    check_value(
        total[i] > 0 && std::isfinite(total[i]), "kernel law", "weights are positive, got ",
        total[i]);
    if (i > 0) total[i] += total[i - 1];
  }
  weights_ = weights.clone();
  const double sum = total[weights.numel() - 1];
  for (int64_t i = 0; i < weights.numel(); ++i) {
    weights_.mutable_data<double>()[i] /= sum;
    total[i] /= sum;
  }
}

std::string KernelLaw::name() const {
  const int64_t n = points_.size(0);
  if (bandwidth_ == 0) return join_text("empirical law of ", n, " points");
  return join_text("kernel density of ", n, " points, bandwidth variance ", bandwidth_);
}

Tensor KernelLaw::mean() const {
  return weights_.defined() ? weighted_moments(points_, weights_).mean : moments_of(points_).mean;
}

Tensor KernelLaw::covariance(double shift) const {
  Tensor result = weights_.defined() ? weighted_moments(points_, weights_).covariance
                                     : moments_of(points_).covariance.clone();
  const Tensor D = noise().matrix(dimension());
  for (int64_t i = 0; i < D.numel(); ++i) {
    result.mutable_data<double>()[i] += (bandwidth_ + shift) * D.data<double>()[i];
  }
  return result;
}

LocalDensity KernelLaw::at_whitened(const Tensor& points, double shift, Order order) const {
  return evaluate(points, shift, order, false);
}

LocalDensity KernelLaw::at_own_points(double shift, Order order) const {
  check_value(
      noise().is_round() && !weights_.defined(), "kernel law",
      "leaves points out for round noise and equal weights only");
  check_value(points_.size(0) >= 2, "kernel law", "cannot leave out the only point");
  check_value(shift > -margin(), "kernel law", "no variance would remain with the shift ", shift);
  return evaluate(whitened_, shift, order, true);
}

// With weights p_i, their mean M and covariance C of the points, and c = h + shift:
//   score = (M - y) / c,   Hessian = (C / c - I) / c
LocalDensity KernelLaw::evaluate(
    const Tensor& points, double shift, Order order, bool leaves_own_out) const {
  const int64_t q = points.size(0), m = dimension(), n = whitened_.size(0);
  const double c = bandwidth_ + shift;
  LocalDensity local;
  local.log_density = Tensor::zeros({q}, DType::f64);
  if (order >= Order::score) local.score = Tensor::zeros({q, m}, DType::f64);
  if (order >= Order::hessian) local.hessian = Tensor::zeros({q, m, m}, DType::f64);
  double* log_p = local.log_density.mutable_data<double>();
  double* score = order >= Order::score ? local.score.mutable_data<double>() : nullptr;
  double* hessian = order >= Order::hessian ? local.hessian.mutable_data<double>() : nullptr;
  const double* x = whitened_.data<double>();
  const auto count = static_cast<double>(leaves_own_out ? n - 1 : n);
  const double* share = weights_.defined() ? weights_.data<double>() : nullptr;
  const double constant = -static_cast<double>(m) / 2 * std::log(2 * std::numbers::pi * c) -
                          (share == nullptr ? std::log(count) : 0);

  parallel::for_blocks(q, kRows, [&](int64_t begin, int64_t end) {
    std::vector<double> weights(static_cast<size_t>(n)), pull(static_cast<size_t>(m));
    for (int64_t i = begin; i < end; ++i) {
      const double* y = points.data<double>() + i * m;
      double least = std::numeric_limits<double>::infinity();
      for (int64_t j = 0; j < n; ++j) {
        const bool is_out = leaves_own_out && j == i;
        const double square =
            is_out ? std::numeric_limits<double>::infinity() : square_distance(y, x + j * m, m);
        weights[static_cast<size_t>(j)] = square;
        least = std::min(least, square);
      }
      double sum = 0;
      for (double& w : weights) w = std::exp((least - w) / (2 * c));
      if (share != nullptr) {
        for (int64_t j = 0; j < n; ++j) weights[static_cast<size_t>(j)] *= share[j];
      }
      for (const double w : weights) sum += w;
      log_p[i] = constant - least / (2 * c) + std::log(sum);
      if (score == nullptr) continue;
      std::ranges::fill(pull, 0.0);  // M - y, from differences
      for (int64_t j = 0; j < n; ++j) {
        const double w = weights[static_cast<size_t>(j)];
        if (w == 0) continue;
        for (int64_t a = 0; a < m; ++a) {
          pull[static_cast<size_t>(a)] += w / sum * (x[j * m + a] - y[a]);
        }
      }
      for (int64_t a = 0; a < m; ++a) score[i * m + a] = pull[static_cast<size_t>(a)] / c;
      if (hessian == nullptr) continue;
      double* H = hessian + i * m * m;
      for (int64_t j = 0; j < n; ++j) {
        const double w = weights[static_cast<size_t>(j)] / sum;
        if (w == 0) continue;
        for (int64_t a = 0; a < m; ++a) {
          const double da = x[j * m + a] - y[a] - pull[static_cast<size_t>(a)];
          for (int64_t b = 0; b < m; ++b) {
            H[a * m + b] += w * da * (x[j * m + b] - y[b] - pull[static_cast<size_t>(b)]) / (c * c);
          }
        }
      }
      for (int64_t a = 0; a < m; ++a) H[a * m + a] -= 1 / c;
    }
  });
  return local;
}

Tensor KernelLaw::sample_whitened(int64_t n, Rng& rng, double shift) const {
  const int64_t m = dimension();
  Tensor result = Tensor::normal({n, m}, rng, 0, std::sqrt(bandwidth_ + shift), DType::f64);
  std::vector<double> choice(static_cast<size_t>(n));
  rng.uniform(std::span<double>(choice), 0, 1);
  double* out = result.mutable_data<double>();
  const auto last = whitened_.size(0) - 1;
  for (int64_t i = 0; i < n; ++i) {
    const double u = choice[static_cast<size_t>(i)];
    auto row = static_cast<int64_t>(u * static_cast<double>(last + 1));
    if (cumulative_.defined()) {
      const auto total = cumulative_.values<double>();
      row = std::min<int64_t>(std::ranges::upper_bound(total, u) - total.begin(), last);
    }
    for (int64_t a = 0; a < m; ++a) out[i * m + a] += whitened_.data<double>()[row * m + a];
  }
  return result;
}

Bandwidth choose_bandwidth(
    const Tensor& points, const NoiseShape& noise, const BandwidthOptions& options) {
  check_points("bandwidth", points);
  check_value(
      options.steps >= 2 && options.low > 0 && options.low < options.high, "bandwidth",
      "needs two steps or more between positive ends");
  check_value(
      points.size(0) >= 3, "bandwidth", "needs at least three points, got ", points.size(0));
  const Tensor part = thinned(noise.whitened(points), options.max_points);
  const double v = mean_variance(part);
  const auto n = static_cast<double>(part.size(0)), m = static_cast<double>(part.size(1));
  check_value(v > 0, "bandwidth", "all points are equal, which no kernel width fits best");
  const double silverman = v * std::pow(4 / ((m + 2) * n), 2 / (m + 4));
  Bandwidth best;
  const double ratio = std::log(options.high / options.low);
  for (int64_t i = 0; i < options.steps; ++i) {
    const double at = static_cast<double>(i) / static_cast<double>(options.steps - 1);
    best.grid.push_back(silverman * options.low * std::exp(ratio * at));
  }
  best.score = leave_one_out_scores(part, best.grid);
  const auto at = std::ranges::max_element(best.score) - best.score.begin();
  best.value = best.grid[static_cast<size_t>(at)];
  best.log_likelihood = best.score[static_cast<size_t>(at)];
  best.is_at_end = at == 0 || at + 1 == std::ssize(best.grid);
  return best;
}

}  // namespace limpid::interpret
