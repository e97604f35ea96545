// framework/kernels/winograd_baseline.cpp: Winograd's transforms compiled for the baseline.
#include "framework/kernels/winograd_table.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::baseline {

#include "framework/kernels/simd.inl.h"
//
#include "framework/kernels/lanes.inl.h"
//
#include "framework/kernels/winograd.inl.h"

const WinogradTable* winograd_tables() { return kWinogradTables; }

}  // namespace limpid::kernels::baseline
