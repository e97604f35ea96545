// framework/kernels/im2col.cpp: convolution as unfolding and matrix products.
//
// The joined axis of all output positions, [N, P, Q], is cut into tiles: several whole images
// where images are small, else some output rows of one image, so that every product is wide enough
// for BLAS and the unfolded tile stays small. Tiles depend on the shapes only.
#include "framework/kernels/im2col.h"

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace limpid::kernels::im2col {
namespace {

constexpr int64_t kWideEnough = 256;        // columns of a product below which images are joined
constexpr int64_t kVector = 16;             // elements of the widest vector of a BLAS kernel
constexpr int64_t kTileElements = 1 << 18;  // unfolded elements of a tile (1 MiB of f32)
constexpr int64_t kWeightParts = 8;         // partial weight gradients that may run side by side
constexpr int64_t kPartElements = 1 << 23;  // elements of all partial weight gradients together

// A tile covers images [first, first + images) and output rows [row, row + rows) of each.
struct Tile {
  int64_t first, images, row, rows;
};

struct Tiling {
  int64_t images;  // per tile
  int64_t rows;    // per tile; P if a tile holds more than one image
  int64_t image_tiles, row_tiles;

  int64_t count() const { return image_tiles * row_tiles; }
  Tile at(const ConvDims& d, int64_t index) const {
    const int64_t first = index / row_tiles * images;
    const int64_t row = index % row_tiles * rows;
    return {first, std::min(images, d.N - first), row, std::min(rows, d.P - row)};
  }
};

// Rows of an unfolded tile.
int64_t depth(const ConvDims& d) { return d.C / d.groups * d.R * d.S; }

// A 1x1 filter with step 1 and no border reads the image as it is.
bool is_pointwise(const ConvDims& d) {
  return d.R == 1 && d.S == 1 && d.stride == 1 && d.padding == 0;
}

Tiling tiling(const ConvDims& d) {
  Tiling t{};
  const int64_t plane = std::max<int64_t>(d.P * d.Q, 1);
  t.images = std::clamp<int64_t>((kWideEnough + plane - 1) / plane, 1, std::max<int64_t>(d.N, 1));
  t.rows = d.P;
  if (t.images == 1) {
    const int64_t per_row = std::max<int64_t>(depth(d) * d.Q, 1);
    const int64_t fits = std::max<int64_t>(kTileElements / per_row, kWideEnough / d.Q + 1);
    t.rows = std::clamp<int64_t>(fits, 1, std::max<int64_t>(d.P, 1));
  }
  t.image_tiles = (d.N + t.images - 1) / t.images;
  t.row_tiles = std::max<int64_t>((d.P + t.rows - 1) / t.rows, 1);
  return t;
}

// For y and dx of 1x1 filters: planes that fill whole vectors are used as they lie, cut into small
// products if their rows allow it (4x4: 57 -> 115 GF/s, 32x32: 50 -> 70).
Tiling tiling_in_place(const ConvDims& d) {
  Tiling t = tiling(d);
  if (!is_pointwise(d) || d.P * d.Q % kVector != 0) return t;
  t.images = 1;
  t.rows = d.P;
  const int64_t per_row = depth(d) * (d.K / d.groups) * d.Q;
  const int64_t rows = kSmallProduct / std::max<int64_t>(per_row, 1);
  const int64_t step = kVector / std::gcd(kVector, d.Q);  // rows that fill whole vectors
  if (rows >= step) t.rows = std::min(d.P, rows / step * step);
  t.image_tiles = d.N;
  t.row_tiles = (d.P + t.rows - 1) / t.rows;
  return t;
}

int64_t columns(const ConvDims& d, const Tiling& t) { return t.images * t.rows * d.Q; }

// The outputs q whose input column q * stride + offset lies inside the image.
struct Range {
  int64_t begin, end;
};
Range inside(int64_t offset, int64_t stride, int64_t width, int64_t outputs) {
  const int64_t begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int64_t end = offset >= width ? 0 : (width - 1 - offset) / stride + 1;
  return {std::min(begin, outputs), std::clamp(end, std::min(begin, outputs), outputs)};
}

// Calls f(c, r, s, p, image row y or -1, row of the unfolded tile) for every row segment of Q
// outputs: the one walk that unfolding and folding share.
template <class F>
void for_segments(const ConvDims& d, const Tile& t, F&& f) {
  const int64_t channels = d.C / d.groups;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t r = 0; r < d.R; ++r) {
      for (int64_t s = 0; s < d.S; ++s) {
        const Range range = inside(s * d.dilation - d.padding, d.stride, d.W, d.Q);
        for (int64_t p = 0; p < t.rows; ++p) {
          const int64_t y = (t.row + p) * d.stride + r * d.dilation - d.padding;
          const bool is_inside = y >= 0 && y < d.H;
          f(c, (c * d.R + r) * d.S + s, p, is_inside ? y : -1, s * d.dilation - d.padding, range);
        }
      }
    }
  }
}

