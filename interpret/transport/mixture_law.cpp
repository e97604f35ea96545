// interpret/transport/mixture_law.cpp: Gaussian mixtures in closed form.
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/wasserstein.h"
#include "interpret/transport/law.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace limpid::interpret {
namespace {

const double kLogTwoPi = std::log(2 * std::numbers::pi);

Tensor component(const Tensor& all, int64_t k) {
  const int64_t m = all.size(1);
  return reshape(slice(all, 0, k, k + 1), {m, all.size(2)});
}

Tensor scaled_to_one(const Tensor& weights) {
  check_shape(weights.rank() == 1 && weights.numel() >= 1, "mixture", "needs weights [K]");
  double sum = 0;
  for (const double w : weights.values<double>()) {
    check_value(w > 0 && std::isfinite(w), "mixture", "weights are positive, got ", w);
    sum += w;
  }
  Tensor scaled = weights.clone();
  for (int64_t k = 0; k < scaled.numel(); ++k) scaled.mutable_data<double>()[k] /= sum;
  return scaled;
}

void check_symmetric(const Tensor& matrices) {
  const int64_t m = matrices.size(1);
  const double* values = matrices.data<double>();
  for (int64_t i = 0; i < matrices.numel(); ++i) {
    const int64_t row = i / m % m, column = i % m;
    const double twin = values[i + (column - row) * m + row - column];
    check_value(
        std::isfinite(values[i]) && std::abs(values[i] - twin) <= 1e-12 * std::abs(values[i]),
        "mixture", "covariances are finite and symmetric, got ", values[i], " and ", twin);
  }
}

}  // namespace

MixtureLaw::MixtureLaw(
    const Tensor& weights, const Tensor& means, const Tensor& covariances, NoiseShape noise)
    : Law(means.rank() == 2 ? means.size(1) : 0, std::move(noise)),
      weights_(scaled_to_one(weights)),
      means_(means),
      covariances_(covariances) {
  const int64_t K = weights.numel(), m = dimension();
  check_points("mixture", means);
  check_shape(
      means.size(0) == K && covariances.shape() == Shape({K, m, m}), "mixture",
      "needs means [K, m] and covariances [K, m, m] for ", K, " weights, got ", means.shape(),
      " and ", covariances.shape());
  check_symmetric(covariances);
  centres_ = this->noise().whitened(means);
  for (int64_t k = 0; k < K; ++k) {
    Tensor S = component(covariances, k);
    if (!this->noise().is_round()) {
      const Tensor& W = this->noise().inverse();
      S = matmul(matmul(W, S), W, {.transpose_b = true});
    }
    const EigenSymmetric eigen = eigen_symmetric(S);
    const double smallest = eigen.values.data<double>()[0];
    if (!(smallest > 0)) {
      throw NumericError(
          join_text("mixture: component ", k, " has the variance ", smallest, " in one direction"),
          smallest);
    }
    margin_ = k == 0 ? smallest : std::min(margin_, smallest);
    axes_.push_back(eigen.vectors);
    values_.push_back(eigen.values);
  }
}

MixtureLaw::Whitened MixtureLaw::whitened(int64_t k) const {
  check_value(k >= 0 && k < components(), "mixture", "no component ", k);
  return {
      reshape(slice(centres_, 0, k, k + 1), {dimension()}), axes_[static_cast<size_t>(k)],
      values_[static_cast<size_t>(k)]};
}

std::string MixtureLaw::name() const {
  const std::string where =
      join_text(" in ", dimension(), dimension() == 1 ? " dimension" : " dimensions");
  if (components() == 1) return "normal law" + where;
  return join_text("mixture of ", components(), " normal laws", where);
}

Tensor MixtureLaw::mean() const {
  return reshape(matmul(reshape(weights_, {1, components()}), means_), {dimension()});
}

