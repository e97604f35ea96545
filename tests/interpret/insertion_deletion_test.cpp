// tests/interpret/insertion_deletion_test.cpp: curves by hand and against a plain loop.
#include "interpret/metrics/insertion_deletion.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// A "probability" that is a weighted sum of four pixels.
std::vector<double> additive(const Tensor& variants, std::span<const int64_t>) {
  const double weights[] = {0.4, 0.3, 0.2, 0.1};
  const std::vector<double> x = variants.to_vector();
  std::vector<double> scores;
  for (size_t n = 0; n < x.size(); n += 4) {
    scores.push_back(
        std::inner_product(weights, weights + 4, x.begin() + static_cast<long>(n), 0.0));
  }
  return scores;
}

struct Areas {
  double deletion, insertion;
};

Areas additive_areas(const std::vector<double>& values) {
  const InsertionDeletion metric(
      additive, Tensor::ones({1, 1, 2, 2}), {.step = 1, .blur = 0});  // into zeros
  const Tensor map = Tensor::of({1, 1, 2, 2}, values);
  return {metric.deletion(map).area[0], metric.insertion(map).area[0]};
}

// Petsiuk's loop: one image at a time, one step after the other.
std::vector<double> plain_curve(
    const Score& score, const Tensor& image, int64_t origin, const Tensor& map, const Tensor& from,
    const Tensor& to, int64_t step) {
  const std::vector<double> values = map.to_vector();
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  const size_t cells = values.size();
  const auto channels = static_cast<size_t>(image.size(1));
  Tensor current = from.clone();
  std::vector<double> curve;
  const int64_t steps = (static_cast<int64_t>(cells) + step - 1) / step;
  for (int64_t s = 0; s <= steps; ++s) {
    const int64_t origins[] = {origin};
    curve.push_back(score(current.clone(), origins)[0]);
    const size_t first = static_cast<size_t>(s * step);
    for (size_t k = first; k < std::min(cells, first + static_cast<size_t>(step)); ++k) {
      for (size_t c = 0; c < channels; ++c) {
        current.mutable_data<float>()[c * cells + order[k]] =
            to.data<float>()[c * cells + order[k]];
      }
    }
  }
  return curve;
}

Tensor one(const Tensor& all, int64_t n) { return slice(all, 0, n, n + 1); }

}  // namespace

