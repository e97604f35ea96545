// framework/kernels/winograd.cpp: transforms, one matrix product per point, transforms back.
//
// Two orders of work. Where filters are few, their spectrum is computed once and each block of
// tiles goes all the way from image to result within one core's cache. Where filters are many and
// tiles few (late layers), the tiles' spectrum is computed once, and each panel of filters goes all
// the way: 512 x 512 filters at 36 points are 37 MB, which would cost more to store and load
// than to use.
#include "framework/kernels/winograd.h"

#include "framework/core/parallel.h"
#include "framework/kernels/dispatch.h"
#include "framework/kernels/gemm.h"

#include <algorithm>

namespace limpid::kernels::winograd {
namespace {

constexpr int64_t kBlockElements = 1 << 18;  // spectra of a block that a core treats alone, 1 MiB
constexpr int64_t kWholeElements = 1 << 22;  // spectra of tiles that all filters share, 16 MiB
constexpr int64_t kPanel = 64;               // columns of a product
constexpr int64_t kGroup = 8;                // channels that one transform treats
constexpr int64_t kItems = 8;                // blocks that keep several threads busy
constexpr int64_t kSkew = 16;                // keeps the points of a spectrum off one cache set

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }
int64_t points(int64_t m) { return (m + 2) * (m + 2); }

int64_t spectrum_size(int64_t m, int64_t rows, int64_t columns) {
  return points(m) * (rows * round_up(columns, kGroup) + kSkew);
}

// Takes a spectrum from the front of `memory`.
Spectrum take(float*& memory, int64_t m, int64_t rows, int64_t columns) {
  const int64_t ld = round_up(columns, kGroup);
  const Spectrum s = {memory, ld, rows * ld + kSkew};
  memory += spectrum_size(m, rows, columns);
  return s;
}

Spectrum from_element(const Spectrum& s, int64_t offset) {
  return {s.values + offset, s.ld, s.stride};
}

// How the tile rows of all images are cut into blocks.
struct Blocks {
  TileBlock all;
  int64_t rows;   // tile rows of a block
  int64_t lanes;  // elements that eight channels of a block take, with the border