Tensor MixtureLaw::covariance(double shift) const {
  const int64_t m = dimension();
  Tensor result = Tensor::zeros({m, m}, DType::f64);
  double* out = result.mutable_data<double>();
  const Tensor centre = mean(), D = noise().matrix(m);
  for (int64_t k = 0; k < components(); ++k) {
    const double* mk = means_.data<double>() + k * m;
    const double* Sk = covariances_.data<double>() + k * m * m;
    const double w = weights_.data<double>()[k];
    for (int64_t i = 0; i < m * m; ++i) {
      const double a = mk[i / m] - centre.data<double>()[i / m];
      const double b = mk[i % m] - centre.data<double>()[i % m];
      out[i] += w * (Sk[i] + a * b);
    }
  }
  for (int64_t i = 0; i < m * m; ++i) out[i] += shift * D.data<double>()[i];
  return result;
}

// With r_k = V'(y - m_k) and d_k = values + shift:
//   log density of k    log w_k - (m log 2 pi + sum log d + sum r^2 / d) / 2
//   its score           s_k = -V (r / d),   its Hessian  -V diag(1 / d) V'
// and over the posterior probabilities g_k of the components
//   score = sum g_k s_k,   Hessian = sum g_k (s_k s_k' - V diag(1 / d) V') - score score'.
LocalDensity MixtureLaw::at_whitened(const Tensor& points, double shift, Order order) const {
  const int64_t q = points.size(0), m = dimension(), K = components();
  LocalDensity local;
  local.log_density = Tensor::zeros({q}, DType::f64);
  if (order >= Order::score) local.score = Tensor::zeros({q, m}, DType::f64);
  if (order >= Order::hessian) local.hessian = Tensor::zeros({q, m, m}, DType::f64);
  double* log_p = local.log_density.mutable_data<double>();
  double* score = order >= Order::score ? local.score.mutable_data<double>() : nullptr;
  double* hessian = order >= Order::hessian ? local.hessian.mutable_data<double>() : nullptr;

  std::vector<double> constant(static_cast<size_t>(K));
  for (int64_t k = 0; k < K; ++k) {
    double log_det = 0;
    for (const double v : values_[static_cast<size_t>(k)].values<double>()) {
      log_det += std::log(v + shift);
    }
    constant[static_cast<size_t>(k)] =
        std::log(weights_.data<double>()[k]) - (static_cast<double>(m) * kLogTwoPi + log_det) / 2;
  }
  parallel::for_blocks(q, 64, [&](int64_t begin, int64_t end) {
    std::vector<double> logs(static_cast<size_t>(K)), scores(static_cast<size_t>(K * m));
    for (int64_t i = begin; i < end; ++i) {
      const double* y = points.data<double>() + i * m;
      for (int64_t k = 0; k < K; ++k) {
        const double* V = axes_[static_cast<size_t>(k)].data<double>();
        const double* values = values_[static_cast<size_t>(k)].data<double>();
        const double* centre = centres_.data<double>() + k * m;
        double* sk = scores.data() + k * m;
        std::fill(sk, sk + m, 0.0);
        double square = 0;
        for (int64_t j = 0; j < m; ++j) {
          double r = 0;
          for (int64_t a = 0; a < m; ++a) r += V[a * m + j] * (y[a] - centre[a]);
          const double pulled = r / (values[j] + shift);
          square += r * pulled;
          for (int64_t a = 0; a < m; ++a) sk[a] -= V[a * m + j] * pulled;
        }
        logs[static_cast<size_t>(k)] = constant[static_cast<size_t>(k)] - square / 2;
      }
      const double largest = *std::ranges::max_element(logs);
      double sum = 0;
      for (double& l : logs) sum += l = std::exp(l - largest);
      log_p[i] = largest + std::log(sum);
      if (score == nullptr) continue;
      for (int64_t k = 0; k < K; ++k) {
        const double g = logs[static_cast<size_t>(k)] / sum;
        const double* sk = scores.data() + k * m;
        for (int64_t a = 0; a < m; ++a) score[i * m + a] += g * sk[a];
        if (hessian == nullptr || g == 0) continue;
        const double* V = axes_[static_cast<size_t>(k)].data<double>();
        const double* values = values_[static_cast<size_t>(k)].data<double>();
        for (int64_t a = 0; a < m; ++a) {
          for (int64_t b = 0; b < m; ++b) {
            double precision = 0;
            for (int64_t j = 0; j < m; ++j) {
              precision += V[a * m + j] * V[b * m + j] / (values[j] + shift);
            }
            hessian[(i * m + a) * m + b] += g * (sk[a] * sk[b] - precision);
          }
        }
      }
      if (hessian == nullptr) continue;
      for (int64_t a = 0; a < m; ++a) {
        for (int64_t b = 0; b < m; ++b) {
          hessian[(i * m + a) * m + b] -= score[i * m + a] * score[i * m + b];
        }
      }
    }
  });
  return local;
}

