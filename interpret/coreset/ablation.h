// interpret/coreset/ablation.h: what a class loses with the units that an interpretation names.
//
// Two interpretations can agree and both be wrong, so their similarity is not enough. The units
// named for class c are silenced and images of class c shown:
//
//     drop_c = accuracy on images of class c - the same with the outputs of the units at 0
//
// Units that matter cost more than as many others of the same layers.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/coreset/vebi.h"

#include <cstdint>
#include <span>

namespace limpid::interpret {

/// Share of the images [n, ...] in which the network sees class c, with these units silent. Throws
/// ValueError for no images, a layer that is not there or a unit out of range.
double accuracy_without(
    Module& model, std::span<const RelevantUnit> units, const Tensor& images, int64_t c);

}  // namespace limpid::interpret