  int64_t tiles() const { return rows * all.columns; }
  int64_t count() const { return (all.end + rows - 1) / rows; }
  TileBlock at(int64_t i) const {
    return {all.rows, all.columns, i * rows, std::min(all.end, (i + 1) * rows)};
  }
};

int64_t tiles_of(const TileBlock& b) { return (b.end - b.begin) * b.columns; }

// Blocks of N images, height x width, whose spectra of `channels` fill `elements`; `at_least` so
// many where there are enough tile rows.
Blocks cut(
    int64_t m, int64_t N, int64_t height, int64_t width, int64_t channels, int64_t elements,
    int64_t at_least) {
  Blocks b{};
  b.all = {(height + m - 1) / m, (width + m - 1) / m, 0, 0};
  b.all.end = N * b.all.rows;
  const int64_t per_row = points(m) * b.all.columns * channels;
  const int64_t most = (b.all.end + at_least - 1) / at_least;
  b.rows = std::clamp<int64_t>(elements / per_row, 1, std::max<int64_t>(most, 1));
  const int64_t in_image = std::min(b.rows, b.all.rows);
  b.lanes = (m * in_image + 2) * (m * b.all.columns + 2) * kGroup;
  return b;
}

// ---- dT/dg and dT/dx: y = x correlated with filters [x.channels, y.channels] ----

struct Correlation {
  int64_t m, N;
  Planes x, y;
  Filters w;
};

Correlation of_output(const ConvDims& d, int64_t m) {
  return {
      .m = m,
      .N = d.N,
      .x = {d.C, d.H, d.W, d.padding},
      .y = {d.K, d.P, d.Q, 0},
      .w = {.rows = d.C, .columns = d.K, .row_step = 9, .column_step = d.C * 9, .turned = false}};
}

Correlation of_input(const ConvDims& d, int64_t m) {
  return {
      .m = m,
      .N = d.N,
      .x = {d.K, d.P, d.Q, 2 - d.padding},
      .y = {d.C, d.H, d.W, 0},
      .w = {.rows = d.K, .columns = d.C, .row_step = d.C * 9, .column_step = 9, .turned = true}};
}

// More filter elements than elements of the tiles: the filters should not be stored.
bool goes_by_filters(const Correlation& c) {
  const int64_t tiles = c.N * ((c.y.height + c.m - 1) / c.m) * ((c.y.width + c.m - 1) / c.m);
  return c.w.rows * c.w.columns > tiles * (c.w.rows + c.w.columns);
}

Blocks blocks_of(const Correlation& c) {
  const int64_t x = round_up(c.w.rows, kGroup);
  const int64_t y = round_up(c.w.columns, kGroup);
  return goes_by_filters(c) ? cut(c.m, c.N, c.y.height, c.y.width, x, kWholeElements, 1)
                            : cut(c.m, c.N, c.y.height, c.y.width, x + y, kBlockElements, kItems);
}

// Columns of filters that are treated together; their spectrum should stay in a core's cache.
int64_t panel_of(const Correlation& c) {
  if (!goes_by_filters(c)) return kPanel;
  return std::min(kPanel, round_up(kBlockElements / (points(c.m) * c.w.rows) + 1, 16));
}

// Scratch: what all blocks share, then the memory of each slot.
struct Sizes {
  int64_t shared, slot;
};
Sizes sizes_of(const Correlation& c) {
  const Blocks b = blocks_of(c);
  const int64_t x = spectrum_size(c.m, b.tiles(), c.w.rows);
  if (goes_by_filters(c)) {
    const int64_t panel = panel_of(c);
    return {
        x, spectrum_size(c.m, c.w.rows, panel) + spectrum_size(c.m, b.tiles(), panel) + b.lanes};
  }
  return {
      round_up(c.w.columns, kPanel) / kPanel * spectrum_size(c.m, c.w.rows, kPanel),
      x + spectrum_size(c.m, b.tiles(), c.w.columns) + b.lanes};
}

// The filters of one panel at the points.
void transform_filters(
    const Correlation& c, int64_t first, int64_t columns, const float* w, const Spectrum& u) {
  for (int64_t j = 0; j < columns; j += kGroup) {
    winograd_table(c.m).filter(c.w, first + j, w, from_element(u, j));
  }
}

// At each point, v [tiles, rows] times u [rows, columns], in small products.
void multiply(
    const Correlation& c, int64_t tiles, int64_t columns, const Spectrum& v, const Spectrum& u,
    const Spectrum& product) {
  const int64_t most = std::max<int64_t>(kSmallProduct / (c.w.rows * columns), 1);
  const int64_t pieces = (tiles + most - 1) / most;
  const int64_t piece = (tiles + pieces - 1) / pieces;
  for (int64_t i = 0; i < points(c.m); ++i) {
    for (int64_t tile = 0; tile < tiles; tile += piece) {
      gemm_serial<float>({
          .M = std::min(piece, tiles - tile),
          .N = columns,
          .K = c.w.rows,
          .a = v.values + i * v.stride + tile * v.ld,
          .lda = v.ld,
          .b = u.values + i * u.stride,
          .ldb = u.ld,
          .c = product.values + i * product.stride + tile * product.ld,
          .ldc = product.ld,
      });
    }
  }
}

void transform_back(
    const Correlation& c, const TileBlock& block, int64_t first, int64_t columns,
    const Spectrum& product, float* lanes, float* y) {
  for (int64_t j = 0; j < columns; j += kGroup) {
    winograd_table(c.m).output(c.y, block, first + j, from_element(product, j), lanes, y);
  }
}

void by_tiles(const Correlation& c, const float* x, const float* w, float* y, float* scratch) {
  const Blocks b = blocks_of(c);
  const Sizes sizes = sizes_of(c);
  const int64_t panels = (c.w.columns + kPanel - 1) / kPanel;
  const auto filters = [&](int64_t panel) {
    float* memory = scratch + panel * spectrum_size(c.m, c.w.rows, kPanel);
    return take(memory, c.m, c.w.rows, kPanel);
  };
  const auto columns = [&](int64_t panel) {
    return std::min(kPanel, c.w.columns - panel * kPanel);
  };
  parallel::for_blocks(panels, 1, [&](int64_t panel, int64_t) {
    transform_filters(c, panel * kPanel, columns(panel), w, filters(panel));
  });

  parallel::for_blocks(b.count(), 1, [&](int64_t index, int64_t) {
    float* memory = scratch + sizes.shared + parallel::slot() * sizes.slot;
    const TileBlock block = b.at(index);
    const Spectrum v = take(memory, c.m, b.tiles(), c.w.rows);
    const Spectrum product = take(memory, c.m, b.tiles(), c.w.columns);
    for (int64_t i = 0; i < c.w.rows; i += kGroup) {
      winograd_table(c.m).image(c.x, block, i, x, memory, from_element(v, i));
    }
    for (int64_t panel = 0; panel < panels; ++panel) {
      const Spectrum part = from_element(product, panel * kPanel);
      multiply(c, tiles_of(block), columns(panel), v, filters(panel), part);
    }
    transform_back(c, block, 0, c.w.columns, product, memory, y);
  });
}

void by_filters(const Correlation& c, const float* x, const float* w, float* y, float* scratch) {
  const Blocks b = blocks_of(c);
  const Sizes sizes = sizes_of(c);
  const int64_t width = panel_of(c);
  float* shared = scratch;
  const Spectrum v = take(shared, c.m, b.tiles(), c.w.rows);
  const auto memory_of_slot = [&] {
    return scratch + sizes.shared + parallel::slot() * sizes.slot;
  };
  for (int64_t index = 0; index < b.count(); ++index) {
    const TileBlock block = b.at(index);
    parallel::for_blocks(round_up(c.w.rows, kGroup) / kGroup, 1, [&](int64_t i, int64_t) {
      winograd_table(c.m).image(
          c.x, block, i * kGroup, x, memory_of_slot(), from_element(v, i * kGroup));
    });
    parallel::for_blocks((c.w.columns + width - 1) / width, 1, [&](int64_t panel, int64_t) {
      float* memory = memory_of_slot();
      const int64_t first = panel * width;
      const int64_t columns = std::min(width, c.w.columns - first);
      const Spectrum u = take(memory, c.m, c.w.rows, width);
      const Spectrum product = take(memory, c.m, b.tiles(), width);
      transform_filters(c, first, columns, w, u);
      multiply(c, tiles_of(block), columns, v, u, product);
      transform_back(c, block, first, columns, product, memory, y);
    });
  }
}

void correlate(const Correlation& c, const float* x, const float* w, float* y, float* scratch) {
  goes_by_filters(c) ? by_filters(c, x, w, y, scratch) : by_tiles(c, x, w, y, scratch);
}

int64_t scratch_of(const Correlation& c) {
  const Sizes sizes = sizes_of(c);
  return sizes.shared + sizes.slot * parallel::threads();
}

// ---- dT/dw: at each point, products [K, tiles] [tiles, C] summed over the blocks in order ----

Blocks blocks_of_weight(const ConvDims& d, int64_t m) {
  const int64_t channels = round_up(d.C, kGroup) + round_up(d.K, kGroup);
  const Blocks whole = cut(m, d.N, d.P, d.Q, channels, kWholeElements, 1);
  return whole.count() <= 1 ? whole : cut(m, d.N, d.P, d.Q, channels, 2 * kBlockElements, 1);
}

constexpr int64_t kSumRows = 16;  // rows of K whose sums one core completes in its cache

// Late layers: with all tiles in one block, the sums of a few rows need not be stored.
bool goes_by_rows(const ConvDims& d, int64_t m) {
  return blocks_of_weight(d, m).count() == 1 && d.K >= kItems * kSumRows;
}

Sizes sizes_of_weight(const ConvDims& d, int64_t m) {
  const Blocks b = blocks_of_weight(d, m);
  const int64_t spectra = spectrum_size(m, b.tiles(), d.C) + spectrum_size(m, b.tiles(), d.K);
  if (!goes_by_rows(d, m)) return {spectra + spectrum_size(m, d.K, d.C), b.lanes};
  return {spectra, std::max(b.lanes, spectrum_size(m, kSumRows, d.C))};
}

// At one point, sum [rows, C] += g [tiles, rows]' x [tiles, C]; the first block sets the sum.
void add_product(
    int64_t point, int64_t rows, int64_t columns, int64_t tiles, bool is_first, const Spectrum& g,
    const Spectrum& x, const Spectrum& sum) {
  const int64_t height = std::min(rows, kPanel);
  const int64_t width = std::max<int64_t>(kSmallProduct / (height * tiles) / 16 * 16, 16);
  for (int64_t row = 0; row < rows; row += height) {
    for (int64_t column = 0; column < columns; column += width) {
      gemm_serial<float>({
          .transpose_a = true,
          .M = std::min(height, rows - row),
          .N = std::min(width, columns - column),
          .K = tiles,
          .a = g.values + point * g.stride + row,
          .lda = g.ld,
          .b = x.values + point * x.stride + column,
          .ldb = x.ld,
          .beta = is_first ? 0.0F : 1.0F,
          .c = sum.values + point * sum.stride + row * sum.ld + column,
          .ldc = sum.ld,
      });
    }
  }
}

// The spectra of a block of images x and of output gradients g.
void transform_both(
    const ConvDims& d, int64_t m, const TileBlock& block, const float* x, const float* g,
    const Spectrum& vx, const Spectrum& vg, parallel::FunctionRef<float*()> lanes) {
  const Planes images = {d.C, d.H, d.W, d.padding};
  const Planes maps = {d.K, d.P, d.Q, 0};
  const int64_t groups = round_up(d.C, kGroup) / kGroup;
  const int64_t both = groups + round_up(d.K, kGroup) / kGroup;
  parallel::for_blocks(both, 1, [&](int64_t i, int64_t) {
    const int64_t at = (i < groups ? i : i - groups) * kGroup;
    if (i < groups) {
      winograd_table(m).image(images, block, at, x, lanes(), from_element(vx, at));
    } else {
      winograd_table(m).gradient(maps, block, at, g, lanes(), from_element(vg, at));
    }
  });
}

}  // namespace

