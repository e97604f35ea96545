// interpret/metrics/roar.h: remove what a map points at, and train again.
//
// ROAR (Hooker et al., NeurIPS 2019): the share t of pixels with the largest values of each image's
// map is replaced by the mean of its channel, in the training and in the test images; a network
// trained on these tells how much the removed pixels said. The lower its accuracy, the better the
// map. Maps that are smooth remove whole regions and look better than they are (Rong et al., ICML
// 2022), so a smooth random control belongs beside the figures.
#pragma once

#include "framework/tensor/tensor.h"

#include <functional>
#include <span>
#include <vector>

namespace limpid::interpret {

/// Mean over images and positions per channel: [N, C, H, W] -> [C].
Tensor channel_means(const Tensor& images);

/// images [N, C, H, W] with the floor(share H W) pixels of the largest values of maps [N, 1, H, W]
/// replaced by fill [C]; of equal values the lower index goes first.
/// Throws ShapeError for other forms, ValueError unless 0 <= share <= 1.
Tensor without_top_pixels(
    const Tensor& images, const Tensor& maps, double share, const Tensor& fill);

/// Images and the maps that say what is removed from them.
struct MappedImages {
  Tensor images, maps;
};
/// Trains a fresh network on the first images and returns its accuracy on the second.
using Retrain = std::function<double(const Tensor& train, const Tensor& test)>;

/// The accuracy after the removal of each share.
std::vector<double> remove_and_retrain(
    const MappedImages& train, const MappedImages& test, std::span<const double> shares,
    const Retrain& retrain);

}  // namespace limpid::interpret