Tensor MixtureLaw::sample_whitened(int64_t n, Rng& rng, double shift) const {
  const int64_t m = dimension();
  Tensor result = Tensor::empty({n, m}, DType::f64);
  double* out = result.mutable_data<double>();
  std::vector<double> choice(static_cast<size_t>(n)), normal(static_cast<size_t>(n * m));
  rng.uniform(std::span<double>(choice), 0, 1);
  rng.normal(std::span<double>(normal), 0, 1);
  for (int64_t i = 0; i < n; ++i) {
    double left = choice[static_cast<size_t>(i)];
    int64_t k = 0;
    while (k + 1 < components() && left >= weights_.data<double>()[k]) {
      left -= weights_.data<double>()[k++];
    }
    const double* V = axes_[static_cast<size_t>(k)].data<double>();
    const double* values = values_[static_cast<size_t>(k)].data<double>();
    for (int64_t a = 0; a < m; ++a) {
      double x = centres_.data<double>()[k * m + a];
      for (int64_t j = 0; j < m; ++j) {
        x += V[a * m + j] * std::sqrt(std::max(values[j] + shift, 0.0)) *
             normal[static_cast<size_t>(i * m + j)];
      }
      out[i * m + a] = x;
    }
  }
  return result;
}

MixtureLaw normal_law(const Tensor& mean, const Tensor& covariance, NoiseShape noise) {
  check_shape(
      mean.rank() == 1 && covariance.rank() == 2, "normal law",
      "needs a mean [m] and a covariance [m, m], got ", mean.shape(), " and ", covariance.shape());
  const int64_t m = mean.numel();
  return MixtureLaw(
      Tensor::ones({1}, DType::f64), reshape(mean, {1, m}),
      reshape(covariance, {1, covariance.size(0), covariance.size(1)}), std::move(noise));
}

MixtureLaw fitted_normal(const Tensor& points, NoiseShape noise) {
  const Moments moments = moments_of(points);
  const EigenSymmetric eigen = eigen_symmetric(moments.covariance);
  const double smallest = eigen.values.data<double>()[0];
  const double largest = eigen.values.data<double>()[points.size(1) - 1];
  check_value(
      smallest > 1e-14 * largest, "normal law", points.size(0), " points that vary in fewer than ",
      points.size(1), " directions have no density; its smallest variance is ", smallest);
  return normal_law(moments.mean, moments.covariance, std::move(noise));
}

