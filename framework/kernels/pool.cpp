// framework/kernels/pool.cpp: pooling loops, parallel over planes.
#include "framework/kernels/pool.h"

#include "framework/core/parallel.h"

#include <algorithm>

namespace limpid::kernels {
namespace {

int64_t planes_per_block(int64_t cells) { return (1 << 14) / (cells + 1) + 1; }

// The part of window (p, q) that lies inside the image.
struct Window {
  int64_t top, bottom, left, right;
};
Window window(const PoolDims& d, int64_t p, int64_t q) {
  const int64_t y = p * d.stride - d.padding;
  const int64_t x = q * d.stride - d.padding;
  return {
      std::max<int64_t>(y, 0), std::min(y + d.k, d.H), std::max<int64_t>(x, 0),
      std::min(x + d.k, d.W)};
}

// The cells that adaptive output (p, q) averages.
Window adaptive_window(const PoolDims& d, int64_t p, int64_t q) {
  return {
      p * d.H / d.P, ((p + 1) * d.H + d.P - 1) / d.P, q * d.W / d.Q,
      ((q + 1) * d.W + d.Q - 1) / d.Q};
}

// 2x2 windows side by side, the usual case: no bounds to check.
template <class T>
void max_pool_2x2(const PoolDims& d, const T* x, T* y, int32_t* index) {
  for (int64_t p = 0; p < d.P; ++p) {
    const T* upper = x + 2 * p * d.W;
    const T* lower = upper + d.W;
    const auto corner = static_cast<int32_t>(2 * p * d.W);
    for (int64_t q = 0; q < d.Q; ++q) {
      const T values[4] = {upper[2 * q], upper[2 * q + 1], lower[2 * q], lower[2 * q + 1]};
      const auto width = static_cast<int32_t>(d.W);
      const int32_t steps[4] = {0, 1, width, width + 1};
      T best = values[0];
      int32_t where = 0;
      for (int i = 1; i < 4; ++i) {
        const bool wins = best == best && !(values[i] <= best);
        best = wins ? values[i] : best;
        where = wins ? steps[i] : where;
      }
      y[p * d.Q + q] = best;
      if (index != nullptr) index[p * d.Q + q] = corner + static_cast<int32_t>(2 * q) + where;
    }
  }
}

// Windows of 2x2 side by side, [planes, 2 P, 2 Q] to [planes, P, Q]: rows of both are one sequence.
template <class T>
void avg_pool_2x2(int64_t rows, int64_t Q, const T* x, T* y) {
  for (int64_t row = 0; row < rows; ++row, x += 4 * Q, y += Q) {
    for (int64_t q = 0; q < Q; ++q) {
      y[q] = ((x[2 * q] + x[2 * q + 1]) + (x[2 * Q + 2 * q] + x[2 * Q + 2 * q + 1])) * T(0.25);
    }
  }
}

template <class T>
void avg_spread_2x2(int64_t rows, int64_t Q, const T* g, T* dx) {
  for (int64_t row = 0; row < rows; ++row, g += Q, dx += 4 * Q) {
    for (int64_t q = 0; q < Q; ++q) dx[2 * q] = dx[2 * q + 1] = g[q] * T(0.25);
    std::copy(dx, dx + 2 * Q, dx + 2 * Q);
  }
}

bool is_halving(const PoolDims& d) {
  return d.k == 2 && d.stride == 2 && d.padding == 0 && d.H == 2 * d.P && d.W == 2 * d.Q;
}

template <class T>
void max_pool_plane(const PoolDims& d, const T* x, T* y, int32_t* index) {
  for (int64_t p = 0; p < d.P; ++p) {
    for (int64_t q = 0; q < d.Q; ++q) {
      const Window w = window(d, p, q);
      int64_t best = w.top * d.W + w.left;
      for (int64_t i = w.top; i < w.bottom; ++i) {
        for (int64_t j = w.left; j < w.right; ++j) {
          const T top = x[best];
          if (top == top && !(x[i * d.W + j] <= top)) best = i * d.W + j;
        }
      }
      y[p * d.Q + q] = x[best];
      if (index != nullptr) index[p * d.Q + q] = static_cast<int32_t>(best);
    }
  }
}

}  // namespace

template <class T>
void max_pool2d(const PoolDims& d, const T* x, T* y, int32_t* index) {
  const bool is_2x2 =
      d.k == 2 && d.stride == 2 && d.padding == 0 && 2 * d.P <= d.H && 2 * d.Q <= d.W;
  parallel::for_blocks(d.planes, planes_per_block(d.H * d.W), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      int32_t* positions = index == nullptr ? nullptr : index + plane * d.P * d.Q;
      (is_2x2 ? max_pool_2x2<T>
              : max_pool_plane<T>)(d, x + plane * d.H * d.W, y + plane * d.P * d.Q, positions);
    }
  });
}

template <class T>
void plane_pick(int64_t planes, int64_t in, int64_t out, const T* x, const int32_t* index, T* y) {
  parallel::for_blocks(planes, planes_per_block(out), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      for (int64_t i = plane * out; i < (plane + 1) * out; ++i) y[i] = x[plane * in + index[i]];
    }
  });
}