// unfolded[(c,r,s), (p,q)] = image[c, y, z] or 0 outside; `ld` columns per unfolded row.
template <class T>
void unfold(const ConvDims& d, const Tile& t, const T* image, T* unfolded, int64_t ld) {
  for_segments(d, t, [&](int64_t c, int64_t row, int64_t p, int64_t y, int64_t offset, Range in) {
    T* to = unfolded + row * ld + p * d.Q;
    if (y < 0) {
      std::fill_n(to, d.Q, T(0));
      return;
    }
    const T* from = image + (c * d.H + y) * d.W + offset;
    std::fill(to, to + in.begin, T(0));
    if (d.stride == 1) {
      if (in.end > in.begin) {
        std::memcpy(
            to + in.begin, from + in.begin, sizeof(T) * static_cast<size_t>(in.end - in.begin));
      }
    } else {
      for (int64_t q = in.begin; q < in.end; ++q) to[q] = from[q * d.stride];
    }
    std::fill(to + in.end, to + d.Q, T(0));
  });
}

// The adjoint of unfold: image[c, y, z] += unfolded[(c,r,s), (p,q)].
template <class T>
void fold(const ConvDims& d, const Tile& t, const T* unfolded, int64_t ld, T* image) {
  for_segments(d, t, [&](int64_t c, int64_t row, int64_t p, int64_t y, int64_t offset, Range in) {
    if (y < 0) return;
    const T* from = unfolded + row * ld + p * d.Q;
    T* to = image + (c * d.H + y) * d.W + offset;
    for (int64_t q = in.begin; q < in.end; ++q) to[q * d.stride] += from[q];
  });
}

// Channels [first, first + K/G) of a tile's images, [n, k, p, q], as a matrix [k, (n, p, q)].
template <class T, class Copy>
void for_output_rows(const ConvDims& d, const Tile& t, int64_t group, Copy copy) {
  const int64_t filters = d.K / d.groups;
  const int64_t run = t.rows * d.Q;
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t k = 0; k < filters; ++k) {
      const int64_t plane = (t.first + n) * d.K + group * filters + k;
      copy(
          (plane * d.P + t.row) * d.Q, (k * t.images + n) * run,
          static_cast<size_t>(run) * sizeof(T));
    }
  }
}

// Unfolds the channels of one group of all images of a tile. Returns the matrix and its row length.
template <class T>
struct Unfolded {
  const T* values;
  int64_t ld;
};
template <class T>
Unfolded<T> unfold_tile(const ConvDims& d, const Tile& t, int64_t group, const T* x, T* memory) {
  const int64_t channels = d.C / d.groups;
  const int64_t run = t.rows * d.Q;
  const auto image = [&](int64_t n) {
    return x + ((t.first + n) * d.C + group * channels) * d.H * d.W;
  };
  if (is_pointwise(d) && t.images == 1) return {image(0) + t.row * d.W, d.H * d.W};
  for (int64_t n = 0; n < t.images; ++n) {
    if (is_pointwise(d)) {
      for (int64_t c = 0; c < channels; ++c) {
        std::copy_n(image(n) + c * run, run, memory + (c * t.images + n) * run);
      }
    } else {
      unfold(d, t, image(n), memory + n * run, t.images * run);
    }
  }
  return {memory, t.images * run};
}

