// interpret/coreset/last_layer.cpp: watches the layer that runs last, and sums gradients.
#include "interpret/coreset/last_layer.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <map>

namespace limpid::interpret {
namespace {

// Layers with a weight matrix of their own, by address.
std::map<const Module*, std::string> weighted_layers(Module& model) {
  std::map<const Module*, std::string> found;
  for (const auto& [name, layer] : layers(model)) {
    if (!layers(*layer).empty()) continue;
    for (const auto& entry : parameters(*layer)) {
      if (entry.second.rank() >= 2) found.emplace(layer, name);
    }
  }
  return found;
}

// [n, d] from [n, d], [n, C, H, W].
Tensor as_features(const Tensor& h) {
  if (h.rank() == 4) return reshape(mean(h, {2, 3}), {h.size(0), h.size(1)});
  return reshape(h, {h.size(0), h.numel() / h.size(0)});
}

}  // namespace

HeadOutputs head_outputs(Module& model, const BatchSource& source) {
  check_value(source.batches > 0, "head_outputs", "there are no examples");
  const Recording off(false);
  const std::map<const Module*, std::string> weighted = weighted_layers(model);
  HeadOutputs result;
  std::vector<Tensor> hidden, logits;
  for (int64_t b = 0; b < source.batches; ++b) {
    const Batch batch = source.get(0, b);
    Pass pass;
    Tensor last;
    pass.observer = [&](const Module& layer, const Tensor& input, const Tensor&) {
      const auto found = weighted.find(&layer);
      if (found == weighted.end()) return;
      last = input;
      result.layer = found->second;
    };
    logits.push_back(model(batch.inputs, pass));
    check_value(
        last.defined() && last.rank() >= 2 && last.size(0) == batch.inputs.size(0), "head_outputs",
        "no layer with weights runs on the examples");
    hidden.push_back(as_features(last));
  }
  result.hidden = concat(hidden, 0);
  result.logits = concat(logits, 0);
  return result;
}

HeadGradient gradient_sum(const Tensor& g, const Tensor& h) {
  const Recording off(false);
  return {sum(g, {0}), matmul(g, h, {.transpose_a = true})};
}

std::vector<double> products_with(const HeadGradient& v, const Tensor& g, const Tensor& h) {
  const Recording off(false);
  const Tensor slopes = matmul(h, v.weight, {.transpose_b = true}) + v.bias;  // [n, K]
  return sum(g * slopes, {1}).to_vector();
}

}  // namespace limpid::interpret