template <class T>
void plane_spread(int64_t planes, int64_t in, int64_t out, const T* g, const int32_t* index, T* y) {
  parallel::for_blocks(planes, planes_per_block(in), [&](int64_t begin, int64_t end) {
    std::fill(y + begin * in, y + end * in, T(0));
    for (int64_t plane = begin; plane < end; ++plane) {
      for (int64_t i = plane * out; i < (plane + 1) * out; ++i) y[plane * in + index[i]] += g[i];
    }
  });
}

template <class T>
void avg_pool2d(const PoolDims& d, const T* x, T* y) {
  const T share = T(1) / static_cast<T>(d.k * d.k);
  parallel::for_blocks(d.planes, planes_per_block(d.H * d.W), [&](int64_t begin, int64_t end) {
    if (is_halving(d)) {
      return avg_pool_2x2((end - begin) * d.P, d.Q, x + begin * d.H * d.W, y + begin * d.P * d.Q);
    }
    for (int64_t item = begin * d.P * d.Q; item < end * d.P * d.Q; ++item) {
      const T* image = x + item / (d.P * d.Q) * d.H * d.W;
      const Window w = window(d, item / d.Q % d.P, item % d.Q);
      T total = 0;
      for (int64_t i = w.top; i < w.bottom; ++i) {
        for (int64_t j = w.left; j < w.right; ++j) total += image[i * d.W + j];
      }
      y[item] = total * share;
    }
  });
}

template <class T>
void avg_pool2d_input(const PoolDims& d, const T* g, T* dx) {
  const T share = T(1) / static_cast<T>(d.k * d.k);
  parallel::for_blocks(d.planes, planes_per_block(d.H * d.W), [&](int64_t begin, int64_t end) {
    if (is_halving(d)) {
      return avg_spread_2x2(
          (end - begin) * d.P, d.Q, g + begin * d.P * d.Q, dx + begin * d.H * d.W);
    }
    std::fill(dx + begin * d.H * d.W, dx + end * d.H * d.W, T(0));
    for (int64_t item = begin * d.P * d.Q; item < end * d.P * d.Q; ++item) {
      T* image = dx + item / (d.P * d.Q) * d.H * d.W;
      const Window w = window(d, item / d.Q % d.P, item % d.Q);
      const T part = g[item] * share;
      for (int64_t i = w.top; i < w.bottom; ++i) {
        for (int64_t j = w.left; j < w.right; ++j) image[i * d.W + j] += part;
      }
    }
  });
}

template <class T>
void adaptive_avg_pool2d(const PoolDims& d, const T* x, T* y) {
  parallel::for_blocks(d.planes, planes_per_block(d.H * d.W), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin * d.P * d.Q; item < end * d.P * d.Q; ++item) {
      const T* image = x + item / (d.P * d.Q) * d.H * d.W;
      const Window w = adaptive_window(d, item / d.Q % d.P, item % d.Q);
      T total = 0;
      for (int64_t i = w.top; i < w.bottom; ++i) {
        for (int64_t j = w.left; j < w.right; ++j) total += image[i * d.W + j];
      }
      y[item] = total / static_cast<T>((w.bottom - w.top) * (w.right - w.left));
    }
  });
}

template <class T>
void adaptive_avg_pool2d_input(const PoolDims& d, const T* g, T* dx) {
  parallel::for_blocks(d.planes, planes_per_block(d.H * d.W), [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * d.H * d.W, dx + end * d.H * d.W, T(0));
    for (int64_t item = begin * d.P * d.Q; item < end * d.P * d.Q; ++item) {
      T* image = dx + item / (d.P * d.Q) * d.H * d.W;
      const Window w = adaptive_window(d, item / d.Q % d.P, item % d.Q);
      const T part = g[item] / static_cast<T>((w.bottom - w.top) * (w.right - w.left));
      for (int64_t i = w.top; i < w.bottom; ++i) {
        for (int64_t j = w.left; j < w.right; ++j) image[i * d.W + j] += part;
      }
    }
  });
}

template void max_pool2d(const PoolDims&, const float*, float*, int32_t*);
template void max_pool2d(const PoolDims&, const double*, double*, int32_t*);
template void plane_pick(int64_t, int64_t, int64_t, const float*, const int32_t*, float*);
template void plane_pick(int64_t, int64_t, int64_t, const double*, const int32_t*, double*);
template void plane_spread(int64_t, int64_t, int64_t, const float*, const int32_t*, float*);
template void plane_spread(int64_t, int64_t, int64_t, const double*, const int32_t*, double*);
template void avg_pool2d(const PoolDims&, const float*, float*);
template void avg_pool2d(const PoolDims&, const double*, double*);
template void avg_pool2d_input(const PoolDims&, const float*, float*);
template void avg_pool2d_input(const PoolDims&, const double*, double*);

template void adaptive_avg_pool2d(const PoolDims&, const float*, float*);
template void adaptive_avg_pool2d(const PoolDims&, const double*, double*);
template void adaptive_avg_pool2d_input(const PoolDims&, const float*, float*);
template void adaptive_avg_pool2d_input(const PoolDims&, const double*, double*);

}  // namespace limpid::kernels
