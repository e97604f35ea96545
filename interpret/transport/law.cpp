// interpret/transport/law.cpp: what all laws share; moments of points.
#include "interpret/transport/law.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/wasserstein.h"

#include <cmath>

namespace limpid::interpret {
namespace {

Tensor lower_inverse(const Tensor& L) {
  const int64_t m = L.size(0);
  Tensor inverse = Tensor::zeros({m, m}, DType::f64);
  double* out = inverse.mutable_data<double>();
  const double* l = L.data<double>();
  for (int64_t column = 0; column < m; ++column) {
    for (int64_t i = column; i < m; ++i) {
      double sum = i == column ? 1 : 0;
      for (int64_t j = column; j < i; ++j) sum -= l[i * m + j] * out[j * m + column];
      out[i * m + column] = sum / l[i * m + i];
    }
  }
  return inverse;
}

Tensor times_transposed(const Tensor& a, const Tensor& b) {
  return matmul(a, b, {.transpose_b = true});
}

}  // namespace

double mean_variance(const Tensor& points) {
  const Tensor covariance = moments_of(points).covariance;
  const int64_t m = covariance.size(0);
  double trace = 0;
  for (int64_t j = 0; j < m; ++j) trace += covariance.data<double>()[j * m + j];
  return trace / static_cast<double>(m);
}

NoiseShape::NoiseShape(const Tensor& D) : D_(D) {
  check_shape(
      D.rank() == 2 && D.size(0) == D.size(1), "noise shape", "needs D [m, m], got ", D.shape());
  L_ = cholesky(D);
  L_inverse_ = lower_inverse(L_);
  const int64_t m = D.size(0);
  for (int64_t j = 0; j < m; ++j) log_det_ += std::log(L_.data<double>()[j * m + j]);
}

Tensor NoiseShape::matrix(int64_t m) const { return is_round() ? identity(m) : D_; }

Tensor NoiseShape::whitened(const Tensor& points) const {
  return is_round() ? points : times_transposed(points, L_inverse_);
}

Tensor NoiseShape::coloured(const Tensor& points) const {
  return is_round() ? points : times_transposed(points, L_);
}

Tensor NoiseShape::gradient(const Tensor& g) const {
  return is_round() ? g : matmul(g, L_inverse_);
}

Law::Law(int64_t dimension, NoiseShape noise) : dimension_(dimension), noise_(std::move(noise)) {
  check_shape(
      noise_.is_round() || noise_.factor().size(0) == dimension, "law", "noise in ",
      noise_.is_round() ? 0 : noise_.factor().size(0), " dimensions for a law in ", dimension);
}

LocalDensity Law::at(const Tensor& points, double shift, Order order) const {
  check_points("law", points);
  check_shape(
      points.size(1) == dimension_, "law", "points in ", points.size(1),
      " dimensions for a law in ", dimension_);
  check_value(
      shift > -margin() && std::isfinite(shift), "law", "a variance of ", margin() + shift,
      " would remain of ", margin(), " with the shift ", shift, "; it must be above 0");
  LocalDensity local = at_whitened(noise_.whitened(points), shift, order);
  if (noise_.is_round()) return local;
  local.log_density = local.log_density.clone();
  double* log_p = local.log_density.mutable_data<double>();
  for (int64_t i = 0; i < points.size(0); ++i) log_p[i] -= noise_.log_det();
  if (order >= Order::score) local.score = noise_.gradient(local.score);
  if (order >= Order::hessian) {
    // L^-T H L^-1
    const int64_t q = points.size(0), m = dimension_;
    const Tensor right = matmul(reshape(local.hessian, {q * m, m}), noise_.inverse());
    const Tensor turned = reshape(permute(reshape(right, {q, m, m}), {0, 2, 1}), {q * m, m});
    const Tensor both = matmul(turned, noise_.inverse());
    local.hessian = reshape(both, {q, m, m});  // symmetric
  }
  return local;
}

Tensor Law::log_density(const Tensor& points, double shift) const {
  return at(points, shift, Order::density).log_density;
}

Tensor Law::score(const Tensor& points, double shift) const {
  return at(points, shift, Order::score).score;
}

Tensor Law::velocity(const Tensor& points, double shift) const {
  const Tensor s = score(points, shift);
  return noise_.is_round() ? s : matmul(s, noise_.matrix(dimension_));
}

Tensor Law::divergence(const Tensor& points, double shift) const {
  const LocalDensity local = at(points, shift, Order::hessian);
  const int64_t q = points.size(0), m = dimension_;
  const Tensor D = noise_.matrix(m);
  Tensor result = Tensor::zeros({q}, DType::f64);
  double* out = result.mutable_data<double>();
  const double* H = local.hessian.data<double>();
  for (int64_t i = 0; i < q; ++i) {
    for (int64_t j = 0; j < m * m; ++j) out[i] += D.data<double>()[j] * H[i * m * m + j];
  }
  return result;
}

Tensor Law::dae(const Tensor& points, double noise_variance, double shift) const {
  check_value(
      noise_variance >= 0 && std::isfinite(noise_variance), "dae",
      "a noise variance is finite and at least 0, got ", noise_variance);
  if (noise_variance == 0) return points;
  Tensor moved = points.clone();
  const Tensor v = velocity(points, noise_variance + shift);
  double* out = moved.mutable_data<double>();
  for (int64_t i = 0; i < moved.numel(); ++i) out[i] += noise_variance * v.data<double>()[i];
  return moved;
}

Tensor Law::dae_jacobian(const Tensor& points, double noise_variance, double shift) const {
  check_value(
      noise_variance >= 0 && std::isfinite(noise_variance), "dae",
      "a noise variance is finite and at least 0, got ", noise_variance);
  const int64_t q = points.size(0), m = dimension_;
  Tensor result = Tensor::zeros({q, m, m}, DType::f64);
  double* out = result.mutable_data<double>();
  for (int64_t i = 0; i < q * m; ++i) out[i * m + i % m] = 1;
  if (noise_variance == 0) return result;
  Tensor bent = at(points, noise_variance + shift, Order::hessian).hessian;  // symmetric: H D
  if (!noise_.is_round()) {
    bent =
        permute(reshape(matmul(reshape(bent, {q * m, m}), noise_.matrix(m)), {q, m, m}), {0, 2, 1});
  }
  for (int64_t i = 0; i < q * m * m; ++i) out[i] += noise_variance * bent.data<double>()[i];
  return result;
}

Tensor Law::sample(int64_t n, Rng rng, double shift) const {
  check_value(n >= 1, "law", "needs at least one draw, got ", n);
  check_value(shift >= -margin(), "law", "the shift ", shift, " is below -", margin());
  return noise_.coloured(sample_whitened(n, rng, shift));
}

}  // namespace limpid::interpret
