// framework/nn/init.h: initial values of weights, as PyTorch's layers choose them.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

class Rng;

/// Uniform on [-b, b] with b = 1 / sqrt(fan_in): Kaiming's uniform bound (He et al., ICCV 2015)
/// with a leaky slope of sqrt(5), which is what Linear and Conv2d use for weight and bias.
/// Throws ValueError unless fan_in >= 1.
Tensor uniform_by_fan_in(const Shape& shape, int64_t fan_in, Rng& rng);

}  // namespace limpid
