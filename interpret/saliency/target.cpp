// interpret/saliency/target.cpp: logit, probability or loss as a scalar.
#include "interpret/saliency/target.h"

#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

namespace limpid::interpret {

Tensor target_score(const Tensor& logits, std::span<const int64_t> classes, Target target) {
  switch (target) {
    case Target::logit: return sum(select(logits, classes));
    case Target::probability: return sum(select(softmax(logits), classes));
    case Target::loss: break;
  }
  return -sum(select(log_softmax(logits), classes));
}

}  // namespace limpid::interpret
