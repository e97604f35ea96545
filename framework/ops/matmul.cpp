// framework/ops/matmul.cpp: the product and its two gradients, which are products again.
#include "framework/ops/matmul.h"

#include "framework/core/error.h"
#include "framework/kernels/gemm.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/record.h"

namespace limpid {
namespace {

// Sizes of one product, the number of products, and the shape of the result.
struct MatmulDims {
  int64_t batch, M, N, K;
  Shape out;
};

MatmulDims matmul_dims(const Tensor& a, const Tensor& b, const MatmulOptions& o) {
  const Shape& sa = a.shape();
  const Shape& sb = b.shape();
  check_dtype(
      a.dtype() == b.dtype(), "matmul", "mixes ", name_of(a.dtype()), " ", sa, " with ",
      name_of(b.dtype()), " ", sb);
  check_shape(
      sa.rank() >= 2 && sa.rank() == sb.rank(), "matmul",
      "needs two tensors of one rank of at least 2 (", sa, ", ", sb, ")");
  const int rows = sa.rank() - 2;
  MatmulDims d{1, sa[rows], sb[rows + 1], sa[rows + 1], sa};
  if (o.transpose_a) std::swap(d.M, d.K);
  if (o.transpose_b) d.N = sb[rows];
  const int64_t inner_b = sb[o.transpose_b ? rows + 1 : rows];
  check_shape(
      d.K == inner_b, "matmul", "inner sizes ", d.K, " and ", inner_b, " differ (", sa,
      o.transpose_a ? " transposed" : "", ", ", sb, o.transpose_b ? " transposed" : "", ")");
  for (int k = 0; k < rows; ++k) {
    check_shape(sa[k] == sb[k], "matmul", "leading dimensions differ (", sa, ", ", sb, ")");
    d.batch *= sa[k];
  }
  d.out = sa.with(rows, d.M).with(rows + 1, d.N);
  return d;
}

Tensor matmul_same_rank(const Tensor& a, const Tensor& b, const MatmulOptions& o) {
  const MatmulDims d = matmul_dims(a, b, o);
  Tensor y = visit_float("matmul", a.dtype(), [&]<class T>() {
    if (d.K == 0) return Tensor::zeros(d.out, a.dtype());
    Tensor product = Tensor::empty(d.out, a.dtype());
    kernels::gemm_batch<T>(
        d.batch, {
                     .transpose_a = o.transpose_a,
                     .transpose_b = o.transpose_b,
                     .M = d.M,
                     .N = d.N,
                     .K = d.K,
                     .a = a.data<T>(),
                     .lda = o.transpose_a ? d.M : d.K,
                     .b = b.data<T>(),
                     .ldb = o.transpose_b ? d.K : d.N,
                     .c = product.mutable_data<T>(),
                     .ldc = d.N,
                 });
    return product;
  });
  // y = AB: dA = g B', dB = A' g; with A or B stored transposed, the same products transposed
  const auto by_a = [b = keep(b), o](const Tensor& g) {
    return o.transpose_a ? matmul(b, g, {.transpose_a = o.transpose_b, .transpose_b = true})
                         : matmul(g, b, {.transpose_b = !o.transpose_b});
  };
  const auto by_b = [a = keep(a), o](const Tensor& g) {
    return o.transpose_b ? matmul(g, a, {.transpose_a = true, .transpose_b = o.transpose_a})
                         : matmul(a, g, {.transpose_a = !o.transpose_a});
  };
  return record("matmul", y, wrt(a, by_a), wrt(b, by_b));
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const bool shares_b = a.rank() > 2 && b.rank() == 2 && !options.transpose_a;
  if (!shares_b) return matmul_same_rank(a, b, options);

  // One matrix b for all: fold the leading dimensions of a into its rows
  const int last = a.rank() - 1;
  const int64_t columns = a.shape()[last];
  const int64_t inner_b = b.shape()[options.transpose_b ? 1 : 0];
  check_shape(
      columns == inner_b, "matmul", "inner sizes ", columns, " and ", inner_b, " differ (",
      a.shape(), ", ", b.shape(), options.transpose_b ? " transposed" : "", ")");
  const int64_t rows = split_at(a.shape(), last).outer;
  const Tensor y = matmul_same_rank(reshape(a, {rows, columns}), b, options);
  return reshape(y, a.shape().with(last, y.size(1)));
}

}  // namespace limpid
