// tests/interpret/confidence_test.cpp: AD, AG and AI by hand, masks and controls.
#include "interpret/metrics/confidence.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/nn/models.h"
#include "framework/ops/pointwise.h"
#include "interpret/metrics/controls.h"
#include "interpret/numerics/statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

const PixelSpace kSpace = {Tensor::of({3}, {0.49, 0.48, 0.44}), Tensor::of({3}, {0.2, 0.21, 0.19})};

std::unique_ptr<Module> small_net() {
  Rng rng(5);
  return make_model("convnet:4x2:batch", {.input = {3, 16, 16}, .classes = 4}, rng);
}

Tensor some_images(int64_t count) {
  Rng rng(6);
  return Tensor::normal({count, 3, 16, 16}, rng, 0, 1);
}

}  // namespace

TEST_CASE("confidence: three images by hand") {
  const Confidence c =
      confidence(std::vector<double>{0.8, 0.5, 0.2}, std::vector<double>{0.4, 0.5, 0.6});
  CHECK(mean_of(c.drop) == doctest::Approx(50.0 / 3).epsilon(1e-12));
  CHECK(mean_of(c.gain) == doctest::Approx(50.0 / 3).epsilon(1e-12));
  CHECK(mean_of(c.increase) == doctest::Approx(100.0 / 3).epsilon(1e-12));
  // Certain, and impossible
  const Confidence ends = confidence(std::vector<double>{1, 0}, std::vector<double>{1, 0});
  CHECK(mean_of(ends.drop) == 0);
  CHECK(mean_of(ends.gain) == 0);
  CHECK_THROWS_AS(confidence(std::vector<double>{1}, {}), ShapeError);
}

TEST_CASE("confidence: a map of ones gives exactly 0, 0, 0") {
  const auto net = small_net();
  const Tensor images = some_images(70);  // more than one pass
  std::vector<int64_t> classes(70);
  for (size_t n = 0; n < classes.size(); ++n) classes[n] = static_cast<int64_t>(n) % 4;
  const Score score = class_probability(*net, classes);
  const Confidence c = confidence(
      plain_scores(score, images, kSpace),
      masked_scores(score, images, ones_control(70, 16, 16), kSpace));
  CHECK(mean_of(c.drop) == 0);
  CHECK(mean_of(c.gain) == 0);
  CHECK(mean_of(c.increase) == 0);
}

TEST_CASE("masked: black where the mask is 0, half as bright where it is 1/2") {
  const Tensor pixels = Tensor::full({1, 3, 1, 3}, 0.8);
  const Tensor images = kSpace.images(pixels);
  const Tensor mask = Tensor::of({1, 1, 1, 3}, {0, 0.5, 1});
  const std::vector<double> seen = kSpace.pixels(masked(images, mask, kSpace)).to_vector();
  for (size_t i = 0; i < seen.size(); ++i) {
    CHECK(std::abs(seen[i] - 0.4 * static_cast<double>(i % 3)) < 1e-6);
  }
  CHECK_THROWS_AS(masked(images, Tensor::ones({1, 1, 3, 1}), kSpace), ShapeError);
}

TEST_CASE("controls: their values") {
  const Tensor centre = centre_control(2, 8, 6);
  const auto at = [&](int64_t y, int64_t x) { return centre.to_vector()[48 + y * 6 + x]; };
  for (int64_t y = 0; y < 8; ++y) {
    for (int64_t x = 0; x < 6; ++x) {
      const double r2 = (y - 3.5) * (y - 3.5) + (x - 2.5) * (x - 2.5);
      CHECK(std::abs(at(y, x) - std::exp(-r2 / (2 * 2.0 * 2.0))) < 1e-6);
    }
  }
  const std::vector<double> noise = random_control(20, 16, 16, Rng(1)).to_vector();
  CHECK(mean_of(noise) == doctest::Approx(0.5).epsilon(0.03));
  CHECK(*std::min_element(noise.begin(), noise.end()) >= 0);
  CHECK(*std::max_element(noise.begin(), noise.end()) < 1);
  // Fewer images give the beginning
  const std::vector<double> fewer = random_control(3, 16, 16, Rng(1)).to_vector();
  CHECK(std::equal(fewer.begin(), fewer.end(), noise.begin()));
}

TEST_CASE("controls: shuffled cells are the same cells elsewhere") {
  Rng rng(2);
  const Tensor maps = Tensor::uniform({3, 1, 4, 5}, rng, 0, 1);
  const Tensor shuffled = shuffled_cells(maps, Rng(3));
  CHECK(shuffled_cells(maps, Rng(3)).to_vector() == shuffled.to_vector());
  for (int64_t n = 0; n < 3; ++n) {
    std::vector<double> a = maps.to_vector();
    std::vector<double> b = shuffled.to_vector();
    a = {a.begin() + 20 * n, a.begin() + 20 * n + 20};
    b = {b.begin() + 20 * n, b.begin() + 20 * n + 20};
    CHECK(a != b);
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    CHECK(a == b);
  }
}

TEST_CASE("unit_range: to [0, 1], flat and broken maps to zeros") {
  const Tensor maps = Tensor::of({3, 1, 1, 3}, {2, 6, 4, 5, 5, 5, 1, NAN, 2});
  CHECK(unit_range(maps).to_vector() == std::vector<double>{0, 1, 0.5, 0, 0, 0, 0, 0, 0});
  CHECK(flat_maps(maps) == std::vector<bool>{false, true, true});
  CHECK_THROWS_AS(unit_range(Tensor::zeros({1, 3, 2, 2})), ShapeError);
}

TEST_CASE("scores: any number of threads, a class per image, nothing written") {
  const auto net = small_net();
  const Tensor images = some_images(5);
  const std::vector<int64_t> classes = {0, 1, 2, 3, 0};
  const auto at = [&](int threads) {
    const parallel::ThreadLimit limit(threads);
    return scores_of(class_probability(*net, classes), images);
  };
  CHECK(at(1) == at(3));
  const std::vector<int64_t> wrong = {0, 1, 2, 4, 0};
  CHECK_THROWS_AS(scores_of(class_probability(*net, wrong), images), ValueError);
  CHECK_THROWS_AS(
      scores_of(class_logit(*net, std::span(classes).subspan(0, 2)), images), ValueError);
}
