// interpret/metrics/insertion_deletion.cpp: many steps of many images in each forward pass.
#include "interpret/metrics/insertion_deletion.h"

#include "framework/core/error.h"
#include "framework/ops/conv.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace limpid::interpret {
namespace {

// Position after mirroring at the ends of 0 ... n-1, each end twice: ... 1 0 | 0 1 ... n-1 | n-1
// ...
int64_t mirrored(int64_t i, int64_t n) {
  const int64_t place = ((i % (2 * n)) + 2 * n) % (2 * n);
  return place < n ? place : 2 * n - 1 - place;
}

// When each pixel is taken, from 0: [N, 1, H, W].
Tensor ranks(const Tensor& maps) {
  const int64_t count = maps.size(0);
  const int64_t cells = maps.size(2) * maps.size(3);
  const Tensor order = arg_sort(reshape(maps, {count, cells}), 1, true);
  Tensor when = Tensor::empty(maps.shape());
  float* out = when.mutable_data<float>();
  for (int64_t n = 0; n < count; ++n) {
    const int64_t* row = order.data<int64_t>() + n * cells;
    for (int64_t place = 0; place < cells; ++place) {
      out[n * cells + row[place]] = static_cast<float>(place);
    }
  }
  return when;
}

int64_t default_step(const Tensor& images) {
  return (images.size(2) * images.size(3) + 31) / 32;  // so that there are at most 32 steps
}

}  // namespace

std::vector<double> folded_gaussian(int64_t n, double sigma) {
  check_value(
      n >= 1 && n % 2 == 1 && sigma > 0, "folded_gaussian", "needs an odd size and sigma > 0, got ",
      n, " and ", sigma);
  const auto radius = static_cast<int64_t>(4 * sigma + 0.5);
  std::vector<double> taps;
  for (int64_t t = -radius; t <= radius; ++t) {
    taps.push_back(std::exp(-static_cast<double>(t * t) / (2 * sigma * sigma)));
  }
  const double total = std::accumulate(taps.begin(), taps.end(), 0.0);

  // w[i] collects the taps whose mirrored position is the 1 in the middle
  std::vector<double> weights(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t t = -radius; t <= radius; ++t) {
      if (mirrored(i + t, n) != n / 2) continue;
      weights[static_cast<size_t>(i)] += taps[static_cast<size_t>(t + radius)] / total;
    }
  }
  return weights;
}

Tensor blurred(const Tensor& images, int64_t size, double sigma) {
  const Recording off(false);
  const std::vector<double> w = folded_gaussian(size, sigma);
  const Tensor column = Tensor::of({1, 1, size, 1}, w);
  const Tensor filter = column * reshape(column, {1, 1, 1, size});
  const int64_t planes = images.size(0) * images.size(1);
  const Tensor stack = reshape(images, {planes, 1, images.size(2), images.size(3)});
  return reshape(conv2d(stack, filter, {.padding = size / 2}), images.shape());
}

double area_below(std::span<const double> scores) {
  check_shape(scores.size() >= 2, "area_below", "needs two scores, got ", scores.size());
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  return (sum - scores.front() / 2 - scores.back() / 2) / static_cast<double>(scores.size() - 1);
}

std::vector<double> Curves::mean_curve() const {
  const auto length = static_cast<size_t>(steps + 1);
  std::vector<double> mean(length);
  for (size_t i = 0; i < scores.size(); ++i) mean[i % length] += scores[i];
  for (double& value : mean) value /= static_cast<double>(area.size());
  return mean;
}

std::vector<double> Curves::coarser_area(int64_t factor) const {
  check_value(
      factor >= 1 && steps % factor == 0, "coarser_area", factor, " does not divide ", steps,
      " steps");
  std::vector<double> areas;
  for (size_t n = 0; n < area.size(); ++n) {
    std::vector<double> some;
    for (int64_t t = 0; t <= steps; t += factor) {
      some.push_back(scores[n * static_cast<size_t>(steps + 1) + static_cast<size_t>(t)]);
    }
    areas.push_back(area_below(some));
  }
  return areas;
}

