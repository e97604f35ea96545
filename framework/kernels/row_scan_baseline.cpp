// framework/kernels/row_scan_baseline.cpp: the scans of a cost row compiled for the baseline.
#include "framework/kernels/row_scan_table.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::baseline {

#include "framework/kernels/simd.inl.h"
//
#include "framework/kernels/row_scan.inl.h"

const RowScanTable& row_scan_table() {
  static constexpr RowScanTable table = {
      .least = row_least, .least_two = row_least_two, .relax = row_relax};
  return table;
}

}  // namespace limpid::kernels::baseline
