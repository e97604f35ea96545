// framework/kernels/softmax.cpp: row loops of log-softmax.
#include "framework/kernels/softmax.h"

#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"

#include <cmath>

namespace limpid::kernels {
namespace {

int64_t rows_per_block(int64_t n) { return (1 << 13) / (n + 1) + 1; }

}  // namespace

template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  const KernelTable<T>& k = table<T>();
  parallel::for_blocks(rows, rows_per_block(n), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin * n; at < end * n; at += n) {
      const T top = k.largest(n, x + at);
      const double total = std::log(k.sum_exp(n, top, x + at));

      // Two subtractions: their sum would round the small one away beside a large top
      k.affine(n, T(1), -top, x + at, y + at);
      k.affine(n, T(1), static_cast<T>(-total), y + at, y + at);
    }
  });
}

template <class T>
void log_softmax_input(int64_t rows, int64_t n, const T* g, const T* out, T* dx) {
  const KernelTable<T>& k = table<T>();
  parallel::for_blocks(rows, rows_per_block(n), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin * n; at < end * n; at += n) {
      const T total = static_cast<T>(k.sum(n, g + at));
      k.log_softmax_gradient(n, total, g + at, out + at, dx + at);
    }
  });
}

template void log_softmax(int64_t, int64_t, const float*, float*);
template void log_softmax(int64_t, int64_t, const double*, double*);
template void log_softmax_input(int64_t, int64_t, const float*, const float*, float*);
template void log_softmax_input(int64_t, int64_t, const double*, const double*, double*);

}  // namespace limpid::kernels
