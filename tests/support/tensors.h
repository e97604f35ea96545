// tests/support/tensors.h: small tensors of tests, in double precision unless they say otherwise.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace limpid {

/// [n].
inline Tensor row(const std::vector<double>& values, DType dtype = DType::f64) {
  return Tensor::of({std::ssize(values)}, values, dtype);
}
/// The same, to be differentiated by.
inline Tensor leaf(const std::vector<double>& values, DType dtype = DType::f64) {
  return row(values, dtype).require_gradient();
}
inline Tensor matrix(const Shape& shape, std::initializer_list<double> values) {
  return Tensor::of(shape, values, DType::f64);
}

/// Normal numbers, a function of the seed alone.
inline Tensor normal(
    const Shape& shape, uint64_t seed, double mean = 0, double deviation = 1,
    DType dtype = DType::f64) {
  Rng rng(seed);
  return Tensor::normal(shape, rng, mean, deviation, dtype);
}

}  // namespace limpid
