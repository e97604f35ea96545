// interpret/saliency/batch.h: some images on their way through the methods.
#pragma once

#include "interpret/saliency/cam.h"
#include "interpret/saliency/display.h"
#include "interpret/saliency/methods.h"

#include <functional>
#include <optional>
#include <span>
#include <utility>

namespace limpid::interpret {

/// What a method is given; what several methods need is computed once, when it is first asked for.
class Batch {
 public:
  Batch(const Explained& subject, Tensor batch_images, std::span<const int64_t> batch_classes)
      : explained(subject), images(std::move(batch_images)), classes(batch_classes) {}

  const LayerSlopes& slopes() {
    if (!slopes_) slopes_ = layer_slopes(explained.model, *explained.layer, images, classes);
    return *slopes_;
  }

  const Explained& explained;
  Tensor images;  // [N, C, H, W], or a table [N, D]
  std::span<const int64_t> classes;

 private:
  std::optional<LayerSlopes> slopes_;
};

struct Method {
  MethodInfo info;
  std::function<RawMaps(Batch&)> compute;
};

/// smoothgrad and its relatives for any method, over that many noisy copies.
enum class Statistic : uint8_t { mean, mean_square, variance };
RawMaps over_noise(
    Batch& batch, const std::function<RawMaps(Batch&)>& compute, Statistic statistic,
    int64_t copies);

}  // namespace limpid::interpret
