// framework/kernels/index.cpp: copies along axes, permutations, gather and scatter.
#include "framework/kernels/index.h"

#include "framework/core/parallel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

namespace limpid::kernels {
namespace {

constexpr int64_t kBlock = 1 << 15;  // elements per parallel block

}  // namespace

template <class T>
void copy_slices(
    int64_t outer, int64_t inner, int64_t count, const T* from, int64_t from_size,
    int64_t from_begin, T* to, int64_t to_size, int64_t to_begin) {
  const int64_t run = count * inner;
  parallel::for_blocks(outer, kBlock / (run + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      std::memcpy(
          to + (o * to_size + to_begin) * inner, from + (o * from_size + from_begin) * inner,
          static_cast<size_t>(run) * sizeof(T));
    }
  });
}

template <class T>
void permute(const Shape& x_shape, const int* order, const T* x, T* y) {
  const int rank = x_shape.rank();
  std::array<int64_t, kMaxRank> x_step{};
  int64_t step = 1;
  for (int d = rank - 1; d >= 0; --d) {
    x_step[static_cast<size_t>(d)] = step;
    step *= x_shape[d];
  }

  // Size and source step of each dimension of y
  std::array<int64_t, kMaxRank> size{};
  std::array<int64_t, kMaxRank> from{};
  for (int d = 0; d < rank; ++d) {
    size[static_cast<size_t>(d)] = x_shape[order[d]];
    from[static_cast<size_t>(d)] = x_step[static_cast<size_t>(order[d])];
  }
  if (rank == 0) {
    *y = *x;
    return;
  }

  // Walk the rows of y; a row reads x at one step
  const int64_t run = size[static_cast<size_t>(rank - 1)];
  const int64_t run_step = from[static_cast<size_t>(rank - 1)];
  const int64_t rows = run == 0 ? 0 : x_shape.numel() / run;
  parallel::for_blocks(rows, kBlock / (run + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row;
      int64_t offset = 0;
      for (int d = rank - 2; d >= 0; --d) {
        const auto k = static_cast<size_t>(d);
        offset += rest % size[k] * from[k];
        rest /= size[k];
      }
      T* to = y + row * run;
      for (int64_t i = 0; i < run; ++i) to[i] = x[offset + i * run_step];
    }
  });
}

template <class T>
void gather(
    int64_t outer, int64_t n, int64_t m, int64_t inner, const T* x, const int64_t* index, T* y) {
  parallel::for_blocks(outer, kBlock / (m * inner + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t k = 0; k < m * inner; ++k) {
        const int64_t at = o * m * inner + k;
        y[at] = x[(o * n + index[at]) * inner + k % inner];
      }
    }
  });
}

template <class T>
void scatter_add(
    int64_t outer, int64_t n, int64_t m, int64_t inner, const T* g, const int64_t* index, T* y) {
  parallel::for_blocks(outer, kBlock / ((m + n) * inner + 1) + 1, [&](int64_t begin, int64_t end) {
    std::fill(y + begin * n * inner, y + end * n * inner, T(0));
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t k = 0; k < m * inner; ++k) {
        const int64_t at = o * m * inner + k;
        y[(o * n + index[at]) * inner + k % inner] += g[at];
      }
    }
  });
}

template <class T>
void cumsum(int64_t outer, int64_t n, int64_t inner, bool from_the_end, const T* x, T* y) {
  parallel::for_blocks(outer * inner, kBlock / (n + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t column = begin; column < end; ++column) {
      const int64_t base = column / inner * n * inner + column % inner;
      T total = 0;
      for (int64_t k = 0; k < n; ++k) {
        const int64_t at = base + (from_the_end ? n - 1 - k : k) * inner;
        total += x[at];
        y[at] = total;
      }
    }
  });
}

template <class T>
void take_rows(int64_t count, int64_t width, const T* x, const int64_t* index, T* y) {
  parallel::for_blocks(count, kBlock / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      std::copy_n(x + index[k] * width, width, y + k * width);
    }
  });
}

// Rows may be named twice, so the columns are what runs in parallel
template <class T>
void add_rows(int64_t count, int64_t width, const T* g, const int64_t* index, T* y) {
  parallel::for_blocks(width, kBlock / (count + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t i = begin; i < end; ++i) y[index[k] * width + i] += g[k * width + i];
    }
  });
}

template <class T>
void arg_sort(
    int64_t outer, int64_t n, int64_t inner, bool descending, const T* x, int64_t* index) {
  parallel::for_blocks(outer * inner, kBlock / (8 * n + 1) + 1, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (int64_t column = begin; column < end; ++column) {
      const int64_t base = column / inner * n * inner + column % inner;
      std::iota(order.begin(), order.end(), int64_t{0});
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        const T u = x[base + a * inner];
        const T v = x[base + b * inner];
        if (u != u || v != v) return u == u && v != v;
        return descending ? u > v : u < v;
      });
      for (int64_t k = 0; k < n; ++k) index[base + k * inner] = order[static_cast<size_t>(k)];
    }
  });
}

template void copy_slices(
    int64_t, int64_t, int64_t, const float*, int64_t, int64_t, float*, int64_t, int64_t);
template void copy_slices(
    int64_t, int64_t, int64_t, const double*, int64_t, int64_t, double*, int64_t, int64_t);
template void copy_slices(
    int64_t, int64_t, int64_t, const int64_t*, int64_t, int64_t, int64_t*, int64_t, int64_t);
template void permute(const Shape&, const int*, const float*, float*);
template void permute(const Shape&, const int*, const double*, double*);
template void permute(const Shape&, const int*, const int64_t*, int64_t*);
template void gather(int64_t, int64_t, int64_t, int64_t, const float*, const int64_t*, float*);
template void gather(int64_t, int64_t, int64_t, int64_t, const double*, const int64_t*, double*);
template void gather(int64_t, int64_t, int64_t, int64_t, const int64_t*, const int64_t*, int64_t*);
template void scatter_add(int64_t, int64_t, int64_t, int64_t, const float*, const int64_t*, float*);
template void scatter_add(
    int64_t, int64_t, int64_t, int64_t, const double*, const int64_t*, double*);

template void cumsum(int64_t, int64_t, int64_t, bool, const float*, float*);
template void cumsum(int64_t, int64_t, int64_t, bool, const double*, double*);
template void take_rows(int64_t, int64_t, const float*, const int64_t*, float*);
template void take_rows(int64_t, int64_t, const double*, const int64_t*, double*);
template void take_rows(int64_t, int64_t, const int64_t*, const int64_t*, int64_t*);
template void add_rows(int64_t, int64_t, const float*, const int64_t*, float*);
template void add_rows(int64_t, int64_t, const double*, const int64_t*, double*);
template void arg_sort(int64_t, int64_t, int64_t, bool, const float*, int64_t*);
template void arg_sort(int64_t, int64_t, int64_t, bool, const double*, int64_t*);

}  // namespace limpid::kernels
