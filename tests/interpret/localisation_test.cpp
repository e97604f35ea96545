// tests/interpret/localisation_test.cpp: the pointing game on 4x4 maps.
#include "interpret/metrics/localisation.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// 4x4 masks: the left half of image 0, one pixel (2, 2) of image 1.
Tensor masks() {
  Tensor mask = Tensor::zeros({2, 1, 4, 4});
  float* m = mask.mutable_data<float>();
  for (int y = 0; y < 4; ++y) m[4 * y] = m[4 * y + 1] = 1;
  m[16 + 10] = 1;
  return mask;
}

}  // namespace

TEST_CASE("a hit is a largest pixel inside the mask") {
  Tensor map = Tensor::zeros({2, 1, 4, 4});
  map.mutable_data<float>()[5] = 1;        // inside
  map.mutable_data<float>()[16 + 11] = 1;  // beside
  CHECK(pointing_game(map, masks()) == std::vector<bool>{true, false});
  CHECK(hit_rate({true, false, false, false}) == 0.25);
}

TEST_CASE("a map without a largest pixel is a miss") {
  Tensor map = Tensor::full({2, 1, 4, 4}, 3);  // flat
  map.mutable_data<float>()[16 + 10] = std::nanf("");
  CHECK(pointing_game(map, masks()) == std::vector<bool>{false, false});
}

TEST_CASE("controls: the centre, and a random pixel as often as the mask is large") {
  CHECK(pointing_game_centre(masks()) == std::vector<bool>{false, true});
  Rng rng(1);
  constexpr int kGames = 4000;
  int hits = 0;
  for (int game = 0; game < kGames; ++game) hits += pointing_game_random(masks(), rng)[0] ? 1 : 0;
  // Half of the pixels: standard deviation 32 hits, so 160 is five of them
  CHECK(std::abs(hits - kGames / 2) < 160);
}

TEST_CASE("a miss by less than the tolerance is a hit") {
  Tensor map = Tensor::zeros({2, 1, 4, 4});
  map.mutable_data<float>()[2] = 1;        // one pixel to the right of the mask
  map.mutable_data<float>()[16 + 15] = 1;  // (3, 3), the square root of 2 from (2, 2)
  CHECK(pointing_game(map, masks()) == std::vector<bool>{false, false});
  CHECK(pointing_game(map, masks(), 1) == std::vector<bool>{false, false});  // below, not at
  CHECK(pointing_game(map, masks(), 1.2) == std::vector<bool>{true, false});
  CHECK(pointing_game(map, masks(), 2) == std::vector<bool>{true, true});
  CHECK_THROWS_AS(pointing_game(map, masks(), -1), ValueError);
}

TEST_CASE("energy: the share of a map that lies inside the mask") {
  Tensor map = Tensor::ones({2, 1, 4, 4});
  CHECK(energy_pointing_game(map, masks()) == std::vector<double>{0.5, 1.0 / 16});
  map.mutable_data<float>()[16 + 10] = 17;
  CHECK(energy_pointing_game(map, masks())[1] == 17.0 / 32);
  CHECK(
      energy_pointing_game(Tensor::zeros({2, 1, 4, 4}), masks()) == std::vector<double>{0.0, 0.0});
}

TEST_CASE("class mean: every class counts alike") {
  const std::vector<int64_t> classes = {0, 0, 0, 2};
  CHECK(class_mean(std::vector<double>{1, 1, 1, 0}, classes) == 0.5);
  CHECK_THROWS_AS(class_mean(std::vector<double>{1}, classes), ShapeError);
}

TEST_CASE("shapes must agree") {
  CHECK_THROWS_AS(pointing_game(Tensor::zeros({2, 1, 4, 5}), masks()), ShapeError);
  CHECK_THROWS_AS(pointing_game_centre(Tensor::zeros({2, 3, 4, 4})), ShapeError);
  CHECK_THROWS_AS(hit_rate({}), ValueError);
}
