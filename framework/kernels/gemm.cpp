// framework/kernels/gemm.cpp: the one place that calls BLAS for products.
#include "framework/kernels/gemm.h"

#include "framework/core/parallel.h"

#include <cblas.h>

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>

namespace limpid::kernels {
namespace {

// Multiply-adds; 1 << 20 are about 25 microseconds of one core
constexpr int64_t kWorthSplitting = 1 << 20;
constexpr int64_t kWorkOfPiece = 12 << 20;  // each piece packs the other operand again
constexpr int64_t kPieces = 8;              // at most, along the longer side
constexpr int64_t kSmallestPiece = 64;      // rows or columns; below, BLAS loses efficiency

// The part of C that one BLAS call computes; the same for all but those at the edges.
struct Tile {
  int64_t rows, columns;
};

bool has_small_products() {
  static const bool result = [] {
    const std::string core = parallel::blas_core_name();
    return core == "SkylakeX" || core == "Cooperlake" || core == "SapphireRapids";
  }();
  return result;
}

// A tile that stays below kSmallProduct, where that is faster: 64 rows, and 16 columns if the rows
// of op(B) lie along K (B transposed), else as many as fit. With fewer than 48 there the reads jump
// from row to row of B too often. Measured from 128 to 1024 on a side: 5 to 15 % faster.
std::optional<Tile> small_tile(int64_t K, bool transpose_b) {
  if (!has_small_products()) return {};
  constexpr int64_t rows = 64;
  const int64_t most = kSmallProduct / (rows * K) / 16 * 16;  // columns
  if (transpose_b) return most >= 16 ? std::optional<Tile>({rows, 16}) : std::nullopt;
  return most >= 48 ? std::optional<Tile>({rows, std::min<int64_t>(most, 128)}) : std::nullopt;
}

template <class T>
Tile tile_of(const GemmCall<T>& g) {
  if constexpr (std::is_same_v<T, float>) {
    if (const auto small = small_tile(g.K, g.transpose_b)) return *small;
  }
  // Pieces of the longer side: multiples of 16; at least two, and more of a large product
  const int64_t side = std::max(g.M, g.N);
  const int64_t pieces = std::clamp<int64_t>(g.M * g.N * g.K / kWorkOfPiece, 2, kPieces);
  const int64_t even = (side + pieces - 1) / pieces;
  const int64_t length = std::max(kSmallestPiece, (even + 15) / 16 * 16);
  return g.M >= g.N ? Tile{length, g.N} : Tile{g.M, length};
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
  const Tile tile = tile_of(whole);
  const int64_t down = (whole.M + tile.rows - 1) / tile.rows;
  const int64_t across = (whole.N + tile.columns - 1) / tile.columns;
  const int64_t together = kWorthSplitting / (tile.rows * tile.columns * whole.K) + 1;
  parallel::for_blocks(down * across, together, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {  // columns of tiles, so that a part of B serves twice
      const int64_t m = i % down * tile.rows;
      const int64_t n = i / down * tile.columns;
      GemmCall<T> part = whole;
      part.M = std::min(tile.rows, whole.M - m);
      part.N = std::min(tile.columns, whole.N - n);
      part.a += whole.transpose_a ? m : m * whole.lda;
      part.b += whole.transpose_b ? n * whole.ldb : n;
      part.c += m * whole.ldc + n;
      gemm_serial(part);
    }
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
