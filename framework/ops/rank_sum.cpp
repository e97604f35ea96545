// framework/ops/rank_sum.cpp: a sum over processes as an op.
#include "framework/ops/rank_sum.h"

#include "framework/core/ranks.h"
#include "framework/tensor/record.h"

#include <span>

namespace limpid {

Tensor sum_over_ranks(const Tensor& x) {
  Tensor total = x.clone();
  visit_float("sum_over_ranks", x.dtype(), [&]<class T>() {
    ranks::sum(std::span<T>(total.mutable_data<T>(), static_cast<size_t>(total.numel())));
  });
  return record("sum_over_ranks", total, wrt(x, [](const Tensor& g) { return sum_over_ranks(g); }));
}

}  // namespace limpid