InsertionDeletion::InsertionDeletion(Score score, const Tensor& images, const StepOptions& o)
    : score_(std::move(score)), images_(images.detach()) {
  check_shape(
      images.rank() == 4 && images.numel() > 0, "insertion_deletion",
      "needs images [N, C, H, W], got ", images.shape());
  check_value(o.step >= 0, "insertion_deletion", "step ", o.step, " is negative");
  const int64_t cells = images.size(2) * images.size(3);
  step_ = o.step > 0 ? o.step : default_step(images);
  steps_ = (cells + step_ - 1) / step_;
  zeros_ = Tensor::zeros(images.shape());
  blurred_ = o.blur == 0 ? zeros_ : blurred(images_, o.blur, o.blur_sigma);
  image_score_ = scores_of(score_, images_);
  blurred_score_ = scores_of(score_, blurred_);
  zero_score_ = scores_of(score_, zeros_);
}

Curves InsertionDeletion::deletion(const Tensor& maps) const {
  return run(maps, images_, image_score_, zeros_, zero_score_);
}

Curves InsertionDeletion::insertion(const Tensor& maps) const {
  return run(maps, blurred_, blurred_score_, images_, image_score_);
}

Curves InsertionDeletion::run(
    const Tensor& maps, const Tensor& from, const std::vector<double>& first, const Tensor& to,
    const std::vector<double>& last) const {
  const Recording off(false);
  const int64_t count = images_.size(0);
  const int64_t H = images_.size(2);
  const int64_t W = images_.size(3);
  check_shape(
      maps.shape() == Shape({count, 1, H, W}), "insertion_deletion",
      "needs a map [N, 1, H, W] per image (images ", images_.shape(), ", maps ", maps.shape(), ")");
  Curves curves{steps_, std::vector<double>(static_cast<size_t>(count * (steps_ + 1))), {}};
  const auto at = [&](int64_t n, int64_t t) -> double& {
    return curves.scores[static_cast<size_t>(n * (steps_ + 1) + t)];
  };
  const Tensor when = ranks(maps);  // [N, 1, H, W]

  // Variant v is image v / inner after step 1 + v % inner; both ends are known already
  const int64_t inner = steps_ - 1;
  const int64_t total = count * inner;
  for (int64_t begin = 0; begin < total; begin += kVariantsPerPass) {
    const int64_t end = std::min(total, begin + kVariantsPerPass);
    std::vector<int64_t> origin;
    std::vector<double> taken;  // pixels
    for (int64_t v = begin; v < end; ++v) {
      origin.push_back(v / inner);
      taken.push_back(static_cast<double>((1 + v % inner) * step_));
    }
    const int64_t low = origin.front();
    const int64_t high = origin.back() + 1;
    std::vector<int64_t> local = origin;
    for (int64_t& n : local) n -= low;
    const auto chosen = [&](const Tensor& all) {  // the rows of the origins
      return take_rows(slice(all, 0, low, high), local);
    };
    const Tensor limit = Tensor::of({end - begin, 1, 1, 1}, taken);
    const Tensor variants = where(less(chosen(when), limit), chosen(to), chosen(from));
    const std::vector<double> scores = score_(variants, origin);
    for (int64_t v = begin; v < end; ++v) {
      at(v / inner, 1 + v % inner) = scores[static_cast<size_t>(v - begin)];
    }
    if (progress) progress(end, total);
  }

  for (int64_t n = 0; n < count; ++n) {
    at(n, 0) = first[static_cast<size_t>(n)];
    at(n, steps_) = last[static_cast<size_t>(n)];
    curves.area.push_back(area_below({&at(n, 0), static_cast<size_t>(steps_ + 1)}));
  }
  return curves;
}

}  // namespace limpid::interpret
