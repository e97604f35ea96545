// interpret/metrics/controls.cpp: control maps and the scale of maps.
#include "interpret/metrics/controls.h"

#include "framework/core/error.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace limpid::interpret {
namespace {

void check_maps(const char* op, const Tensor& maps) {
  check_shape(
      maps.rank() == 4 && maps.size(1) == 1 && maps.numel() > 0, op,
      "needs maps [N, 1, h, w], got ", maps.shape());
}

int64_t cells_of(const Tensor& maps) { return maps.size(2) * maps.size(3); }

// The values of map n.
std::span<const float> map_at(const Tensor& maps, int64_t n) {
  const int64_t cells = cells_of(maps);
  return maps.values<float>().subspan(static_cast<size_t>(n * cells), static_cast<size_t>(cells));
}

bool is_flat(std::span<const float> map) {
  const bool is_finite = std::ranges::all_of(map, [](float v) { return std::isfinite(v); });
  const auto [low, high] = std::ranges::minmax_element(map);
  return !is_finite || *low == *high;
}

}  // namespace

Tensor ones_control(int64_t count, int64_t height, int64_t width) {
  return Tensor::ones({count, 1, height, width});
}

Tensor centre_control(int64_t count, int64_t height, int64_t width) {
  Tensor maps = Tensor::empty({count, 1, height, width});
  const double sigma = static_cast<double>(height) / 4;
  float* out = maps.mutable_data<float>();
  for (int64_t i = 0; i < maps.numel(); ++i) {
    const int64_t cell = i % (height * width);
    const double y = static_cast<double>(cell / width) - static_cast<double>(height - 1) / 2;
    const double x = static_cast<double>(cell % width) - static_cast<double>(width - 1) / 2;
    out[i] = static_cast<float>(std::exp(-(y * y + x * x) / (2 * sigma * sigma)));
  }
  return maps;
}

Tensor random_control(int64_t count, int64_t height, int64_t width, const Rng& rng) {
  Tensor maps = Tensor::empty({count, 1, height, width});
  const auto cells = static_cast<size_t>(height * width);
  float* out = maps.mutable_data<float>();
  for (int64_t n = 0; n < count; ++n) {
    const std::span<float> map(out + n * height * width, cells);
    rng.child(static_cast<uint64_t>(n)).uniform(map, 0, 1);
  }
  return maps;
}

Tensor smooth_random_control(int64_t count, int64_t height, int64_t width, const Rng& rng) {
  const Recording off(false);
  const int64_t h = std::max<int64_t>(2, height / 8);
  const int64_t w = std::max<int64_t>(2, width / 8);
  return resize_bilinear(random_control(count, h, w, rng), height, width);
}

Tensor shuffled_cells(const Tensor& maps, const Rng& rng) {
  check_maps("shuffled_cells", maps);
  Tensor shuffled = Tensor::empty(maps.shape());
  float* out = shuffled.mutable_data<float>();
  for (int64_t n = 0; n < maps.size(0); ++n) {
    const auto map = map_at(maps, n);
    for (const int64_t cell : rng.child(static_cast<uint64_t>(n)).permutation(cells_of(maps))) {
      *out++ = map[static_cast<size_t>(cell)];
    }
  }
  return shuffled;
}

Tensor unit_range(const Tensor& maps) {
  check_maps("unit_range", maps);
  Tensor scaled = Tensor::zeros(maps.shape());
  float* out = scaled.mutable_data<float>();
  for (int64_t n = 0; n < maps.size(0); ++n, out += cells_of(maps)) {
    const auto map = map_at(maps, n);
    if (is_flat(map)) continue;
    const auto [low, high] = std::ranges::minmax_element(map);
    const float least = *low;
    const float range = *high - least;
    std::ranges::transform(map, out, [=](float v) { return (v - least) / range; });
  }
  return scaled;
}

std::vector<bool> flat_maps(const Tensor& maps) {
  check_maps("flat_maps", maps);
  std::vector<bool> flat;
  for (int64_t n = 0; n < maps.size(0); ++n) flat.push_back(is_flat(map_at(maps, n)));
  return flat;
}

}  // namespace limpid::interpret
