// framework/kernels/direct_avx2.cpp: the sums over taps compiled for AVX2 and FMA.
#include "framework/kernels/direct_table.h"
#include "framework/kernels/winograd_table.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::avx2 {

#include "framework/kernels/simd.inl.h"
//
#include "framework/kernels/lanes.inl.h"
//
#include "framework/kernels/depthwise.inl.h"
#include "framework/kernels/direct.inl.h"

const DirectTable& direct_table() {
  static constexpr DirectTable table = {
      .sums = direct_sums,
      .dots = direct_dots,
      .depthwise_output = depthwise_output,
      .depthwise_input = depthwise_input,
      .depthwise_weight = depthwise_weight,
  };
  return table;
}

}  // namespace limpid::kernels::avx2
