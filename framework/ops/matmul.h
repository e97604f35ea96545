// framework/ops/matmul.h: matrix products, one bilinear family.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

struct MatmulOptions {
  bool transpose_a = false;  // use the last two dimensions of a swapped
  bool transpose_b = false;
};

/// y = op(a) op(b) over the last two dimensions: [..., M, K] x [..., K, N] -> [..., M, N].
/// Leading dimensions must agree, or b has rank 2 and serves all of them.
/// Throws ShapeError if the inner sizes or the leading dimensions differ.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

}  // namespace limpid
