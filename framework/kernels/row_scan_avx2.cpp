// framework/kernels/row_scan_avx2.cpp: the scans of a cost row compiled for AVX2 and FMA.
#include "framework/kernels/row_scan_table.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::avx2 {

#include "framework/kernels/simd.inl.h"
//
#include "framework/kernels/row_scan.inl.h"

const RowScanTable& row_scan_table() {
  static constexpr RowScanTable table = {
      .least = row_least, .least_two = row_least_two, .relax = row_relax};
  return table;
}

}  // namespace limpid::kernels::avx2
