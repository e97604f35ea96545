// framework/tensor/integers.cpp: ranges, and lists to tensors and back.
#include "framework/tensor/integers.h"

#include <numeric>

namespace limpid {

std::vector<int64_t> index_range(int64_t begin, int64_t end) {
  std::vector<int64_t> indices(static_cast<size_t>(end - begin));
  std::iota(indices.begin(), indices.end(), begin);
  return indices;
}

Tensor integer_tensor(std::span<const int64_t> values) {
  return Tensor::of_integers({std::ssize(values)}, values);
}

std::vector<int64_t> to_integers(const Tensor& tensor) {
  const std::span<const int64_t> values = tensor.values<int64_t>();
  return {values.begin(), values.end()};
}

}  // namespace limpid
