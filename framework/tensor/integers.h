// framework/tensor/integers.h: whole numbers: labels and positions, as lists and as tensors.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid {

/// begin, begin + 1, ..., end - 1.
std::vector<int64_t> index_range(int64_t begin, int64_t end);

/// A list as a tensor [n] i64.
Tensor integer_tensor(std::span<const int64_t> values);
/// All values of an i64 tensor as a list. Throws DTypeError for other types.
std::vector<int64_t> to_integers(const Tensor& tensor);

}  // namespace limpid