TEST_CASE("insertion and deletion: four additive pixels") {
  const Areas right = additive_areas({4, 3, 2, 1});
  CHECK(right.deletion == doctest::Approx(0.375).epsilon(1e-6));
  CHECK(right.insertion == doctest::Approx(0.625).epsilon(1e-6));
  const Areas wrong = additive_areas({1, 2, 3, 4});
  CHECK(wrong.deletion == doctest::Approx(0.625).epsilon(1e-6));
  CHECK(wrong.insertion == doctest::Approx(0.375).epsilon(1e-6));
  std::vector<double> order = {1, 2, 3, 4};
  do {
    const Areas areas = additive_areas(order);
    CHECK(areas.deletion + areas.insertion == doctest::Approx(1).epsilon(1e-6));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("folded Gaussian: the values of the RISE program") {
  const double eleven[] = {0.087958, 0.088896, 0.090474, 0.092191, 0.093489, 0.093982};
  const std::vector<double> w = folded_gaussian(11, 5);
  REQUIRE(w.size() == 11);
  for (size_t i = 0; i < 6; ++i) {
    CHECK(std::abs(w[i] - eleven[i]) < 1e-6);
    CHECK(std::abs(w[10 - i] - eleven[i]) < 1e-6);
  }
  CHECK(std::accumulate(w.begin(), w.end(), 0.0) == doctest::Approx(1).epsilon(1e-12));
  const double five[] = {0.200001, 0.199995, 0.200007, 0.199995, 0.200001};
  const std::vector<double> v = folded_gaussian(5, 5);
  for (size_t i = 0; i < 5; ++i) CHECK(std::abs(v[i] - five[i]) < 1e-6);
  CHECK_THROWS_AS(folded_gaussian(4, 1), ValueError);
  CHECK_THROWS_AS(folded_gaussian(5, 0), ValueError);
}

TEST_CASE("blurred: each channel alone, zeros around it") {
  Tensor image = Tensor::zeros({1, 2, 16, 16});
  image.mutable_data<float>()[8 * 16 + 1] = 1;  // channel 0, row 8, column 1
  const std::vector<double> out = blurred(image).to_vector();
  const std::vector<double> w = folded_gaussian(11, 5);
  for (int64_t y = 0; y < 16; ++y) {
    for (int64_t x = 0; x < 16; ++x) {
      const bool is_near = std::abs(y - 8) <= 5 && std::abs(x - 1) <= 5;
      const double expected =
          is_near ? w[static_cast<size_t>(y - 8 + 5)] * w[static_cast<size_t>(x - 1 + 5)] : 0;
      CHECK(std::abs(out[static_cast<size_t>(y * 16 + x)] - expected) < 1e-7);
    }
  }
  for (size_t i = 256; i < 512; ++i) CHECK(out[i] == 0);
}

TEST_CASE("insertion and deletion: batches agree with one step after the other") {
  Rng rng(1);
  const auto net = make_model("convnet:4x2:batch", {.input = {3, 8, 8}, .classes = 3}, rng);
  const Tensor images = Tensor::normal({5, 3, 8, 8}, rng, 0, 1);
  const std::vector<int64_t> classes = {0, 1, 2, 1, 0};
  const Score score = class_probability(*net, classes);
  // Coarse values, so that there are ties
  Tensor maps = Tensor::empty({5, 1, 8, 8});
  for (int64_t i = 0; i < maps.numel(); ++i) {
    maps.mutable_data<float>()[i] = static_cast<float>(rng.integer(6));
  }
  for (const int64_t step : {0, 1, 7, 64}) {
    INFO("step ", step);
    const StepOptions options{.step = step, .blur = 5, .blur_sigma = 5};
    const InsertionDeletion metric(score, images, options);
    const Curves deletion = metric.deletion(maps);
    const Curves insertion = metric.insertion(maps);
    const Tensor blur = blurred(images, 5, 5);
    const Tensor black = Tensor::zeros({1, 3, 8, 8});
    for (int64_t n = 0; n < 5; ++n) {
      const auto k = static_cast<size_t>(n);
      const std::vector<double> down =
          plain_curve(score, one(images, n), n, one(maps, n), one(images, n), black, metric.step());
      const std::vector<double> up = plain_curve(
          score, one(images, n), n, one(maps, n), one(blur, n), one(images, n), metric.step());
      REQUIRE(down.size() == static_cast<size_t>(deletion.steps + 1));
      for (size_t t = 0; t < down.size(); ++t) {
        CHECK(std::abs(deletion.scores[k * down.size() + t] - down[t]) < 1e-6);
        CHECK(std::abs(insertion.scores[k * down.size() + t] - up[t]) < 1e-6);
      }
      CHECK(deletion.area[k] == doctest::Approx(area_below(down)).epsilon(1e-5));
      CHECK(insertion.area[k] == doctest::Approx(area_below(up)).epsilon(1e-5));
    }
  }
}

TEST_CASE("insertion and deletion: the same bits at any thread count, bad shapes refused") {
  Rng rng(2);
  const auto net = make_model("convnet:4x2:batch", {.input = {1, 8, 8}, .classes = 3}, rng);
  const Tensor images = Tensor::normal({3, 1, 8, 8}, rng, 0, 1);
  const Tensor maps = Tensor::uniform({3, 1, 8, 8}, rng, 0, 1);
  const std::vector<int64_t> classes = {0, 1, 2};
  const auto at = [&](int threads) {
    const parallel::ThreadLimit limit(threads);
    return InsertionDeletion(class_probability(*net, classes), images).insertion(maps).scores;
  };
  CHECK(at(1) == at(3));
  const InsertionDeletion metric(class_probability(*net, classes), images);
  CHECK(metric.step() == 2);
  CHECK_THROWS_AS(metric.deletion(Tensor::zeros({3, 3, 8, 8})), ShapeError);
  CHECK_THROWS_AS(
      InsertionDeletion(class_probability(*net, classes), Tensor::zeros({3, 5})), ShapeError);
  CHECK_THROWS_AS(area_below(std::vector<double>{1}), ShapeError);
  const Curves curves = metric.deletion(maps);
  CHECK(curves.mean_curve().size() == 33);

  // The curve holds that of eight times the step
  const InsertionDeletion coarse(class_probability(*net, classes), images, {.step = 16});
  const std::vector<double> areas = curves.coarser_area(8);
  const Curves expected = coarse.deletion(maps);
  REQUIRE(expected.steps == 4);
  for (size_t n = 0; n < 3; ++n) CHECK(areas[n] == doctest::Approx(expected.area[n]));
  CHECK_THROWS_AS(curves.coarser_area(5), ValueError);
}
