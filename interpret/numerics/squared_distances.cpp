// interpret/numerics/squared_distances.cpp: one product for all pairs, sums for near ones.
#include "interpret/numerics/squared_distances.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"
#include "framework/kernels/gemm.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace limpid::interpret {
namespace {

constexpr int64_t kRowsPerBlock = 64;
constexpr double kNear = 1e-6;  // against |x|^2 + |y|^2: 2^-52 of these is 1e-9 of the distance

void check_points(const char* name, const Tensor& P) {
  check_shape(
      P.rank() == 2 && P.numel() > 0, "squared_distances", "needs points ", name,
      " [n, d] with n, d >= 1, got ", P.shape());
  const auto values = P.values<double>();
  const auto bad = std::ranges::find_if(values, [](double v) { return !std::isfinite(v); });
  check_value(
      bad == values.end(), "squared_distances", "point ", (bad - values.begin()) / P.size(1),
      " of ", name, " holds NaN or infinity");
}

std::vector<double> mean_of_rows(const Tensor& P) {
  const int64_t n = P.size(0), d = P.size(1);
  std::vector<double> mean(static_cast<size_t>(d));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < d; ++k)
      mean[static_cast<size_t>(k)] += P.data<double>()[i * d + k] / static_cast<double>(n);
  }
  return mean;
}

Tensor moved(const Tensor& P, const std::vector<double>& origin) {
  Tensor result = P.clone();
  double* p = result.mutable_data<double>();
  for (int64_t i = 0; i < P.size(0); ++i) {
    for (const double o : origin) *p++ -= o;
  }
  return result;
}

std::vector<double> squared_lengths(const Tensor& P) {
  const int64_t d = P.size(1);
  std::vector<double> squares;
  for (int64_t i = 0; i < P.size(0); ++i) {
    const double* p = P.data<double>() + i * d;
    squares.push_back(kernels::table<double>().dot(d, p, p));
  }
  return squares;
}

double sum_of_squares(int64_t d, const double* x, const double* y) {
  double sum = 0;
  for (int64_t k = 0; k < d; ++k) sum += (x[k] - y[k]) * (x[k] - y[k]);
  return sum;
}

}  // namespace

Tensor squared_distances(const Tensor& X, const Tensor& Y) {
  check_points("X", X);
  check_points("Y", Y);
  check_shape(
      X.size(1) == Y.size(1), "squared_distances", "points ", X.shape(), " and ", Y.shape(),
      " have different dimensions");
  const int64_t n = X.size(0), m = Y.size(0), d = X.size(1);
  const std::vector<double> origin = mean_of_rows(Y);
  const Tensor A = moved(X, origin), B = moved(Y, origin);
  const std::vector<double> aa = squared_lengths(A), bb = squared_lengths(B);
  Tensor D = Tensor::empty({n, m}, DType::f64);
  double* out = D.mutable_data<double>();
  kernels::gemm<double>(
      {.transpose_b = true,
       .M = n,
       .N = m,
       .K = d,
       .alpha = -2,
       .a = A.data<double>(),
       .lda = d,
       .b = B.data<double>(),
       .ldb = d,
       .c = out,
       .ldc = m});
  parallel::for_blocks(n, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double* row = out + i * m;
      const double square = aa[static_cast<size_t>(i)];
      for (int64_t j = 0; j < m; ++j) {
        const double both = square + bb[static_cast<size_t>(j)];
        row[j] += both;
        if (row[j] < kNear * both)
          row[j] = sum_of_squares(d, X.data<double>() + i * d, Y.data<double>() + j * d);
      }
    }
  });
  const auto values = D.values<double>();
  const auto bad = std::ranges::find_if(values, [](double v) { return !std::isfinite(v); });
  if (bad != values.end()) {
    throw NumericError("squared_distances: the squares of these points overflow", *bad);
  }
  return D;
}

}  // namespace limpid::interpret
