// interpret/saliency/display.h: from what a method computes to what is shown and said about it.
#pragma once

#include "interpret/saliency/methods.h"

#include <string>

namespace limpid::interpret {

/// What a method makes of some images.
struct RawMaps {
  Tensor map;  // [N, C, H, W] or [N, D]; of evidence: [N, 1, h, w] with its sign
  bool is_evidence = false;
  bool is_rectified = false;                    // evidence: the method itself ends in a relu
  Tensor features = {};                         // evidence: the maps A_k that were weighted, if any
  std::vector<Completeness> completeness = {};  // one per image, if the method has it
};

/// Turns each image's map into what is shown, H x W pixels, and a note where it says nothing.
Maps displayed(const RawMaps& raw, const Shape& images);

/// (x - min) / (max - min) of each map [N, 1, h, w]; zeros where max = min.
Tensor min_max(const Tensor& maps);

}  // namespace limpid::interpret
