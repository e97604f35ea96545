// framework/kernels/direct_baseline.cpp: the sums over taps compiled for the baseline.
#include "framework/kernels/direct_table.h"
#include "framework/kernels/winograd_table.h"

#include <cstddef>
#include <cstdint>

namespace limpid::kernels::baseline {

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

}  // namespace limpid::kernels::baseline
