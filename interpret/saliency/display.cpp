// interpret/saliency/display.cpp: scaling, and finding out why a map is flat.
#include "interpret/saliency/display.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/cam.h"
#include "interpret/saliency/gradient.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

struct Range {
  double low = 0, high = 0;
  int64_t not_finite = 0;
  int64_t count = 0;
};

Range range_of(const Tensor& x) {
  Range range{.low = INFINITY, .high = -INFINITY, .count = x.numel()};
  for (const double value : x.to_vector()) {
    range.not_finite += std::isfinite(value) ? 0 : 1;
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  return range;
}

// Every channel has one value: max - min over the positions is 0 everywhere.
bool is_constant_by_channel(const Tensor& features) {
  const Tensor rows = reshape(features, {features.size(1), features.size(2) * features.size(3)});
  const Range spread = range_of(max(rows, 1) + max(-rows, 1));
  return spread.low == 0 && spread.high == 0;
}

// Why the evidence of one image is flat: its map with sign, and the features it was made of.
std::string cause_of_flat_evidence(const Tensor& map, const Tensor& features) {
  if (features.defined()) {
    const Range range = range_of(features);
    if (range.low == 0 && range.high == 0) return "the layer's output is 0 everywhere";
    if (is_constant_by_channel(features)) return "the layer's output is the same at all positions";
  }
  const Range range = range_of(map);
  if (range.low == 0 && range.high == 0) {
    return features.defined() ? "the class score does not depend on the layer"
                              : "the class score is the same under all masks";
  }
  if (range.high <= 0) return "the evidence is nowhere positive";
  return "the evidence is the same at all positions";
}

std::string note_of(
    const RawMaps& raw, const Tensor& map, const Tensor& shown, const Tensor& features) {
  const Range signed_range = range_of(map);
  if (signed_range.not_finite > 0) {
    return join_text(
        "map holds NaN or infinity: ", signed_range.not_finite, " of ", signed_range.count,
        " values");
  }
  const Range range = range_of(shown);
  if (range.low < range.high) return "";
  const std::string cause =
      raw.is_evidence ? cause_of_flat_evidence(map, features)
      : range.high == 0
          ? "the class score does not react to the image, as when all rectifiers are inactive"
          : "all pixels count alike";
  return join_text("flat map: all values equal ", range.high, "; ", cause);
}

Tensor one_of(const Tensor& all, int64_t n) {
  return all.defined() ? slice(all, 0, n, n + 1) : Tensor();
}

}  // namespace

Tensor min_max(const Tensor& maps) {
  const Tensor rows = reshape(maps, {maps.size(0), maps.size(2) * maps.size(3)});
  const Tensor low = -max(-rows, 1);  // [N, 1]
  return reshape(ratio_or_zero(rows - low, max(rows, 1) - low), maps.shape());
}

Maps displayed(const RawMaps& raw, const Shape& images) {
  const Recording off(false);
  const bool is_table = images.rank() != 4;
  const Tensor magnitude = raw.is_evidence ? relu(raw.map)
                           : is_table      ? abs(raw.map)
                                           : channel_maximum(raw.map);
  const Tensor shown =
      raw.is_evidence ? resize_bilinear(min_max(magnitude), images[2], images[3]) : magnitude;
  Maps maps{raw.is_rectified ? magnitude : raw.map, {}, {}, raw.completeness, raw.is_evidence};
  std::vector<Tensor> parts;
  for (int64_t n = 0; n < shown.size(0); ++n) {
    const Tensor part = one_of(shown, n);
    maps.notes.push_back(
        note_of(raw, one_of(raw.map, n), one_of(magnitude, n), one_of(raw.features, n)));
    const bool says_nothing = !maps.notes.back().empty();
    parts.push_back(says_nothing ? Tensor::zeros(part.shape(), part.dtype()) : part);
  }
  maps.shown = concat(parts, 0);
  return maps;
}

}  // namespace limpid::interpret
