// tests/interpret/shallow_nets.h: small networks whose regions are known or can be counted.
#pragma once

#include "framework/core/rng.h"
#include "interpret/shallow/regions.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

namespace limpid::interpret {

/// Inputs, hidden widths, outputs; normal weights of deviation 1 / sqrt(fan-in), normal biases.
inline PiecewiseLinear random_network(
    const std::vector<int64_t>& widths, uint64_t seed, bool has_bias = true) {
  Rng rng(seed);
  std::vector<DenseLayer> layers;
  for (size_t l = 0; l + 1 < widths.size(); ++l) {
    const auto in = static_cast<size_t>(widths[l]), out = static_cast<size_t>(widths[l + 1]);
    DenseLayer layer{
        .rows = widths[l + 1],
        .weight = std::vector<double>(in * out),
        .bias = std::vector<double>(out, 0.0)};
    rng.normal(layer.weight, 0, 1 / std::sqrt(static_cast<double>(in)));
    if (has_bias) rng.normal(layer.bias, 0, 1);
    layers.push_back(std::move(layer));
  }
  return multilayer(widths[0], layers);
}

/// Whole weights and biases in -3 to 3: cuts meet in common points, rows repeat and vanish.
inline PiecewiseLinear integer_network(const std::vector<int64_t>& widths, uint64_t seed) {
  Rng rng(seed);
  std::vector<DenseLayer> layers;
  for (size_t l = 0; l + 1 < widths.size(); ++l) {
    DenseLayer layer{.rows = widths[l + 1], .weight = {}, .bias = {}};
    const auto draw = [&] { return static_cast<double>(rng.integer(7) - 3); };
    for (int64_t k = 0; k < widths[l] * widths[l + 1]; ++k) layer.weight.push_back(draw());
    for (int64_t k = 0; k < widths[l + 1]; ++k) layer.bias.push_back(draw());
    layers.push_back(std::move(layer));
  }
  return multilayer(widths[0], layers);
}

/// T(x) = 2 relu(x) - 4 relu(x - 1/2), applied L times.
inline PiecewiseLinear tent_network(int64_t levels) {
  std::vector<DenseLayer> layers = {{.rows = 2, .weight = {1, 1}, .bias = {0, -0.5}}};
  for (int64_t l = 1; l < levels; ++l) {
    layers.push_back({.rows = 2, .weight = {2, -4, 2, -4}, .bias = {0, -0.5}});
  }
  layers.push_back({.rows = 1, .weight = {2, -4}, .bias = {0}});
  return multilayer(1, layers);
}

/// The patterns of a RegionTree or of Polygons.
template <class Regions>
std::set<Pattern> pattern_set(const Regions& regions) {
  std::set<Pattern> patterns;
  for (int64_t j = 0; j < regions.size(); ++j) {
    patterns.emplace(regions.pattern(j), regions.pattern(j) + regions.units);
  }
  return patterns;
}

}  // namespace limpid::interpret
