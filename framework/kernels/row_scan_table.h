// framework/kernels/row_scan_table.h: scans of one row of a cost matrix, once per instruction set.
//
// With column potentials v, c_j - v_j is what column j costs a row. All three keep the lowest
// index among equals, and none rounds differently from a scalar loop.
#pragma once

#include <cstdint>

namespace limpid::kernels {

struct Least {
  double value;
  int64_t index;  // -1: of nothing that is below infinity
};

/// The second is the least of all others, equal to the first where two are.
struct LeastTwo {
  Least first, second;
};

struct RowScanTable {
  // The least c_j - v_j
  Least (*least)(int64_t n, const double* c, const double* v);
  LeastTwo (*least_two)(int64_t n, const double* c, const double* v);
  // Where (c_j - v_j) - shift < d_j: d_j becomes that and from_j = row. The least d_j then.
  // v_j = -infinity keeps column j out.
  Least (*relax)(
      int64_t n, const double* c, const double* v, double shift, int64_t row, double* d,
      int64_t* from);
};

}  // namespace limpid::kernels
