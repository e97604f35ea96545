// framework/kernels/elementwise_baseline.cpp: the run kernels compiled for the baseline processor.
#include "framework/kernels/dispatch.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::baseline {

#include "framework/kernels/simd.inl.h"
//
#include "framework/kernels/elementwise.inl.h"

const KernelTable<float>& float_table() { return make_table<float>(); }
const KernelTable<double>& double_table() { return make_table<double>(); }

}  // namespace limpid::kernels::baseline
