// framework/kernels/gemm.cpp: the one place that calls BLAS for products.
#include "framework/kernels/gemm.h"

#include "framework/core/parallel.h"

#include <cblas.h>

#include <algorithm>
#include <type_traits>

namespace limpid::kernels {
namespace {

// Multiply-adds; 1 << 20 are about 25 microseconds of one core
constexpr int64_t kWorthSplitting = 1 << 20;
constexpr int64_t kWorkOfPiece = 12 << 20;  // each piece packs the other operand again
constexpr int64_t kPieces = 8;              // at most, along the longer side
constexpr int64_t kSmallestPiece = 64;      // rows or columns; below, BLAS loses efficiency

// Length of a piece of the longer side: a multiple of 16, the same for all but the last. At least
// two pieces, and more for products that are large enough.
int64_t piece_of(int64_t side, int64_t work) {
  const int64_t pieces = std::clamp<int64_t>(work / kWorkOfPiece, 2, kPieces);
  const int64_t even = (side + pieces - 1) / pieces;
  return std::max(kSmallestPiece, (even + 15) / 16 * 16);
}

// One row or one column of C: y = alpha op(matrix) x + beta y. A product would first copy the whole
// matrix into packs, which takes several times as long as reading it once.
template <class T>
void vector_product(const GemmCall<T>& g) {
  const bool is_row = g.M == 1;  // C = a op(B), transposed: op(B)' a
  const bool transposes = is_row ? !g.transpose_b : g.transpose_a;
  const int64_t length = is_row ? g.N : g.M;
  const auto number = [](int64_t n) { return static_cast<blasint>(std::max<int64_t>(n, 1)); };
  const auto rows = number(transposes ? g.K : length);
  const auto columns = number(transposes ? length : g.K);
  const T* matrix = is_row ? g.b : g.a;
  const auto ld = number(is_row ? g.ldb : g.lda);
  const T* x = is_row ? g.a : g.b;
  const auto step_x = number(is_row ? (g.transpose_a ? g.lda : 1) : (g.transpose_b ? 1 : g.ldb));
  const auto step_y = number(is_row ? 1 : g.ldc);
  const CBLAS_TRANSPOSE form = transposes ? CblasTrans : CblasNoTrans;
  if constexpr (std::is_same_v<T, float>) {
    cblas_sgemv(
        CblasRowMajor, form, rows, columns, g.alpha, matrix, ld, x, step_x, g.beta, g.c, step_y);
  } else {
    cblas_dgemv(
        CblasRowMajor, form, rows, columns, g.alpha, matrix, ld, x, step_x, g.beta, g.c, step_y);
  }
}

}  // namespace

template <class T>
void gemm_serial(const GemmCall<T>& g) {
  if (g.M == 0 || g.N == 0) return;
  if (g.K > 0 && (g.M == 1 || g.N == 1)) return vector_product(g);
  const CBLAS_TRANSPOSE ta = g.transpose_a ? CblasTrans : CblasNoTrans;
  const CBLAS_TRANSPOSE tb = g.transpose_b ? CblasTrans : CblasNoTrans;
  const auto at_least_one = [](int64_t ld) {
    return static_cast<blasint>(std::max<int64_t>(ld, 1));
  };
  const auto m = static_cast<blasint>(g.M);
  const auto n = static_cast<blasint>(g.N);
  const auto k = static_cast<blasint>(g.K);
  if constexpr (std::is_same_v<T, float>) {
    cblas_sgemm(
        CblasRowMajor, ta, tb, m, n, k, g.alpha, g.a, at_least_one(g.lda), g.b, at_least_one(g.ldb),
        g.beta, g.c, at_least_one(g.ldc));
  } else {
    cblas_dgemm(
        CblasRowMajor, ta, tb, m, n, k, g.alpha, g.a, at_least_one(g.lda), g.b, at_least_one(g.ldb),
        g.beta, g.c, at_least_one(g.ldc));
  }
}

template <class T>
void gemm(const GemmCall<T>& whole) {
  const int64_t work = whole.M * whole.N * whole.K;
  if (work < kWorthSplitting) return gemm_serial(whole);
  const bool by_rows = whole.M >= whole.N;
  const int64_t side = by_rows ? whole.M : whole.N;
  parallel::for_blocks(side, piece_of(side, work), [&](int64_t begin, int64_t end) {
    GemmCall<T> piece = whole;
    if (by_rows) {
      piece.M = end - begin;
      piece.a += whole.transpose_a ? begin : begin * whole.lda;
      piece.c += begin * whole.ldc;
    } else {
      piece.N = end - begin;
      piece.b += whole.transpose_b ? begin * whole.ldb : begin;
      piece.c += begin;
    }
    gemm_serial(piece);
  });
}

template <class T>
void gemm_batch(int64_t batch, const GemmCall<T>& first) {
  if (batch == 1) return gemm(first);
  const int64_t work = std::max<int64_t>(first.M * first.N * first.K, 1);
  parallel::for_blocks(batch, kWorthSplitting / work + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      GemmCall<T> one = first;
      one.a += i * first.M * first.K;
      one.b += i * first.K * first.N;
      one.c += i * first.M * first.N;
      gemm_serial(one);
    }
  });
}

template void gemm_serial(const GemmCall<float>&);
template void gemm_serial(const GemmCall<double>&);
template void gemm(const GemmCall<float>&);
template void gemm(const GemmCall<double>&);
template void gemm_batch(int64_t, const GemmCall<float>&);
template void gemm_batch(int64_t, const GemmCall<double>&);

}  // namespace limpid::kernels
