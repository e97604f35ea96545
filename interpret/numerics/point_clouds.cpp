// interpret/numerics/point_clouds.cpp: sums of squares in lanes, in blocks of rows.
#include "interpret/numerics/point_clouds.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/numerics/squared_distances.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace limpid::interpret {
namespace {

constexpr int64_t kRowsPerBlock = 16;

// |x - y|^2 in partial sums that are always added up in one order.
double squared_distance(const double* x, const double* y, int64_t d) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= d; k += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) {
      const double difference = x[k + l] - y[k + l];
      lanes[l] += difference * difference;
    }
  }
  for (int64_t l = 0; k < d; ++k, ++l) lanes[l] += (x[k] - y[k]) * (x[k] - y[k]);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

}  // namespace

void check_points(const char* op, const Tensor& X) {
  check_shape(
      X.rank() == 2 && X.numel() > 0, op, "needs points [n, d] with n, d >= 1, got ", X.shape());
  check_dtype(X.dtype() == DType::f64, op, "needs f64, got ", name_of(X.dtype()));
  const auto values = X.values<double>();
  const auto bad = std::ranges::find_if(values, [](double v) { return !std::isfinite(v); });
  check_value(
      bad == values.end(), op, "row ", (bad - values.begin()) / X.size(1),
      " of the points holds NaN or infinity");
}

void check_points(const char* op, const Tensor& X, const Tensor& Y) {
  check_points(op, X);
  check_points(op, Y);
  check_shape(
      X.size(1) == Y.size(1), op, "points of different dimension (", X.shape(), ", ", Y.shape(),
      ")");
}

Tensor centred(const Tensor& X) { return X - mean(X, {0}); }

double sum_of_squares(const Tensor& X) { return sum(X * X).item(); }

Tensor squared_distances_within(const Tensor& X) {
  const Tensor D = squared_distances(X, X);  // x_i'x_j and x_j'x_i may round differently
  return (D + transpose(D)) * 0.5;
}

Tensor distance_matrix(const Tensor& X) { return sqrt(squared_distances_within(X)); }

Tensor neighbour_distances(const Tensor& X, int64_t k) {
  check_points("neighbour_distances", X);
  const int64_t n = X.size(0), d = X.size(1);
  check_value(
      k >= 1 && k < n, "neighbour_distances", "needs 1 <= k < n, got k = ", k, " of ", n,
      " points");
  Tensor R = Tensor::empty({n, k}, DType::f64);
  const double* x = X.data<double>();
  double* r = R.mutable_data<double>();
  parallel::for_blocks(n, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    std::vector<double> others;
    for (int64_t i = begin; i < end; ++i) {
      others.clear();
      for (int64_t j = 0; j < n; ++j) {
        if (j != i) others.push_back(squared_distance(x + i * d, x + j * d, d));
      }
      std::partial_sort(others.begin(), others.begin() + k, others.end());
      for (int64_t l = 0; l < k; ++l) r[i * k + l] = std::sqrt(others[static_cast<size_t>(l)]);
    }
  });
  return R;
}

}  // namespace limpid::interpret
