// tests/interpret/gradient_quality_test.cpp: gradients, subsets of pixels and removal of pixels.
#include "interpret/metrics/gradient_quality.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "interpret/metrics/controls.h"
#include "interpret/metrics/roar.h"
#include "interpret/metrics/sensitivity.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

std::unique_ptr<Module> net_of(const std::string& name) {
  Rng rng(3);
  return make_model(name, {.input = {2, 8, 8}, .classes = 3}, rng);
}

Tensor some_images(int64_t count) {
  Rng rng(4);
  return Tensor::normal({count, 2, 8, 8}, rng, 0, 1);
}

const std::vector<int64_t> kClasses = {0, 1, 2, 0, 1};

}  // namespace

TEST_CASE("total variation: by hand") {
  // |map| / sum = {1, 3, 0, 4} / 8 : columns |1 - 0| + |3 - 4|, rows |3 - 1| + |4 - 0|
  const Tensor map = Tensor::of({1, 1, 2, 2}, {-1, 3, 0, 4});
  CHECK(total_variation(map)[0] == doctest::Approx(8.0 / 8));
  CHECK(total_variation(Tensor::full({1, 3, 4, 4}, -2))[0] == doctest::Approx(0));
  CHECK(std::isnan(total_variation(Tensor::zeros({1, 1, 2, 2}))[0]));
  // A checkerboard reaches 4 where every pixel has four neighbours
  Tensor board = Tensor::zeros({1, 1, 64, 64});
  for (int64_t i = 0; i < 64 * 64; ++i) board.mutable_data<float>()[i] = (i / 64 + i) % 2 != 0;
  CHECK(total_variation(board)[0] == doctest::Approx(4).epsilon(0.02));
}

TEST_CASE("gradient quality: without rectifiers the guided gradient is the gradient") {
  const auto images = some_images(5);
  Sequential linear;
  Rng rng(1);
  linear.add<Flatten>("flatten");
  linear.add<Linear>("fc", 128, 3, rng);
  const GradientQuality q = gradient_quality(linear, images, kClasses);
  const auto net = net_of("convnet:4x2:batch");
  const GradientQuality r = gradient_quality(*net, images, kClasses);
  for (size_t n = 0; n < 5; ++n) {
    CHECK(q.cosine[n] == doctest::Approx(1));
    CHECK(r.cosine[n] < 0.999);
    CHECK(r.cosine[n] >= -1);
    CHECK(r.stability[n] < 1);
    CHECK(r.sparsity[n] > 0);
    CHECK(r.sparsity[n] < 1);
    CHECK(r.variation[n] > 0);
    CHECK(r.variation[n] < 4);
  }
  // Without noise nothing changes
  for (const double s : gradient_quality(*net, images, kClasses, {.noise = 0}).stability) {
    CHECK(s == doctest::Approx(1));
  }
  CHECK_THROWS_AS(gradient_quality(*net, Tensor::zeros({5, 2}), kClasses), ShapeError);
}

TEST_CASE("gradient quality: an image's figures do not depend on its company or the threads") {
  const auto net = net_of("convnet:4x2:batch");
  const std::vector<int64_t> classes(70, 1);
  const Tensor images = some_images(70);
  const auto at = [&](int threads, int64_t count) {
    const parallel::ThreadLimit limit(threads);
    return gradient_quality(
               *net, slice(images, 0, 0, count),
               std::span(classes).first(static_cast<size_t>(count)))
        .stability;
  };
  const std::vector<double> all = at(1, 70);
  CHECK(all == at(3, 70));
  CHECK(all[1] == doctest::Approx(at(1, 2)[1]).epsilon(1e-5));
}

TEST_CASE("sensitivity-n: 1 for a sum over pixels, less for another map") {
  Rng rng(5);
  const Tensor weight = Tensor::normal({1, 2, 6, 6}, rng, 0, 1);
  const Tensor images = Tensor::normal({3, 2, 6, 6}, rng, 0, 1);
  const Score additive = [&](const Tensor& x, std::span<const int64_t>) {
    return sum(to(x, DType::f64) * to(weight, DType::f64), {1, 2, 3}).to_vector();
  };
  for (const Sensitivity& s : sensitivity_n(additive, images, images * weight)) {
    for (const double r : s.correlation) CHECK(r == doctest::Approx(1).epsilon(1e-6));
  }
  for (const Sensitivity& s : sensitivity_n(additive, images, -images * weight)) {
    for (const double r : s.correlation) CHECK(r == doctest::Approx(-1).epsilon(1e-6));
  }
  const auto random =
      sensitivity_n(additive, images, random_control(3, 6, 6, rng), {.sizes = {4}, .subsets = 200});
  for (const double r : random[0].correlation) CHECK(std::abs(r) < 0.6);
  // The set of all pixels is always the same one
  const auto whole = sensitivity_n(additive, images, images, {.sizes = {36}});
  for (const double r : whole[0].correlation) CHECK(std::isnan(r));
  CHECK(sensitivity_sizes(1024) == std::vector<int64_t>{1, 3, 9, 28, 87, 267, 819});
  CHECK_THROWS_AS(sensitivity_n(additive, images, images, {.sizes = {37}}), ValueError);
  CHECK_THROWS_AS(sensitivity_n(additive, images, images, {.subsets = 1}), ValueError);
}

TEST_CASE("removal: the largest pixels get the mean of their channel") {
  const Tensor images = Tensor::of({1, 2, 1, 4}, {1, 2, 3, 4, 10, 20, 30, 40});
  CHECK(channel_means(images).to_vector() == std::vector<double>{2.5, 25});
  const Tensor map = Tensor::of({1, 1, 1, 4}, {5, 9, 9, 1});
  const Tensor fill = Tensor::of({2}, {-1, -2});
  const auto at = [&](double share) {
    return without_top_pixels(images, map, share, fill).to_vector();
  };
  CHECK(at(0) == images.to_vector());
  CHECK(at(0.25) == std::vector<double>{1, -1, 3, 4, 10, -2, 30, 40});
  CHECK(at(0.5) == std::vector<double>{1, -1, -1, 4, 10, -2, -2, 40});
  CHECK(at(0.75) == std::vector<double>{-1, -1, -1, 4, -2, -2, -2, 40});
  CHECK(at(1) == std::vector<double>{-1, -1, -1, -1, -2, -2, -2, -2});
  CHECK_THROWS_AS(at(1.5), ValueError);
  CHECK_THROWS_AS(without_top_pixels(images, map, 0.5, Tensor::zeros({3})), ShapeError);
}

TEST_CASE("removal and retraining: both parts lose the pixels of their own maps") {
  const Tensor images = Tensor::of({1, 1, 1, 2}, {1, 3});
  const Tensor first = Tensor::of({1, 1, 1, 2}, {1, 0});
  const Tensor second = Tensor::of({1, 1, 1, 2}, {0, 1});
  std::vector<std::vector<double>> seen;
  const double shares[] = {0, 0.5};
  const auto accuracies = remove_and_retrain(
      {images, first}, {images, second}, shares, [&](const Tensor& train, const Tensor& test) {
        seen.push_back(train.to_vector());
        seen.push_back(test.to_vector());
        return 0.25 * static_cast<double>(seen.size());
      });
  CHECK(accuracies == std::vector<double>{0.5, 1});
  CHECK(seen[0] == std::vector<double>{1, 3});
  CHECK(seen[2] == std::vector<double>{2, 3});
  CHECK(seen[3] == std::vector<double>{1, 2});
}
