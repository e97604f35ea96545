// interpret/numerics/alignment.cpp: Procrustes by the SVD of X'Y, CKA by norms of products.
#include "interpret/numerics/alignment.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/point_clouds.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

void check_rows(const char* op, const Tensor& X, const Tensor& Y) {
  check_shape(
      X.rank() == 2 && Y.rank() == 2 && X.size(0) == Y.size(0) && X.size(0) > 0, op,
      "needs two matrices with as many rows, got ", X.shape(), " and ", Y.shape());
}

Tensor prepared(const Tensor& X, int64_t width, bool has_unit_trace) {
  const Tensor x = pad(centred(X), 1, 0, width - X.size(1));
  const double trace = sum_of_squares(x) / static_cast<double>(X.size(0));
  return has_unit_trace && trace > 0 ? x / std::sqrt(trace) : x;
}

// 1 for two zeros, 0 for one.
double share(double top, double x, double y) {
  if (x == 0 || y == 0) return x == y ? 1 : 0;
  return top / (x * y);
}

}  // namespace

Procrustes procrustes(const Tensor& X, const Tensor& Y, const ProcrustesOptions& o) {
  const Recording off(false);
  check_rows("procrustes", X, Y);
  const int64_t k = std::max(X.size(1), Y.size(1));
  const Tensor x = prepared(X, k, o.has_unit_trace);
  Procrustes result;
  result.y = prepared(Y, k, o.has_unit_trace);
  const Svd parts = svd(matmul(x, result.y, {.transpose_a = true}));
  result.rotation = matmul(parts.u, parts.vt);
  result.x = matmul(x, result.rotation);
  const double nuclear = sum(parts.s).item();
  result.residual =
      std::max(0.0, 1 - share(nuclear * nuclear, sum_of_squares(x), sum_of_squares(result.y)));
  result.distance_squared = sum_of_squares(result.x - result.y);
  return result;
}

double linear_cka(const Tensor& X, const Tensor& Y) {
  const Recording off(false);
  check_rows("linear_cka", X, Y);
  const Tensor x = centred(X), y = centred(Y);
  const auto columns_product = [](const Tensor& a, const Tensor& b) {
    return std::sqrt(sum_of_squares(matmul(a, b, {.transpose_a = true})));
  };
  const int64_t n = X.size(0);
  if (n >= std::max(X.size(1), Y.size(1))) {
    const double xy = columns_product(y, x);
    return share(xy * xy, columns_product(x, x), columns_product(y, y));
  }
  // |Y'X|^2 = <X X', Y Y'>
  const Tensor xx = matmul(x, x, {.transpose_b = true}), yy = matmul(y, y, {.transpose_b = true});
  return share(sum(xx * yy).item(), std::sqrt(sum_of_squares(xx)), std::sqrt(sum_of_squares(yy)));
}

}  // namespace limpid::interpret
