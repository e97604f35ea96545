// framework/kernels/winograd_avx2.cpp: Winograd's transforms compiled for AVX2 and FMA.
#include "framework/kernels/winograd_table.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::avx2 {

#include "framework/kernels/simd.inl.h"
//
#include "framework/kernels/lanes.inl.h"
//
#include "framework/kernels/winograd.inl.h"

const WinogradTable* winograd_tables() { return kWinogradTables; }

}  // namespace limpid::kernels::avx2
