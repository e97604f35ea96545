// framework/kernels/gemm.h: matrix products over single-threaded OpenBLAS.
//
// Large products are cut into tiles of C that depend on the sizes only, one BLAS call per tile, so
// the result has the same bits at any thread count. T: float or double.
#pragma once

#include <cstdint>

namespace limpid::kernels {

/// Multiply-adds up to which OpenBLAS (on AVX-512) works on the operands as they lie: 115 against
/// 80 to 100 GF/s with the copies that larger products need. Who calls gemm_serial may cut to it.
inline constexpr int64_t kSmallProduct = 1000000;

/// C [M, N] = alpha op(A) [M, K] op(B) [K, N] + beta C; row-major, `ld` = elements per stored row.
template <class T>
struct GemmCall {
  bool transpose_a = false;
  bool transpose_b = false;
  int64_t M = 0;
  int64_t N = 0;
  int64_t K = 0;
  T alpha = 1;
  const T* a = nullptr;
  int64_t lda = 0;
  const T* b = nullptr;
  int64_t ldb = 0;
  T beta = 0;
  T* c = nullptr;
  int64_t ldc = 0;
};

/// One BLAS call on the calling thread; for use inside a parallel block.
template <class T>
void gemm_serial(const GemmCall<T>& call);

/// The same product cut into pieces that run in parallel.
template <class T>
void gemm(const GemmCall<T>& call);

/// `batch` independent dense products: C_i = op(A_i) op(B_i), matrices one after the other.
template <class T>
void gemm_batch(int64_t batch, const GemmCall<T>& first);

}  // namespace limpid::kernels
