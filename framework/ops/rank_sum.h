// framework/ops/rank_sum.h: the one op that several processes do together.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

/// The sum of x over all ranks (core/ranks.h), on every rank. Linear and its own adjoint: what is
/// minimised is the sum of what the ranks compute, so the gradient is the sum of theirs. All ranks
/// must come to it in the same order, forward and backward.
Tensor sum_over_ranks(const Tensor& x);

}  // namespace limpid
