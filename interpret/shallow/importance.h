// interpret/shallow/importance.h: how much an output depends on each input, over all regions.
//
//   importance_i = sum over regions j of pi_j |alpha_{j,i}| s_i
//   rising_i     = sum of pi_j over regions with alpha_{j,i} > 0, falling_i over those with < 0
//
//   symbol   code     meaning
//   alpha_j           the slope of the output in region j
//   pi_j              weight of region j: its share of the data, or of the volume of a box
//   s_i      spread   what counts as a step of input i: its standard deviation
//
// By data the regions are those that data visit. By volume they are all of the box: in the plane
// their areas are exact, elsewhere the sum is the mean over uniform points of the box, which needs
// no list of regions, with a 95 % interval (1.96 standard errors).
#pragma once

#include "interpret/shallow/piecewise_linear.h"
#include "interpret/shallow/polygons.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

struct Importance {
  std::vector<double> value;            // [n]
  std::vector<double> low, high;        // [n], empty if `value` is exact
  std::vector<double> rising, falling;  // [n], shares of the weight
  int64_t regions = 0;                  // met
  int64_t single_point_regions = 0;     // with one point
};

/// Standard deviation (over count) of each input of points [m, n].
std::vector<double> spread_of(std::span<const double> points, int64_t inputs);

/// Throws ShapeError unless the points are [m, n] with m >= 1.
Importance importance_by_data(
    const PiecewiseLinear& net, int64_t output, std::span<const double> points,
    std::span<const double> spread);

/// Throws ValueError if the list of polygons was cut short.
Importance importance_by_area(
    const Polygons& polygons, int64_t output, std::span<const double> spread);

/// Same values at any thread count. Throws ValueError for all of R^n and fewer than 2 samples.
Importance importance_by_volume(
    const PiecewiseLinear& net, int64_t output, const Domain& box, std::span<const double> spread,
    int64_t samples, uint64_t seed);

}  // namespace limpid::interpret
