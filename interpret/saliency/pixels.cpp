// interpret/saliency/pixels.cpp: from the network's numbers to pixels and back.
#include "interpret/saliency/pixels.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"

namespace limpid::interpret {
namespace {

// [C] or [1] -> [1, C, 1, 1] or [1, 1, 1, 1] beside images, or [1, D] beside a table
Tensor beside(const Tensor& images, const Tensor& per_channel, double otherwise) {
  const int64_t count = per_channel.defined() ? per_channel.numel() : 1;
  check_shape(
      count == 1 || count == images.size(1), "saliency", "mean and deviation of ", count,
      " values do not fit ", images.shape());
  const Shape shape = images.rank() == 4 ? Shape{1, count, 1, 1} : Shape{1, count};
  if (!per_channel.defined()) return Tensor::full(shape, otherwise, images.dtype());
  return reshape(to(per_channel, images.dtype()), shape);
}

}  // namespace

Tensor masked(const Explained& subject, const Tensor& images, const Tensor& mask) {
  const Tensor mean = beside(images, subject.mean, 0);
  const Tensor deviation = beside(images, subject.deviation, 1);
  return (mask * (images * deviation + mean) - mean) / deviation;
}

namespace {

Tensor uniform_images(const Explained& subject, const Tensor& images, double pixel) {
  const Tensor value = pixel - beside(images, subject.mean, 0);
  return broadcast_to(value / beside(images, subject.deviation, 1), images.shape());
}

}  // namespace

Tensor black(const Explained& subject, const Tensor& images) {
  return uniform_images(subject, images, 0);
}

Tensor white(const Explained& subject, const Tensor& images) {
  return uniform_images(subject, images, 1);
}

}  // namespace limpid::interpret