namespace {

// A grid of equal steps over 10 standard deviations beyond every component
struct Grid {
  Tensor points;    // [n, m]
  double cell = 1;  // volume per node
};

struct Box {
  std::vector<double> low, high;
};

Box box_around(const MixtureLaw& law, double shift) {
  const int64_t m = law.dimension();
  check_value(m <= 2, "quadrature", "integrates in one or two dimensions, the law has ", m);
  const Tensor D = law.noise().matrix(m);
  Box box;
  for (int64_t j = 0; j < m; ++j) {
    for (int64_t k = 0; k < law.components(); ++k) {
      const double variance = law.covariances().data<double>()[(k * m + j) * m + j] +
                              shift * D.data<double>()[j * m + j];
      const double centre = law.means().data<double>()[k * m + j];
      const double reach = 10 * std::sqrt(variance);
      if (k == 0) {
        box.low.push_back(centre - reach);
        box.high.push_back(centre + reach);
      }
      box.low.back() = std::min(box.low.back(), centre - reach);
      box.high.back() = std::max(box.high.back(), centre + reach);
    }
  }
  return box;
}

// `nodes` along each axis
Grid grid_in(const Box& box, const std::vector<int64_t>& nodes) {
  const auto m = std::ssize(nodes);
  Grid grid;
  int64_t count = 1;
  for (const int64_t n : nodes) count *= n;
  grid.points = Tensor::empty({count, m}, DType::f64);
  double* out = grid.points.mutable_data<double>();
  int64_t stride = 1;
  for (int64_t j = 0; j < m; ++j) {
    const auto at = static_cast<size_t>(j);
    const double step = (box.high[at] - box.low[at]) / static_cast<double>(nodes[at] - 1);
    for (int64_t i = 0; i < count; ++i) {
      out[i * m + j] = box.low[at] + step * static_cast<double>(i / stride % nodes[at]);
    }
    grid.cell *= step;
    stride *= nodes[at];
  }
  return grid;
}

}  // namespace

Functionals functionals(const MixtureLaw& law, double shift, int64_t nodes) {
  const int64_t m = law.dimension();
  if (nodes == 0) nodes = m == 1 ? 4001 : 401;
  check_value(nodes >= 3, "functionals", "needs at least three nodes, got ", nodes);
  const Grid grid =
      grid_in(box_around(law, shift), std::vector<int64_t>(static_cast<size_t>(m), nodes));
  const LocalDensity local = law.at(grid.points, shift, Order::score);
  const Tensor v = law.velocity(grid.points, shift);
  Functionals result;
  for (int64_t i = 0; i < grid.points.size(0); ++i) {
    const double log_p = local.log_density.data<double>()[i];
    const double mass = std::exp(log_p) * grid.cell;
    if (mass == 0) continue;
    result.entropy -= mass * log_p;
    for (int64_t j = 0; j < m; ++j) {
      result.fisher += mass * local.score.data<double>()[i * m + j] * v.data<double>()[i * m + j];
    }
  }
  return result;
}

Nodes quadrature_nodes(const MixtureLaw& law, double spacing, int64_t most) {
  check_value(spacing > 0 && most >= 9, "quadrature", "needs a spacing above 0, got ", spacing);
  const int64_t m = law.dimension();
  const Box box = box_around(law, 0);
  const double per_axis = std::pow(static_cast<double>(most), 1 / static_cast<double>(m));
  std::vector<int64_t> nodes;
  for (size_t j = 0; j < box.low.size(); ++j) {
    const double wanted = std::ceil((box.high[j] - box.low[j]) / spacing) + 1;
    nodes.push_back(static_cast<int64_t>(std::clamp(wanted, 3.0, std::floor(per_axis))));
  }
  const Grid grid = grid_in(box, nodes);
  const Tensor log_p = law.log_density(grid.points);
  const double largest = *std::ranges::max_element(log_p.values<double>());
  std::vector<double> points, weights;
  double sum = 0;
  for (int64_t i = 0; i < log_p.numel(); ++i) {
    const double weight = std::exp(log_p.data<double>()[i] - largest);
    if (weight < 1e-20) continue;
    sum += weight;
    weights.push_back(weight);
    for (int64_t j = 0; j < m; ++j) points.push_back(grid.points.data<double>()[i * m + j]);
  }
  for (double& w : weights) w /= sum;
  const auto count = std::ssize(weights);
  return {Tensor::of({count, m}, points, DType::f64), Tensor::of({count}, weights, DType::f64)};
}

}  // namespace limpid::interpret
