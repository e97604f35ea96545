// framework/nn/init.h: initial values of weights.
//
// A weight has shape [out, in], or [K, C, R, S] for a convolution. fan_in = C R S numbers feed one
// output, and one input feeds fan_out = K R S. To start a layer differently, assign:
//     weight.assign(kaiming_normal(weight.shape(), rng));
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

class Rng;

/// Uniform on [-b, b] with b = 1 / sqrt(fan_in): Kaiming's uniform bound (He et al., ICCV 2015)
/// with a leaky slope of sqrt(5), which is what Linear and Conv2d use for weight and bias, as
/// PyTorch's layers do. Throws ValueError unless fan_in >= 1.
Tensor uniform_by_fan_in(const Shape& shape, int64_t fan_in, Rng& rng);

/// Keeps the variance of activations through layers with ReLU (He et al., ICCV 2015, eq. 10):
/// variance 2 / fan_in, normal or uniform on [-sqrt(6 / fan_in), sqrt(6 / fan_in)].
/// Throws ShapeError for fewer than two dimensions or an empty one.
Tensor kaiming_normal(const Shape& shape, Rng& rng);
Tensor kaiming_uniform(const Shape& shape, Rng& rng);

/// Balances activations and gradients through linear layers (Glorot and Bengio, AISTATS 2010,
/// eq. 12 and 16): variance 2 / (fan_in + fan_out), normal or uniform. Throws likewise.
Tensor xavier_normal(const Shape& shape, Rng& rng);
Tensor xavier_uniform(const Shape& shape, Rng& rng);

}  // namespace limpid
