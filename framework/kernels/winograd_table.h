// framework/kernels/winograd_table.h: the transforms of winograd.h, once per instruction set.
//
// Each function treats eight neighbouring channels, from `channel` on, of a block of tiles. A
// spectrum holds, for each of the (m + 2)^2 points, a matrix [tile, channel] for the products; it
// is passed from the element of the first tile and of these channels on. `lanes` is room for
// these channels of the block as packs, with the border.
#pragma once

#include <cstdint>

namespace limpid::kernels {

/// Images [N, channels, height, width], read with `border` zeros above and to the left.
struct Planes {
  int64_t channels, height, width, border;
};

/// Rows [begin, end) of tiles, counted through all images; an image has `rows` x `columns` tiles.
struct TileBlock {
  int64_t rows, columns, begin, end;
};

/// Element (row, column) at a point: values[point * stride + row * ld + column].
struct Spectrum {
  float* values;
  int64_t ld, stride;
};

/// 3x3 filters as matrix elements [rows, columns], the steps in floats; turned: by 180 degrees.
struct Filters {
  int64_t rows, columns, row_step, column_step;
  bool turned;
};

struct WinogradTable {
  int64_t tile;  // m
  // B' d B of (m + 2)^2 pixels around each tile;  A g A' of the m^2 pixels of each tile
  void (*image)(const Planes&, const TileBlock&, int64_t, const float* x, float*, const Spectrum&);
  void (*gradient)(
      const Planes&, const TileBlock&, int64_t, const float* g, float*, const Spectrum&);
  // A' t A to the pixels of each tile
  void (*output)(const Planes&, const TileBlock&, int64_t, const Spectrum&, float*, float* y);
  // G w G' of all rows and eight columns;  G' t G to dw [channels, 3, 3]
  void (*filter)(const Filters&, int64_t column, const float* w, const Spectrum&);
  void (*filter_gradient)(const Spectrum&, int64_t channels, float* dw);
};

}  // namespace limpid::kernels
