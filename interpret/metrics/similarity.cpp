// interpret/metrics/similarity.cpp: cosines, rank correlation and structural similarity.
#include "interpret/metrics/similarity.h"

#include "framework/core/error.h"
#include "framework/ops/conv.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace limpid::interpret {
namespace {

void check_alike(const char* op, const Tensor& a, const Tensor& b) {
  check_shape(
      a.shape() == b.shape() && a.rank() >= 2, op, "maps differ (", a.shape(), ", ", b.shape(),
      ")");
}

// exp(-r^2 / (2 sigma^2)) over size x size positions, summing to 1: [1, 1, size, size], f64.
Tensor gaussian_window(int64_t size, double sigma) {
  Tensor row = Tensor::empty({size}, DType::f64);
  for (int64_t i = 0; i < size; ++i) {
    const double r = static_cast<double>(i - size / 2);
    row.mutable_data<double>()[i] = std::exp(-r * r / (2 * sigma * sigma));
  }
  const Tensor window = reshape(row, {1, 1, size, 1}) * reshape(row, {1, 1, 1, size});
  return window / sum(window);
}

}  // namespace

std::vector<double> cosines(const Tensor& a, const Tensor& b) {
  check_alike("cosines", a, b);
  const std::vector<double> x = a.to_vector();
  const std::vector<double> y = b.to_vector();
  const auto size = x.size() / static_cast<size_t>(std::max<int64_t>(1, a.size(0)));
  std::vector<double> all;
  for (size_t begin = 0; begin < x.size(); begin += size) {
    double xy = 0, xx = 0, yy = 0;
    for (size_t i = begin; i < begin + size; ++i) {
      xy += x[i] * y[i];
      xx += x[i] * x[i];
      yy += y[i] * y[i];
    }
    const double norms = xx == yy ? xx : std::sqrt(xx) * std::sqrt(yy);  // 1 for equal maps
    all.push_back(norms > 0 ? xy / norms : std::numeric_limits<double>::quiet_NaN());
  }
  return all;
}

std::vector<double> rank_correlations(const Tensor& a, const Tensor& b) {
  check_alike("rank_correlations", a, b);
  const std::vector<double> x = a.to_vector();
  const std::vector<double> y = b.to_vector();
  const auto cells = static_cast<size_t>(a.numel() / std::max<int64_t>(1, a.size(0)));
  std::vector<double> result;
  for (size_t begin = 0; begin < x.size(); begin += cells) {
    result.push_back(
        spearman(std::span(x).subspan(begin, cells), std::span(y).subspan(begin, cells)));
  }
  return result;
}

std::vector<double> structural_similarity(const Tensor& a, const Tensor& b, double range) {
  const Recording off(false);
  check_alike("structural_similarity", a, b);
  check_shape(
      a.rank() == 4 && a.size(1) == 1 && a.size(2) > 0 && a.size(3) > 0, "structural_similarity",
      "needs maps [N, 1, H, W], got ", a.shape());
  const int64_t side = std::min({int64_t{11}, a.size(2), a.size(3)});
  const Tensor window = gaussian_window(side - (side + 1) % 2, 1.5);
  const auto local = [&](const Tensor& x) { return conv2d(x, window); };
  const double c1 = 0.0001 * range * range;
  const double c2 = 0.0009 * range * range;

  // In f64: the variances are differences of nearly equal numbers
  const Tensor x = to(a, DType::f64);
  const Tensor y = to(b, DType::f64);
  const Tensor mx = local(x);
  const Tensor my = local(y);
  const Tensor xx = local(x * x) - mx * mx;
  const Tensor yy = local(y * y) - my * my;
  const Tensor xy = local(x * y) - mx * my;
  const Tensor above = (2 * (mx * my) + c1) * (2 * xy + c2);
  const Tensor below = (mx * mx + my * my + c1) * (xx + yy + c2);
  return mean(above / below, {1, 2, 3}).to_vector();
}

}  // namespace limpid::interpret
