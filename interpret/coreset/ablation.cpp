// interpret/coreset/ablation.cpp: forward passes with some units at 0.
#include "interpret/coreset/ablation.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <map>
#include <vector>

namespace limpid::interpret {
namespace {

// 0 for a silent unit, else 1, as [1, C, 1, ...] for an output [b, C, ...].
Tensor mask_for(const Tensor& output, const std::vector<int64_t>& silent) {
  std::vector<double> mask(static_cast<size_t>(output.size(1)), 1);
  for (const int64_t unit : silent) {
    check_value(
        unit >= 0 && unit < output.size(1), "accuracy_without", "no unit ", unit, " among ",
        output.size(1));
    mask[static_cast<size_t>(unit)] = 0;
  }
  std::vector<int64_t> sizes(static_cast<size_t>(output.rank()), 1);
  sizes[1] = output.size(1);
  return Tensor::of(Shape(std::span<const int64_t>{sizes}), mask, output.dtype());
}

}  // namespace

double accuracy_without(
    Module& model, std::span<const RelevantUnit> units, const Tensor& images, int64_t c) {
  constexpr int64_t kBatch = 250;
  const Recording off(false);
  const int64_t n = images.size(0);
  check_value(n > 0, "accuracy_without", "no images of class ", c);
  std::map<const Module*, std::vector<int64_t>> silent;
  for (const RelevantUnit& u : units) silent[&find_layer(model, u.layer)].push_back(u.unit);
  Pass pass;
  pass.substitute = [&](const Module& layer, const Tensor&, const Tensor& output) {
    const auto found = silent.find(&layer);
    return found == silent.end() ? output : output * mask_for(output, found->second);
  };
  int64_t right = 0;
  for (int64_t begin = 0; begin < n; begin += kBatch) {
    const Tensor some = slice(images, 0, begin, std::min(n, begin + kBatch));
    const Tensor best = arg_max(model(some, pass), 1);
    right += std::ranges::count(best.values<int64_t>(), c);
  }
  return static_cast<double>(right) / static_cast<double>(n);
}

}  // namespace limpid::interpret
