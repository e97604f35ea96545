// tests/interpret/visited_test.cpp: regions that data visit, against patterns and enumeration.
#include "interpret/shallow/visited.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "interpret/shallow/regions.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

using namespace limpid;
using namespace limpid::interpret;

TEST_CASE("visited: keys are equal exactly where patterns are, and maps are theirs") {
  for (const char* name : {"mlp:6-5", "convnet:2x2:none:max", "resnet8"}) {
    CAPTURE(name);
    Rng rng(3);
    const bool is_flat = std::string(name).starts_with("mlp");
    const Shape example = is_flat ? Shape{2} : Shape{1, 4, 4};
    const auto model = make_model(name, {.input = example, .classes = 3}, rng);
    convert(*model, DType::f64);
    const PiecewiseLinear net = piecewise_linear(*model, example);
    // Points close together, so that many share a region
    const int64_t P = 150, n = net.inputs();
    const Shape shape = is_flat ? Shape{P, 2} : Shape{P, 1, 4, 4};
    const Tensor x = Tensor::normal(shape, rng, 0, is_flat ? 1 : 0.05, DType::f64);
    const auto keys = pattern_keys(*model, x);
    const Visited visited = visited_regions(keys);
    REQUIRE(visited.region_of.size() == static_cast<size_t>(P));

    if (is_flat) {  // relu alone: one pattern per key. Pools compare more than their gates show
      std::map<Pattern, int64_t> region_of;
      for (int64_t k = 0; k < P; ++k) {
        const Pattern pattern =
            net.pattern(x.values<double>().subspan(static_cast<size_t>(k * n), 2));
        const int64_t region = visited.region_of[static_cast<size_t>(k)];
        CHECK(region_of.emplace(pattern, region).first->second == region);
      }
      CHECK(std::ssize(region_of) == visited.size());
      CHECK(visited.size() < P);
    }

    // The map at the first example of a region holds at all its examples. Sums of some hundred
    // products of size 1
    for (int64_t k = 0; k < P; ++k) {
      const auto region = static_cast<size_t>(visited.region_of[static_cast<size_t>(k)]);
      const int64_t first = visited.first[region];
      if (k % 5 != 0) continue;
      const LocalMap map = local_map_at(*model, slice(x, 0, first, first + 1));
      const double* at = x.data<double>() + k * n;
      const auto y = net(std::span<const double>(at, static_cast<size_t>(n)));
      for (size_t o = 0; o < y.size(); ++o) {
        double linear = map.bias[o];
        for (int64_t i = 0; i < n; ++i)
          linear += map.weight[o * static_cast<size_t>(n) + static_cast<size_t>(i)] * at[i];
        CHECK(std::abs(linear - y[o]) <= 1e-10);
      }
    }
    int64_t total = 0;
    for (const int64_t count : visited.counts) total += count;
    CHECK(total == P);
    CHECK(coverage(visited, keys) == 1);
    const Tensor far = Tensor::normal(shape, rng, 0, 30, DType::f64);
    const VisitedCheck elsewhere = check_visited(*model, visited, x, far);
    CHECK(elsewhere.points == P);
    CHECK(elsewhere.covered < P);
    CHECK(
        coverage(visited, pattern_keys(*model, far)) ==
        static_cast<double>(elsewhere.covered) / static_cast<double>(P));
    const VisitedCheck own = check_visited(*model, visited, x, x);
    CHECK(own.covered == P);
    CHECK(own.models == visited.size());
    CHECK(own.max_abs_error <= 1e-10);
  }
}

TEST_CASE("visited: never more regions than there are, and refusals") {
  Rng rng(5);
  const auto model = make_model("mlp:5-5", {.input = {2}, .classes = 2}, rng);
  convert(*model, DType::f64);
  const RegionTree tree = enumerate_regions(piecewise_linear(*model, {2}), Domain::box(2, -3, 3));
  const Tensor x = Tensor::uniform({3000, 2}, rng, -3, 3, DType::f64);
  const Visited visited = visited_regions(pattern_keys(*model, x));
  CHECK(visited.size() <= tree.size());
  CHECK(visited.size() > tree.size() / 2);
  CHECK(visited.single_point_regions() <= visited.size());
  const auto vit = make_model("tiny_vit", {.input = {1, 8, 8}, .classes = 2}, rng);
  CHECK_THROWS_WITH_AS(
      pattern_keys(*vit, Tensor::zeros({1, 1, 8, 8})), doctest::Contains("not piecewise linear"),
      ValueError);
  CHECK_THROWS_AS(coverage(visited, {}), ValueError);
}
