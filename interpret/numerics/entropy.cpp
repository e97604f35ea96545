// interpret/numerics/entropy.cpp: sums over neighbours and over eigenvalues.
#include "interpret/numerics/entropy.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/point_clouds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double log_unit_ball(int64_t d) {
  const double half = static_cast<double>(d) / 2;
  return half * std::log(std::numbers::pi) - std::lgamma(half + 1);
}

}  // namespace

double digamma(double x) {
  check_value(x > 0, "digamma", "needs x > 0, got ", x);
  double shift = 0;
  for (; x < 10; ++x) shift -= 1 / x;
  // log x - 1/2x - sum_k B_2k / (2k x^2k)
  const double z = 1 / (x * x);
  double series = 0;
  for (const double factor :
       {691.0 / 32760, 1.0 / 132, 1.0 / 240, 1.0 / 252, 1.0 / 120, 1.0 / 12}) {
    series = z * (factor - series);
  }
  return shift + std::log(x) - 0.5 / x - series;
}

NeighbourEntropy neighbour_entropy(const Tensor& X, const NeighbourEntropyOptions& o) {
  const Recording off(false);
  check_points("neighbour_entropy", X);
  check_value(
      std::isfinite(o.jitter) && o.jitter >= 0, "neighbour_entropy", "needs jitter >= 0, got ",
      o.jitter);
  const int64_t n = X.size(0), d = X.size(1);
  const double spread = std::sqrt(sum_of_squares(centred(X)) / static_cast<double>(n));
  Rng rng(o.seed);
  const Tensor noise = Tensor::normal(X.shape(), rng, 0, 1, DType::f64);
  const Tensor R = neighbour_distances(X + noise * (o.jitter * spread), o.k);

  NeighbourEntropy result;
  double logs = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double r = R.data<double>()[i * o.k + o.k - 1];
    r > 0 ? static_cast<void>(logs += std::log(r)) : static_cast<void>(++result.dropped);
  }
  const auto kept = static_cast<double>(n - result.dropped);
  result.entropy = kept == 0 ? -kInfinity
                             : digamma(static_cast<double>(n)) - digamma(static_cast<double>(o.k)) +
                                   log_unit_ball(d) + static_cast<double>(d) * logs / kept;
  return result;
}

double gaussian_entropy(const Tensor& covariance) {
  const Recording off(false);
  check_points("gaussian_entropy", covariance);
  const Tensor values = eigen_symmetric(covariance).values;  // checks that it is square
  const auto l = values.values<double>();
  const double rounding =
      l.back() * static_cast<double>(l.size()) * std::numeric_limits<double>::epsilon();
  double total = 0;
  for (const double value : l) {
    if (value <= rounding) return -kInfinity;
    total += std::log(2 * std::numbers::pi * std::numbers::e * value) / 2;
  }
  return total;
}

double participation_ratio(const Tensor& X) {
  const Recording off(false);
  check_points("participation_ratio", X);
  const Tensor x = centred(X);
  const bool is_wide = X.size(0) < X.size(1);
  const Tensor products = matmul(x, x, {.transpose_a = !is_wide, .transpose_b = is_wide});
  const double trace = sum_of_squares(x);
  return trace * trace / sum_of_squares(products);
}

}  // namespace limpid::interpret
