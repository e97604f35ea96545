// framework/kernels/elementwise.cpp: cuts element-by-element work into blocks and broadcast rows.
#include "framework/kernels/elementwise.h"

#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"

#include <algorithm>

namespace limpid::kernels {
namespace {

constexpr int64_t kBlock = 1 << 15;  // elements per block: about 10 microseconds of memory traffic

// Calls f(row, offset in a, offset in b) for every run of the last dimension, in parallel blocks of
// rows; the position of a row in the dimensions above follows by division.
template <class F>
void for_rows(const BroadcastDims& d, F&& f) {
  const auto last = static_cast<size_t>(d.rank - 1);
  int64_t rows = 1;
  for (size_t k = 0; k < last; ++k) rows *= d.size[k];
  const int64_t rows_per_block = kBlock / (d.size[last] + 16) + 1;
  parallel::for_blocks(rows, rows_per_block, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row;
      int64_t offset_a = 0;
      int64_t offset_b = 0;
      for (size_t k = last; k-- > 0;) {
        const int64_t position = rest % d.size[k];
        rest /= d.size[k];
        offset_a += position * d.step_a[k];
        offset_b += position * d.step_b[k];
      }
      f(row, offset_a, offset_b);
    }
  });
}

}  // namespace

template <class T>
void unary(Unary op, int64_t n, const T* x, T* y) {
  const auto kernel = table<T>().unary[static_cast<int>(op)];
  parallel::for_blocks(
      n, kBlock, [&](int64_t begin, int64_t end) { kernel(end - begin, x + begin, y + begin); });
}

template <class T>
void affine(int64_t n, double scale, double shift, const T* x, T* y) {
  const auto kernel = table<T>().affine;
  parallel::for_blocks(n, kBlock, [&](int64_t begin, int64_t end) {
    kernel(end - begin, static_cast<T>(scale), static_cast<T>(shift), x + begin, y + begin);
  });
}

BroadcastDims broadcast_dims(const Shape& a, const Shape& b, const Shape& out) {
  if (a == b) return {1, {out.numel()}, {1}, {1}};
  BroadcastDims d;
  int64_t run_a = 1;  // elements of a below the current dimension
  int64_t run_b = 1;
  std::array<int64_t, kMaxRank> size{}, step_a{}, step_b{};  // innermost first
  for (int k = 1; k <= out.rank(); ++k) {
    const int64_t n = out[out.rank() - k];
    const int64_t na = k <= a.rank() ? a[a.rank() - k] : 1;
    const int64_t nb = k <= b.rank() ? b[b.rank() - k] : 1;
    if (n == 1) continue;
    const int64_t sa = na == 1 ? 0 : run_a;
    const int64_t sb = nb == 1 ? 0 : run_b;
    run_a *= na;
    run_b *= nb;

    // Merge with the dimension below if both operands walk on where that one ends
    const auto below = static_cast<size_t>(d.rank - 1);
    if (d.rank > 0 && sa == step_a[below] * size[below] && sb == step_b[below] * size[below]) {
      size[below] *= n;
      continue;
    }
    const auto at = static_cast<size_t>(d.rank++);
    size[at] = n;
    step_a[at] = sa;
    step_b[at] = sb;
  }
  if (d.rank == 0) return {1, {out.numel()}, {1}, {1}};
  for (int k = 0; k < d.rank; ++k) {
    const auto from = static_cast<size_t>(k);
    const auto to = static_cast<size_t>(d.rank - 1 - k);
    d.size[to] = size[from];
    d.step_a[to] = step_a[from];
    d.step_b[to] = step_b[from];
  }
  return d;
}

template <class T>
void binary(Binary op, const BroadcastDims& d, const T* a, const T* b, T* y) {
  const auto last = static_cast<size_t>(d.rank - 1);
  const KernelTable<T>& kernels = table<T>();
  const auto index = static_cast<int>(op);
  const auto kernel = d.step_b[last] == 0   ? kernels.binary_fixed_b[index]
                      : d.step_a[last] == 0 ? kernels.binary_fixed_a[index]
                                            : kernels.binary[index];

  // One long run: cut it into blocks
  const int64_t run = d.size[last];
  if (d.rank == 1) {
    parallel::for_blocks(run, kBlock, [&](int64_t begin, int64_t end) {
      kernel(end - begin, a + begin * d.step_a[0], b + begin * d.step_b[0], y + begin);
    });
    return;
  }

  for_rows(d, [&](int64_t row, int64_t at_a, int64_t at_b) {
    kernel(run, a + at_a, b + at_b, y + row * run);
  });
}

template <class T>
void repeat(const BroadcastDims& d, const T* a, T* y) {
  const auto last = static_cast<size_t>(d.rank - 1);
  const int64_t run = d.size[last];
  for_rows(d, [&](int64_t row, int64_t at, int64_t) {
    if (d.step_a[last] == 0) {
      std::fill_n(y + row * run, run, a[at]);
    } else {
      std::copy_n(a + at, run, y + row * run);
    }
  });
}

template void unary(Unary, int64_t, const float*, float*);
template void unary(Unary, int64_t, const double*, double*);
template void affine(int64_t, double, double, const float*, float*);
template void affine(int64_t, double, double, const double*, double*);
template void binary(Binary, const BroadcastDims&, const float*, const float*, float*);
template void binary(Binary, const BroadcastDims&, const double*, const double*, double*);
template void repeat(const BroadcastDims&, const float*, float*);
template void repeat(const BroadcastDims&, const double*, double*);

}  // namespace limpid::kernels
