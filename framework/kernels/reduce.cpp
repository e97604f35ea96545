// framework/kernels/reduce.cpp: row sums, column sums, arg-max.
#include "framework/kernels/reduce.h"

#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"

#include <algorithm>

namespace limpid::kernels {
namespace {

constexpr int64_t kBlock = 1 << 15;  // elements per parallel block
constexpr int64_t kColumns = 256;    // columns summed side by side: 2 KiB of double accumulators
constexpr int64_t kRows = 32;        // rows added in T before they are carried in double
constexpr int64_t kManyRows = 8;     // from here on, parallel over rows instead of inside one

// Columns [begin, end) of one [n, inner] matrix.
template <class T, class Sum>
void sum_columns(int64_t n, int64_t inner, int64_t begin, int64_t end, const T* x, Sum* y) {
  double total[kColumns] = {};
  T piece[kColumns];
  const int64_t width = end - begin;
  const auto add_to = table<T>().add_to;
  for (int64_t row = 0; row < n; row += kRows) {
    std::fill_n(piece, width, T(0));
    for (int64_t j = row; j < std::min(n, row + kRows); ++j) {
      add_to(width, x + j * inner + begin, piece);
    }
    for (int64_t i = 0; i < width; ++i) total[i] += static_cast<double>(piece[i]);
  }
  for (int64_t i = 0; i < width; ++i) y[begin + i] = static_cast<Sum>(total[i]);
}

}  // namespace

template <class T, class Sum>
void sum_axis(int64_t outer, int64_t n, int64_t inner, const T* x, Sum* y) {
  const auto sum = table<T>().sum;
  if (inner == 1 && outer >= kManyRows) {
    parallel::for_blocks(outer, kBlock / (n + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) y[o] = static_cast<Sum>(sum(n, x + o * n));
    });
    return;
  }
  if (inner == 1) {
    for (int64_t o = 0; o < outer; ++o) {
      y[o] = static_cast<Sum>(parallel::sum_blocks(n, kBlock, [&](int64_t begin, int64_t end) {
        return sum(end - begin, x + o * n + begin);
      }));
    }
    return;
  }
  const int64_t strips = (inner + kColumns - 1) / kColumns;
  const int64_t work = n * std::min(inner, kColumns) + 1;
  parallel::for_blocks(outer * strips, kBlock / work + 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t o = item / strips;
      const int64_t first = item % strips * kColumns;
      sum_columns(
          n, inner, first, std::min(inner, first + kColumns), x + o * n * inner, y + o * inner);
    }
  });
}

template <class T>
void arg_max_axis(int64_t outer, int64_t n, int64_t inner, const T* x, int64_t* index) {
  parallel::for_blocks(outer * inner, kBlock / (n + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const T* column = x + item / inner * n * inner + item % inner;
      int64_t best = 0;
      for (int64_t j = 1; j < n; ++j) {
        const T top = column[best * inner];
        if (top != top) break;
        if (!(column[j * inner] <= top)) best = j;
      }
      index[item] = best;
    }
  });
}

template void sum_axis(int64_t, int64_t, int64_t, const float*, float*);
template void sum_axis(int64_t, int64_t, int64_t, const float*, double*);
template void sum_axis(int64_t, int64_t, int64_t, const double*, float*);
template void sum_axis(int64_t, int64_t, int64_t, const double*, double*);
template void arg_max_axis(int64_t, int64_t, int64_t, const float*, int64_t*);
template void arg_max_axis(int64_t, int64_t, int64_t, const double*, int64_t*);

}  // namespace limpid::kernels