int64_t output_scratch(const ConvDims& d, int64_t m) { return scratch_of(of_output(d, m)); }
int64_t input_scratch(const ConvDims& d, int64_t m) { return scratch_of(of_input(d, m)); }

void output(
    const ConvDims& d, int64_t m, const float* x, const float* w, float* y, float* scratch) {
  correlate(of_output(d, m), x, w, y, scratch);
}

void input(
    const ConvDims& d, int64_t m, const float* g, const float* w, float* dx, float* scratch) {
  correlate(of_input(d, m), g, w, dx, scratch);
}

int64_t weight_scratch(const ConvDims& d, int64_t m) {
  const Sizes sizes = sizes_of_weight(d, m);
  return sizes.shared + sizes.slot * parallel::threads();
}

void weight(
    const ConvDims& d, int64_t m, const float* g, const float* x, float* dw, float* scratch) {
  const WinogradTable& table = winograd_table(m);
  const Blocks b = blocks_of_weight(d, m);
  const Sizes sizes = sizes_of_weight(d, m);
  float* shared = scratch;
  const Spectrum vx = take(shared, m, b.tiles(), d.C);
  const Spectrum vg = take(shared, m, b.tiles(), d.K);
  const auto slot = [&] { return scratch + sizes.shared + parallel::slot() * sizes.slot; };
  if (goes_by_rows(d, m)) {
    const int64_t tiles = tiles_of(b.at(0));
    transform_both(d, m, b.at(0), x, g, vx, vg, slot);
    parallel::for_blocks(d.K, kSumRows, [&](int64_t begin, int64_t end) {
      float* memory = slot();
      const Spectrum sum = take(memory, m, kSumRows, d.C);
      for (int64_t i = 0; i < points(m); ++i) {
        add_product(i, end - begin, d.C, tiles, true, from_element(vg, begin), vx, sum);
      }
      for (int64_t k = begin; k < end; ++k) {
        table.filter_gradient(from_element(sum, (k - begin) * sum.ld), d.C, dw + k * d.C * 9);
      }
    });
    return;
  }

  const Spectrum sum = take(shared, m, d.K, d.C);
  if (d.N == 0) std::fill_n(sum.values, spectrum_size(m, d.K, d.C), 0.0F);
  for (int64_t index = 0; index < b.count(); ++index) {
    transform_both(d, m, b.at(index), x, g, vx, vg, slot);
    parallel::for_blocks(points(m), 1, [&](int64_t i, int64_t) {
      add_product(i, d.K, d.C, tiles_of(b.at(index)), index == 0, vg, vx, sum);
    });
  }
  parallel::for_blocks(d.K, kSumRows, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      table.filter_gradient(from_element(sum, k * sum.ld), d.C, dw + k * d.C * 9);
    }
  });
}

}  // namespace limpid::kernels::winograd
