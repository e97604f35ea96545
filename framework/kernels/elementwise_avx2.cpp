// framework/kernels/elementwise_avx2.cpp: the run kernels compiled for AVX2 and FMA.
#include "framework/kernels/dispatch.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::avx2 {

#include "framework/kernels/simd.inl.h"
//
#include "framework/kernels/elementwise.inl.h"

const KernelTable<float>& float_table() { return make_table<float>(); }
const KernelTable<double>& double_table() { return make_table<double>(); }

}  // namespace limpid::kernels::avx2