// Output positions of a tile as a matrix [K/G, columns]: in place for one image, else gathered.
template <class T>
Unfolded<T> gather_output(const ConvDims& d, const Tile& t, int64_t group, const T* g, T* memory) {
  const int64_t filters = d.K / d.groups;
  if (t.images == 1) {
    return {g + ((t.first * d.K + group * filters) * d.P + t.row) * d.Q, d.P * d.Q};
  }
  for_output_rows<T>(d, t, group, [&](int64_t from, int64_t to, size_t bytes) {
    std::memcpy(memory + to, g + from, bytes);
  });
  return {memory, t.images * t.rows * d.Q};
}

int64_t weight_parts(const ConvDims& d) {
  const int64_t weights = std::max<int64_t>(d.K * depth(d), 1);
  const int64_t most = std::clamp<int64_t>(kPartElements / weights, 1, kWeightParts);
  return std::min(most, std::max<int64_t>(tiling(d).count(), 1));
}

int64_t scratch_per_slot(const ConvDims& d) {
  return (depth(d) + d.K / d.groups) * columns(d, tiling(d));
}

}  // namespace

int64_t output_scratch(const ConvDims& d) { return scratch_per_slot(d) * parallel::threads(); }

int64_t input_scratch(const ConvDims& d) { return output_scratch(d); }

int64_t weight_scratch(const ConvDims& d) {
  return output_scratch(d) + weight_parts(d) * d.K * depth(d);
}

template <class T>
void output(const ConvDims& d, const T* x, const T* w, T* y, T* scratch) {
  const Tiling tiles = tiling_in_place(d);
  const int64_t filters = d.K / d.groups;
  parallel::for_blocks(tiles.count() * d.groups, 1, [&](int64_t item, int64_t) {
    T* memory = scratch + parallel::slot() * scratch_per_slot(d);
    const Tile t = tiles.at(d, item / d.groups);
    const int64_t group = item % d.groups;
    const Unfolded<T> u = unfold_tile(d, t, group, x, memory);

    // [K/G, columns] = filters [K/G, C/G R S] times the unfolded tile
    const bool is_direct = t.images == 1;
    T* result = is_direct ? y + ((t.first * d.K + group * filters) * d.P + t.row) * d.Q
                          : memory + depth(d) * columns(d, tiles);
    const int64_t width = t.images * t.rows * d.Q;
    gemm_serial<T>({
        .M = filters,
        .N = width,
        .K = depth(d),
        .a = w + group * filters * depth(d),
        .lda = depth(d),
        .b = u.values,
        .ldb = u.ld,
        .c = result,
        .ldc = is_direct ? d.P * d.Q : width,
    });
    if (is_direct) return;
    for_output_rows<T>(d, t, group, [&](int64_t to, int64_t from, size_t bytes) {
      std::memcpy(y + to, result + from, bytes);
    });
  });
}

