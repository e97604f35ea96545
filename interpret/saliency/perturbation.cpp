// interpret/saliency/perturbation.cpp: masks in pieces, scores, and their weighted sums.
#include "interpret/saliency/perturbation.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/cam.h"
#include "interpret/saliency/pixels.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace limpid::interpret {
namespace {

constexpr int64_t kPiece = 128;       // masked images per pass
constexpr uint64_t kRandomGrids = 2;  // the stream of RISE's masks under the seed

// 0, stride, 2 stride, ... and the last place where a window fits
std::vector<int64_t> places(int64_t side, int64_t size, int64_t stride) {
  std::vector<int64_t> found;
  for (int64_t place = 0; place < side - size; place += stride) found.push_back(place);
  found.push_back(side - size);
  return found;
}

template <class T>
void blacken(T* mask, int64_t W, int64_t top, int64_t left, int64_t size) {
  for (int64_t row = top; row < top + size; ++row) {
    std::fill_n(mask + row * W + left, size, T(0));
  }
}

}  // namespace

Masks windows(const Shape& images, DType dtype, int64_t size, int64_t stride) {
  const int64_t H = images[2];
  const int64_t W = images[3];
  check_value(
      size >= 1 && size <= std::min(H, W) && stride >= 1, "occlusion", "a window of ", size,
      " pixels every ", stride, " does not fit ", images);
  const std::vector<int64_t> rows = places(H, size, stride);
  const std::vector<int64_t> columns = places(W, size, stride);
  const auto piece = [=](int64_t begin, int64_t end) {
    Tensor masks = Tensor::ones({end - begin, 1, H, W}, dtype);
    visit_float("occlusion", dtype, [&]<class T>() {
      T* values = masks.mutable_data<T>();
      for (int64_t i = begin; i < end; ++i) {
        const int64_t top = rows[static_cast<size_t>(i / std::ssize(columns))];
        const int64_t left = columns[static_cast<size_t>(i % std::ssize(columns))];
        blacken(values + (i - begin) * H * W, W, top, left, size);
      }
    });
    return masks;
  };
  return {std::ssize(rows) * std::ssize(columns), piece};
}

Masks random_grids(
    const Shape& images, DType dtype, int64_t count, int64_t cells, double keep, uint64_t seed) {
  check_value(
      count >= 1 && cells >= 1 && keep > 0 && keep < 1, "rise",
      "needs masks and cells >= 1 and 0 < ", "keep < 1, got ", count, ", ", cells, ", ", keep);
  const int64_t H = images[2];
  const int64_t W = images[3];
  const int64_t high = (H + cells - 1) / cells;  // of a cell, in pixels
  const int64_t wide = (W + cells - 1) / cells;
  const Rng all = Rng(seed).child(kRandomGrids);
  const auto mask = [=](int64_t i) {
    Rng rng = all.child(static_cast<uint64_t>(i));
    const Tensor u = Tensor::uniform({1, 1, cells, cells}, rng, 0, 1, dtype);
    const Tensor grid = less(u, Tensor::scalar(keep, dtype));
    const Tensor large = resize_bilinear(grid, (cells + 1) * high, (cells + 1) * wide);
    const int64_t top = rng.integer(high);
    const int64_t left = rng.integer(wide);
    return slice(slice(large, 2, top, top + H), 3, left, left + W);
  };
  const auto piece = [=](int64_t begin, int64_t end) {
    std::vector<Tensor> parts;
    for (int64_t i = begin; i < end; ++i) parts.push_back(mask(i));
    return concat(parts, 0);
  };
  return {count, piece};
}

Tensor scores_under(
    const Explained& subject, const Tensor& image, const Tensor& masks, int64_t wanted_class,
    Target target) {
  const Recording off(false);
  std::vector<Tensor> parts;
  for (const Tensor& some : split(masks, 0, kPiece)) {
    Pass pass;
    const Tensor logits = subject.model(masked(subject, image, some), pass);  // [M, classes]
    const std::vector<int64_t> classes(static_cast<size_t>(some.size(0)), wanted_class);
    parts.push_back(select(target == Target::probability ? softmax(logits) : logits, classes));
  }
  return concat(parts, 0);
}

