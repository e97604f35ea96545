// interpret/metrics/roar.cpp: removal of pixels.
#include "interpret/metrics/roar.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <cmath>

namespace limpid::interpret {

Tensor channel_means(const Tensor& images) {
  const Recording off(false);
  check_shape(
      images.rank() == 4, "channel_means", "needs images [N, C, H, W], got ", images.shape());
  return reshape(mean(images, {0, 2, 3}), {images.size(1)});
}

Tensor without_top_pixels(
    const Tensor& images, const Tensor& maps, double share, const Tensor& fill) {
  const Recording off(false);
  const bool fits = images.rank() == 4 && maps.rank() == 4 && maps.size(1) == 1 &&
                    maps.size(0) == images.size(0) && maps.size(2) == images.size(2) &&
                    maps.size(3) == images.size(3) && fill.numel() == images.size(1);
  check_shape(
      fits, "without_top_pixels", "needs a map [N, 1, H, W] per image and a fill per channel (",
      images.shape(), ", ", maps.shape(), ", ", fill.shape(), ")");
  check_value(share >= 0 && share <= 1, "without_top_pixels", "share ", share, " is not in [0, 1]");
  const int64_t cells = maps.size(2) * maps.size(3);
  const auto count = static_cast<int64_t>(std::floor(share * static_cast<double>(cells) + 1e-9));
  if (count == 0) return images;
  const Tensor order = arg_sort(reshape(maps, {maps.size(0), cells}), 1, true);
  const Tensor top = slice(order, 1, 0, count);  // [N, count]
  const Tensor removed =
      reshape(scatter_add(Tensor::ones(top.shape()), top, 1, cells), maps.shape());
  return where(removed, reshape(fill, {1, images.size(1), 1, 1}), images);
}

std::vector<double> remove_and_retrain(
    const MappedImages& train, const MappedImages& test, std::span<const double> shares,
    const Retrain& retrain) {
  const Tensor fill = channel_means(train.images);
  std::vector<double> accuracies;
  for (const double share : shares) {
    accuracies.push_back(retrain(
        without_top_pixels(train.images, train.maps, share, fill),
        without_top_pixels(test.images, test.maps, share, fill)));
  }
  return accuracies;
}

}  // namespace limpid::interpret