template <class T>
void input(const ConvDims& d, const T* g, const T* w, T* dx, T* scratch) {
  const Tiling tiles = tiling_in_place(d);
  const int64_t channels = d.C / d.groups;
  const int64_t filters = d.K / d.groups;
  const int64_t image = d.H * d.W;

  // Row tiles of one image overlap in dx, so one item owns its images and walks their rows in order
  parallel::for_blocks(tiles.image_tiles * d.groups, 1, [&](int64_t item, int64_t) {
    T* memory = scratch + parallel::slot() * scratch_per_slot(d);
    const int64_t group = item % d.groups;
    for (int64_t row_tile = 0; row_tile < tiles.row_tiles; ++row_tile) {
      const Tile t = tiles.at(d, item / d.groups * tiles.row_tiles + row_tile);
      const int64_t width = t.images * t.rows * d.Q;
      const auto image_of = [&](int64_t n) {
        return dx + ((t.first + n) * d.C + group * channels) * image;
      };
      const Unfolded<T> u = gather_output(d, t, group, g, memory + depth(d) * columns(d, tiles));

      // Unfolded gradient [C/G R S, columns] = filters transposed times g, then fold
      const bool is_direct = is_pointwise(d) && t.images == 1;
      gemm_serial<T>({
          .transpose_a = true,
          .M = depth(d),
          .N = width,
          .K = filters,
          .a = w + group * filters * depth(d),
          .lda = depth(d),
          .b = u.values,
          .ldb = u.ld,
          .c = is_direct ? image_of(0) + t.row * d.W : memory,
          .ldc = is_direct ? image : width,
      });
      if (is_direct) continue;
      for (int64_t n = 0; n < t.images; ++n) {
        if (is_pointwise(d)) {
          for (int64_t c = 0; c < channels; ++c) {
            std::copy_n(memory + (c * t.images + n) * image, image, image_of(n) + c * image);
          }
          continue;
        }
        if (row_tile == 0) std::fill_n(image_of(n), channels * image, T(0));
        fold(d, t, memory + n * t.rows * d.Q, width, image_of(n));
      }
    }
  });
}

template <class T>
void weight(const ConvDims& d, const T* g, const T* x, T* dw, T* scratch) {
  const Tiling tiles = tiling(d);
  const int64_t filters = d.K / d.groups;
  const int64_t weights = d.K * depth(d);
  const int64_t parts = weight_parts(d);
  const int64_t tiles_per_part = (tiles.count() + parts - 1) / parts;
  T* partial = scratch + output_scratch(d);

  // Each part adds its tiles in order into a weight gradient of its own
  parallel::for_blocks(parts, 1, [&](int64_t part, int64_t) {
    T* memory = scratch + parallel::slot() * scratch_per_slot(d);
    T* sum = parts == 1 ? dw : partial + part * weights;
    const int64_t begin = part * tiles_per_part;
    const int64_t end = std::min(tiles.count(), begin + tiles_per_part);
    if (begin >= end) std::fill_n(sum, weights, T(0));
    for (int64_t index = begin; index < end; ++index) {
      const Tile t = tiles.at(d, index);
      for (int64_t group = 0; group < d.groups; ++group) {
        const Unfolded<T> u = unfold_tile(d, t, group, x, memory);
        const Unfolded<T> v = gather_output(d, t, group, g, memory + depth(d) * columns(d, tiles));
        gemm_serial<T>({
            .transpose_b = true,
            .M = filters,
            .N = depth(d),
            .K = t.images * t.rows * d.Q,
            .a = v.values,
            .lda = v.ld,
            .b = u.values,
            .ldb = u.ld,
            .beta = T(index == begin ? 0 : 1),
            .c = sum + group * filters * depth(d),
            .ldc = depth(d),
        });
      }
    }
  });
  if (parts == 1) return;

  // Add the parts in order
  parallel::for_blocks(weights, 1 << 14, [&](int64_t begin, int64_t end) {
    std::copy(partial + begin, partial + end, dw + begin);
    for (int64_t part = 1; part < parts; ++part) {
      const T* more = partial + part * weights;
      for (int64_t i = begin; i < end; ++i) dw[i] += more[i];
    }
  });
}

template void output(const ConvDims&, const float*, const float*, float*, float*);
template void output(const ConvDims&, const double*, const double*, double*, double*);
template void input(const ConvDims&, const float*, const float*, float*, float*);
template void input(const ConvDims&, const double*, const double*, double*, double*);
template void weight(const ConvDims&, const float*, const float*, float*, float*);
template void weight(const ConvDims&, const double*, const double*, double*, double*);

}  // namespace limpid::kernels::im2col
