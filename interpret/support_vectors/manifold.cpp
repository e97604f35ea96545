// interpret/support_vectors/manifold.cpp: draws of views, their maps, the priors as ops.
#include "interpret/support_vectors/manifold.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"

#include <cmath>
#include <functional>

namespace limpid::interpret {
namespace {

void check_strengths(const ViewOptions& o, const Shape& images) {
  for (const double share : {o.shift, o.crop, o.cutout, o.flip}) {
    check_value(
        share >= 0 && share <= 1, "view", "strength ", share, " is not a share from 0 to 1");
  }
  check_value(o.crop < 1, "view", "a crop of the whole side leaves nothing");
  check_value(
      o.noise >= 0 && std::isfinite(o.noise), "view", "noise ", o.noise,
      " is no standard deviation");
  const bool moves = o.shift > 0 || o.crop > 0 || o.cutout > 0 || o.flip > 0;
  check_shape(
      images.rank() == 4 || !moves, "view", "only images have pixels to move (", images, ")");
}

// n draws, or one for all.
template <class T>
std::vector<T> draws(int64_t n, bool per_image, const std::function<T()>& draw) {
  std::vector<T> all;
  for (int64_t i = 0; i < n; ++i) all.push_back(i == 0 || per_image ? draw() : all.front());
  return all;
}

}  // namespace

View draw_view(const ViewOptions& o, const Shape& images, DType dtype, Rng& rng) {
  check_strengths(o, images);
  View view;
  const int64_t n = images[0];
  // Each part has a generator of its own: switching one on leaves the others as they were
  Rng for_shift = rng.fork(), for_crop = rng.fork(), for_flip = rng.fork(), for_hole = rng.fork();
  Rng for_noise = rng.fork();
  if (o.noise > 0) view.noise = Tensor::normal(images, for_noise, 0, o.noise, dtype);
  if (images.rank() != 4) return view;

  const auto H = static_cast<double>(images[2]), W = static_cast<double>(images[3]);
  if (o.shift > 0) {
    const auto within = [&](double side) {
      const auto most = static_cast<int64_t>(std::floor(o.shift * side));
      return for_shift.integer(2 * most + 1) - most;
    };
    view.shifts = draws<Offset>(n, o.per_image, [&] {
      const int64_t down = within(H);
      return Offset{.down = down, .right = within(W)};
    });
  }
  if (o.crop > 0) {
    view.crops = draws<Box>(n, o.per_image, [&] {
      const double kept = 1 - for_crop.uniform(0, o.crop);
      const double top = for_crop.uniform(0, (1 - kept) * H);
      const double left = for_crop.uniform(0, (1 - kept) * W);
      return Box{.top = top, .left = left, .height = kept * H, .width = kept * W};
    });
  }
  if (o.flip > 0) {
    view.flips = draws<bool>(n, o.per_image, [&] { return for_flip.uniform() < o.flip; });
  }
  if (o.cutout > 0) {
    view.holes = draws<Box>(n, o.per_image, [&] {
      const double top = for_hole.uniform(0, H) - o.cutout * H / 2;
      const double left = for_hole.uniform(0, W) - o.cutout * W / 2;
      return Box{.top = top, .left = left, .height = o.cutout * H, .width = o.cutout * W};
    });
  }
  return view;
}

Tensor seen(const View& view, const Tensor& images) {
  Tensor x = images;
  if (!view.crops.empty()) x = crop_resize(x, view.crops, x.size(2), x.size(3));
  if (!view.shifts.empty()) x = shift(x, view.shifts);
  if (!view.flips.empty()) x = flip_horizontal(x, view.flips);
  if (view.noise.defined()) x = x + view.noise;
  if (!view.holes.empty()) x = cutout(x, view.holes);
  return x;
}

Tensor total_variation(const Tensor& images, bool averages) {
  check_shape(images.rank() == 4, "total_variation", "needs images (", images.shape(), ")");
  Tensor total = Tensor::zeros({images.size(0)}, images.dtype());
  for (const int64_t axis : {2, 3}) {
    const int64_t size = images.size(axis);
    if (size < 2) continue;
    const Tensor step = slice(images, axis, 1, size) - slice(images, axis, 0, size - 1);
    total = total + reshape(sum(step * step, {1, 2, 3}), {images.size(0)});
  }
  const auto pixels = static_cast<double>(images.numel() / std::max<int64_t>(images.size(0), 1));
  return averages ? total / pixels : total;
}

Tensor size_prior(const Tensor& images, SizePrior prior, const Tensor& centre) {
  const Tensor x = flatten(centre.defined() ? images - centre : images);
  const Tensor squares = reshape(sum(x * x, {1}), {x.size(0)});
  if (prior == SizePrior::squared) return squares;
  // The root of 0 has no slope; where() keeps it out
  const Tensor is_away = greater(squares.detach(), Tensor::zeros(squares.shape(), x.dtype()));
  const Tensor safe = where(is_away, squares, Tensor::ones(squares.shape(), x.dtype()));
  return is_away * sqrt(safe);
}

}  // namespace limpid::interpret
