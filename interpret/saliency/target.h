// interpret/saliency/target.h: what an explanation explains.
#pragma once

#include "framework/tensor/tensor.h"

#include <span>

namespace limpid::interpret {

enum class Target : uint8_t {
  logit,        // y_c, the usual choice
  probability,  // softmax(y)_c
  loss,         // cross-entropy against class c, summed over the batch
};

/// The explained quantity of each image, summed over the batch: a scalar whose gradient with
/// respect to image n depends on image n alone (in evaluation mode).
/// logits [N, K], one class per image. Throws ValueError for a class outside [0, K).
Tensor target_score(
    const Tensor& logits, std::span<const int64_t> classes, Target target = Target::logit);

}  // namespace limpid::interpret