namespace {

// Calls use(n, scores [M, 1], masks [M, H W]) in double, for every image and every piece of masks.
template <class F>
void for_each_piece(
    const Explained& subject, const Tensor& images, std::span<const int64_t> classes,
    const Masks& masks, Target target, const F& use) {
  const Recording off(false);
  for (int64_t begin = 0; begin < masks.count; begin += kPiece) {
    const Tensor some = masks.piece(begin, std::min(masks.count, begin + kPiece));
    const Tensor rows = to(flatten(some), DType::f64);
    for (size_t n = 0; n < classes.size(); ++n) {
      const auto at = static_cast<int64_t>(n);
      const Tensor image = slice(images, 0, at, at + 1);
      use(n, to(scores_under(subject, image, some, classes[n], target), DType::f64), rows);
    }
  }
}

// Rows [1, H W] in double as maps [N, 1, H, W] in the type of the images.
Tensor as_maps(const std::vector<Tensor>& rows, const Tensor& images) {
  const Recording off(false);
  const Shape shape = {images.size(0), 1, images.size(2), images.size(3)};
  return reshape(to(concat(rows, 0), images.dtype()), shape);
}

std::vector<Tensor> zero_rows(const Tensor& images) {
  const Tensor zero = Tensor::zeros({1, images.size(2) * images.size(3)}, DType::f64);
  return std::vector<Tensor>(static_cast<size_t>(images.size(0)), zero);
}

}  // namespace

Tensor occlusion_map(
    const Explained& subject, const Tensor& images, std::span<const int64_t> classes,
    const Masks& windows, bool divides_by_coverage) {
  // The whole image goes through the same arithmetic, so that a window without effect counts as 0
  const Recording off(false);
  const Tensor all = Tensor::ones({1, 1, images.size(2), images.size(3)}, images.dtype());
  std::vector<double> whole;
  for (size_t n = 0; n < classes.size(); ++n) {
    const auto at = static_cast<int64_t>(n);
    const Tensor image = slice(images, 0, at, at + 1);
    whole.push_back(scores_under(subject, image, all, classes[n], Target::logit).item());
  }

  std::vector<Tensor> sums = zero_rows(images);
  std::vector<Tensor> coverage = sums;
  const auto use = [&](size_t n, const Tensor& scores, const Tensor& masks) {
    const Tensor covered = 1 - masks;
    sums[n] = sums[n] + matmul(whole[n] - scores, covered, {.transpose_a = true});
    coverage[n] = coverage[n] + sum(covered, {0});
  };
  for_each_piece(subject, images, classes, windows, Target::logit, use);
  if (divides_by_coverage) {
    for (size_t n = 0; n < sums.size(); ++n) sums[n] = ratio_or_zero(sums[n], coverage[n]);
  }
  return as_maps(sums, images);
}

Tensor rise_map(
    const Explained& subject, const Tensor& images, std::span<const int64_t> classes,
    const Masks& masks, double keep, Target target) {
  const Recording off(false);
  std::vector<Tensor> sums = zero_rows(images);
  std::vector<double> low(classes.size(), INFINITY), high(classes.size(), -INFINITY);
  const double expected = static_cast<double>(masks.count) * keep;
  const auto use = [&](size_t n, const Tensor& scores, const Tensor& rows) {
    sums[n] = sums[n] + matmul(scores, rows, {.transpose_a = true}) / expected;
    for (const double score : scores.values<double>()) {
      low[n] = std::min(low[n], score);
      high[n] = std::max(high[n], score);
    }
  };
  for_each_piece(subject, images, classes, masks, target, use);
  for (size_t n = 0; n < sums.size(); ++n) {
    // Such a sum would show how often the masks happened to cover each pixel
    if (low[n] == high[n]) sums[n] = Tensor::full(sums[n].shape(), low[n], DType::f64);
  }
  return as_maps(sums, images);
}

}  // namespace limpid::interpret
