// tests/kernels/random_arrays.h: raw arrays for kernel tests, and runs over types and tables.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace limpid {

/// Normal numbers that f32 can hold, so that both types compute with the same ones.
template <class T>
std::vector<T> random_array(int64_t n, Rng& rng) {
  std::vector<float> values(static_cast<size_t>(n));
  rng.normal(std::span<float>(values), 0, 1);
  return std::vector<T>(values.begin(), values.end());
}

/// An array as an f64 tensor, for the naive twins.
template <class T>
Tensor as_tensor(const Shape& shape, const std::vector<T>& values) {
  const std::vector<double> wide(values.begin(), values.end());
  return Tensor::of(shape, wide, DType::f64);
}

/// Calls f<float>() and f<double>() with each instruction set.
template <class F>
void for_types_and_sets(F&& f) {
  for (const kernels::InstructionSet set : kernels::supported_sets()) {
    const InstructionScope scope(set);
    CAPTURE(std::string(kernels::name_of(set)));
    f.template operator()<float>();
    f.template operator()<double>();
  }
}

/// Writes of a kernel behind the end of its output or scratch show up in these cells.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t n) : cells_(static_cast<size_t>(n) + kGuard, T(kMark)) {}
  T* data() { return cells_.data(); }
  std::vector<T> values() const { return {cells_.begin(), cells_.end() - kGuard}; }
  bool is_intact() const {
    for (size_t i = cells_.size() - kGuard; i < cells_.size(); ++i) {
      if (cells_[i] != T(kMark)) return false;
    }
    return true;
  }

 private:
  static constexpr int kGuard = 64;
  static constexpr double kMark = -12345.0;
  std::vector<T> cells_;
};

}  // namespace limpid
