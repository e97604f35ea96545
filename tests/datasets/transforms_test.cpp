// tests/datasets/transforms_test.cpp: hand-known images, and draws that depend on nothing else.
#include "datasets/transforms.h"

#include "datasets/mixup.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/ops/augment.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace limpid::datasets {
namespace {

constexpr char kEverything[] =
    "crop:4,flip,rotate:15,cutout:3,jitter:0.2,translate:2,noise:0.05,mixup:0.2";

// One image transformed in one way.
std::vector<double> transformed(const Tensor& image, const Transform& transform) {
  return apply_transforms(image, std::span(&transform, 1)).to_vector();
}

bool close(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-6) {
  return std::ranges::equal(a, b, [=](double x, double y) { return std::abs(x - y) <= tolerance; });
}

// [[0.1 0.2 0.3] [0.4 0.5 0.6] [0.7 0.8 0.9]]
Tensor nine() { return Tensor::of({1, 1, 3, 3}, {.1, .2, .3, .4, .5, .6, .7, .8, .9}); }

// n images [3, 5, 6] of uniform values, label i % 4.
Dataset some_images(int64_t n) {
  Dataset out;
  out.name = "some";
  Rng rng(3);
  out.images = Tensor::uniform({n, 3, 5, 6}, rng, 0, 1);
  out.labels = Tensor::empty({n}, DType::i64);
  for (int64_t i = 0; i < n; ++i) out.labels.mutable_data<int64_t>()[i] = i % 4;
  out.classes = 4;
  out.class_names = numbered_classes(4);
  return out;
}

// Row b of a tensor.
std::vector<double> row(const Tensor& x, int64_t b) {
  const std::vector<double> all = x.to_vector();
  const int64_t size = x.numel() / x.size(0);
  return {all.begin() + b * size, all.begin() + (b + 1) * size};
}

}  // namespace

TEST_CASE("transforms: places known by hand") {
  const std::vector<double> same = nine().to_vector();
  CHECK(close(transformed(nine(), {}), same));
  CHECK(close(transformed(nine(), {.crop_y = 1, .crop_x = -1}), {0, 0, 0, .2, .3, 0, .5, .6, 0}));
  CHECK(close(transformed(nine(), {.shift_y = -2, .shift_x = 1}), {0, .7, .8, 0, 0, 0, 0, 0, 0}));
  CHECK(close(transformed(nine(), {.crop_y = 7}), std::vector<double>(9)));
  CHECK(close(transformed(nine(), {.flip = true}), {.3, .2, .1, .6, .5, .4, .9, .8, .7}));
  CHECK(close(transformed(nine(), {.angle = 90}), {.3, .6, .9, .2, .5, .8, .1, .4, .7}));
  CHECK(close(transformed(nine(), {.angle = -90}), {.7, .4, .1, .8, .5, .2, .9, .6, .3}));
  CHECK(close(transformed(nine(), {.angle = 180}), {.9, .8, .7, .6, .5, .4, .3, .2, .1}));
  // The crop is cut off before the translation brings its place back
  CHECK(close(
      transformed(nine(), {.crop_x = 1, .flip = true, .shift_x = 1}),
      {0, .2, .1, 0, .5, .4, 0, .8, .7}));

  // A pixel of 1 in the middle, turned by 45 degrees: the pixel above it reads the place
  // (1 - r, 1 + r), r = sqrt(1/2), so (1 - r)^2 of the middle; a corner reads nothing
  const double r = std::sqrt(0.5), beside = (1 - r) * (1 - r);
  const Tensor point = Tensor::of({1, 1, 3, 3}, {0, 0, 0, 0, 1, 0, 0, 0, 0});
  CHECK(close(transformed(point, {.angle = 45}), {0, beside, 0, beside, 1, beside, 0, beside, 0}));
}

TEST_CASE("transforms: values known by hand") {
  const Tensor two = Tensor::of({1, 1, 1, 2}, {0.2, 0.6});
  CHECK(close(transformed(two, {.brightness = 2}), {0.4, 1}));  // 1.2 is cut off
  CHECK(close(transformed(two, {.brightness = 0}), {0, 0}));
  CHECK(close(transformed(two, {.contrast = 0.5}), {0.3, 0.5}));
  CHECK(close(transformed(two, {.contrast = 2}), {0, 0.8}));
  CHECK(close(transformed(two, {.saturation = 0}), {0.2, 0.6}));  // is grey

  const Tensor colour = Tensor::of({1, 3, 1, 1}, {1, 0.5, 0});
  const double grey = 0.299 + 0.587 * 0.5;
  CHECK(close(transformed(colour, {.saturation = 0}), {grey, grey, grey}));
  CHECK(close(
      transformed(colour, {.saturation = 0.5}), {(1 + grey) / 2, (0.5 + grey) / 2, grey / 2}));

  // Squares of 1, 2 and 3 pixels; one that reaches over the corner
  CHECK(close(
      transformed(nine(), {.cutout_y = 2, .cutout_x = 1, .cutout = 1}),
      {.1, .2, .3, .4, .5, .6, .7, 0, .9}));
  CHECK(close(
      transformed(nine(), {.cutout_y = 1, .cutout_x = 2, .cutout = 2}),
      {.1, 0, 0, .4, 0, 0, .7, .8, .9}));
  CHECK(close(
      transformed(nine(), {.cutout_y = 0, .cutout_x = 0, .cutout = 3}),
      {0, 0, .3, 0, 0, .6, .7, .8, .9}));
}

TEST_CASE("transforms: the differentiable twins give the same images") {
  const Tensor x = affine(some_images(2).images.tensor(), 0.5, 0.25);  // nothing to cut off
  const auto agree = [&](const Transform& one, const Transform& two, const Tensor& twin) {
    const Transform both[] = {one, two};
    CHECK(close(apply_transforms(x, both).to_vector(), twin.to_vector()));
  };
  agree(
      {.crop_y = 2, .crop_x = -1}, {.shift_x = 3},
      shift(x, std::vector<Offset>{{.down = 2, .right = -1}, {.right = 3}}));
  agree({.flip = true}, {}, flip_horizontal(x, {true, false}));
  agree({.angle = 33}, {.angle = -140}, rotate(x, std::vector<double>{33, -140}));
  agree({.brightness = 1.2}, {.brightness = 0.7}, brightness(x, std::vector<double>{1.2, 0.7}));
  agree({.contrast = 1.3}, {.contrast = 0.6}, contrast(x, std::vector<double>{1.3, 0.6}));
  agree(
      {.cutout_y = 0, .cutout_x = 5, .cutout = 3}, {.cutout_y = 2, .cutout_x = 2, .cutout = 2},
      cutout(
          x, std::vector<Box>{
                 {.top = -1, .left = 4, .height = 3, .width = 3},
                 {.top = 1, .left = 1, .height = 2, .width = 2}}));
}

TEST_CASE("transforms: noise has the deviation asked for and stays in range") {
  const Tensor grey = Tensor::full({1, 3, 100, 100}, 0.5);
  const auto noisy = transformed(grey, {.noise = 0.1, .noise_source = Rng(1)});
  double sum = 0, squares = 0;
  for (const double v : noisy) sum += v - 0.5, squares += (v - 0.5) * (v - 0.5);
  CHECK(std::abs(sum / 30000) < 0.003);  // five deviations of the mean
  CHECK(std::abs(std::sqrt(squares / 30000) - 0.1) < 0.003);
  for (const double v : transformed(grey, {.noise = 1})) CHECK_UNARY(v >= 0 && v <= 1);
}

TEST_CASE("transforms: an example depends on seed, epoch and position only") {
  const Dataset set = some_images(23);
  const Augmentation everything = augmentation_named(kEverything);
  const Augmented all = augmented(set, index_range(0, 23), 2, 5, everything);

  // Another order, other batches, repeated examples, other threads
  std::vector<int64_t> order = Rng(9).permutation(23);
  order.push_back(order[3]);
  const parallel::ThreadLimit limit(3);
  for (const int64_t batch : {1, 4, 24}) {
    for (int64_t begin = 0; begin < 24; begin += batch) {
      const std::vector<int64_t> chosen(
          order.begin() + begin, order.begin() + std::min<int64_t>(24, begin + batch));
      const Augmented part = augmented(set, chosen, 2, 5, everything);
      for (size_t b = 0; b < chosen.size(); ++b) {
        const auto at = static_cast<int64_t>(b);
        CHECK(row(part.images, at) == row(all.images, chosen[b]));
        CHECK(row(part.targets, at) == row(all.targets, chosen[b]));
      }
    }
  }

  // Another seed or epoch gives others, for every image
  const Augmented epoch = augmented(set, index_range(0, 23), 3, 5, everything);
  const Augmented seed = augmented(set, index_range(0, 23), 2, 6, everything);
  for (int64_t i = 0; i < 23; ++i) {
    CHECK(row(epoch.images, i) != row(all.images, i));
    CHECK(row(seed.images, i) != row(all.images, i));
  }
}

TEST_CASE("transforms: large images are the same at any number of threads") {
  Rng rng(4);
  const Tensor images = Tensor::uniform({3, 3, 90, 90}, rng, 0, 1);  // noise fills several blocks
  const auto with = [&](int threads) {
    const parallel::ThreadLimit limit(threads);
    return augment(images, index_range(7, 10), 0, 1, augmentation_named(kEverything)).to_vector();
  };
  CHECK(with(1) == with(3));
}

TEST_CASE("transforms: switching a step on leaves the draws of the others") {
  const Rng rng = example_rng(1, 2, 3);
  const Transform alone = draw_transform(augmentation_named("rotate:15"), 8, 8, rng);
  const Transform among = draw_transform(augmentation_named(kEverything), 8, 8, rng);
  CHECK(alone.angle == among.angle);
  CHECK(alone.angle != 0);
  CHECK(among.cutout == 3);
}

TEST_CASE("transforms: draws have the distributions promised") {
  constexpr int64_t kDraws = 4000;
  const Augmentation a = augmentation_named("crop:2,flip,rotate:30,jitter:0.4,cutout:1");
  int64_t flips = 0, left = 0;
  double angles = 0, brightness = 0, largest_angle = 0;
  std::set<int64_t> offsets, middles;
  for (int64_t i = 0; i < kDraws; ++i) {
    const Transform t = draw_transform(a, 4, 6, example_rng(1, 0, i));
    flips += t.flip ? 1 : 0;
    left += t.crop_x == -2 ? 1 : 0;
    offsets.insert(t.crop_y);
    middles.insert(t.cutout_x);
    angles += t.angle;
    largest_angle = std::max(largest_angle, std::abs(t.angle));
    brightness += t.brightness;
    CHECK(std::abs(t.contrast - 1) <= 0.4);
  }
  // Within four standard deviations: sqrt(p (1 - p) / 4000), width / sqrt(12 * 4000)
  CHECK(std::abs(static_cast<double>(flips) / kDraws - 0.5) < 0.032);
  CHECK(std::abs(static_cast<double>(left) / kDraws - 0.2) < 0.026);
  CHECK(std::abs(angles / kDraws) < 1.1);
  CHECK(std::abs(brightness / kDraws - 1) < 0.015);
  CHECK(largest_angle <= 30);
  CHECK(largest_angle > 29);
  CHECK(offsets == std::set<int64_t>{-2, -1, 0, 1, 2});
  CHECK(middles == std::set<int64_t>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("transforms: names") {
  CHECK(augmentation_named("none").is_none());
  CHECK(augmentation_named("crop-flip") == Augmentation{.crop_padding = 4, .flip = true});
  CHECK(augmentation_named("crop:4,flip") == augmentation_named("crop-flip"));
  CHECK(
      augmentation_named(kEverything) == Augmentation{
                                             .crop_padding = 4,
                                             .flip = true,
                                             .rotation = 15,
                                             .cutout = 3,
                                             .brightness = 0.2,
                                             .contrast = 0.2,
                                             .saturation = 0.2,
                                             .translate = 2,
                                             .noise = 0.05,
                                             .mixup = 0.2});
  CHECK(augmentation_named("saturation:1,contrast:0.5").contrast == 0.5);
  for (const char* bad :
       {"", "twirl", "crop", "crop:", "crop:1.5", "crop:-1", "crop:x", "crop:4x", "crop:1e9",
        "flip:1", "rotate:181", "jitter:2", "noise:nan", "noise:inf", "flip,", "flip,,crop:1",
        "none,flip", "Flip", " flip"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(augmentation_named(bad), ValueError);
  }
  CHECK_THROWS_WITH(
      augmentation_named("twirl:3"),
      "augmentation: unknown step 'twirl', expected none, crop-flip, crop:N, flip, translate:N, "
      "rotate:N, jitter:N, brightness:N, contrast:N, saturation:N, noise:N, cutout:N, mixup:N or a "
      "list of those, separated by commas");
  CHECK_THROWS_WITH(
      augmentation_named("rotate:200"),
      "augmentation: rotate needs a number from 0 to 180, as in rotate:1, got 'rotate:200'");
}

TEST_CASE("transforms: bad arguments") {
  const std::vector<int64_t> one = {0}, two = {0, 1}, negative = {-1};
  const Augmentation flip = augmentation_named("flip");
  CHECK_THROWS_AS(augment(nine(), two, 0, 0, flip), ShapeError);
  CHECK_THROWS_AS(augment(Tensor::zeros({1, 3}), one, 0, 0, flip), ShapeError);
  CHECK_THROWS_AS(augment(Tensor::zeros({1, 1, 0, 3}), one, 0, 0, flip), ShapeError);
  CHECK_THROWS_AS(augment(Tensor::zeros({1, 1, 3, 3}, DType::f64), one, 0, 0, flip), DTypeError);
  CHECK_THROWS_AS(augment(nine(), negative, 0, 0, flip), ValueError);
  CHECK_THROWS_AS(augment(nine(), one, -1, 0, flip), ValueError);
  CHECK_THROWS_AS(augment(nine(), one, 0, 0, {.crop_padding = -1}), ValueError);
  CHECK_THROWS_AS(augment(nine(), one, 0, 0, {.rotation = 400}), ValueError);
  CHECK_THROWS_AS(augment(nine(), one, 0, 0, {.contrast = 1.5}), ValueError);
  CHECK_THROWS_AS(augment(nine(), one, 0, 0, {.noise = std::nan("")}), ValueError);
  CHECK_THROWS_AS(transformed(nine(), {.angle = std::nan("")}), ValueError);
  CHECK(augment(nine(), one, 0, 0, {}).to_vector() == nine().to_vector());
}

TEST_CASE("mixup: rows are mixed with augmented partners, labels alike") {
  const Dataset set = some_images(12);
  const std::vector<int64_t> chosen = {4, 9, 0};
  const Augmentation flip = augmentation_named("flip");
  Augmentation mixed = flip;
  mixed.mixup = 1;
  const Augmented plain = augmented(set, chosen, 1, 2, flip);
  CHECK_FALSE(plain.targets.defined());

  const Mixup mixup = draw_mixup(chosen, 12, 1, 2, 1);
  const Augmented partners = augmented(set, mixup.partners, 1, 2, flip);
  const Augmented out = augmented(set, chosen, 1, 2, mixed);
  for (size_t b = 0; b < 3; ++b) {
    const auto at = static_cast<int64_t>(b);
    const double w = mixup.weights[b];
    CHECK(w > 0);
    CHECK(w < 1);
    const auto x = row(plain.images, at), y = row(partners.images, at);
    std::vector<double> expected;
    for (size_t i = 0; i < x.size(); ++i) expected.push_back(w * x[i] + (1 - w) * y[i]);
    CHECK(close(row(out.images, at), expected));
    std::vector<double> target(4, 0);
    const auto label = [&](int64_t i) {
      return static_cast<size_t>(set.labels.data<int64_t>()[i]);
    };
    target[label(chosen[b])] += w;
    target[label(mixup.partners[b])] += 1 - w;
    CHECK(close(row(out.targets, at), target));
  }

  const Tensor a = Tensor::of({2, 2}, {1, 2, 3, 4}), b = Tensor::of({2, 2}, {5, 6, 7, 8});
  const double weights[] = {1, 0.25};
  CHECK(mix(a, b, weights).to_vector() == std::vector<double>{1, 2, 6, 7});
  CHECK_THROWS_AS(mix(a, Tensor::zeros({2, 3}), weights), ShapeError);
  CHECK_THROWS_AS(mix(a, b, std::span(weights, 1)), ShapeError);
  CHECK_THROWS_AS(draw_mixup(chosen, 12, 1, 2, 0), ValueError);
  CHECK_THROWS_AS(draw_mixup(chosen, 0, 1, 2, 1), ValueError);
}

TEST_CASE("mixup: Beta variates have the mean, variance and tails of their formula") {
  struct Case {
    double a, b;
  };
  for (const auto [a, b] : {Case{0.2, 0.2}, Case{1, 1}, Case{0.5, 2}, Case{4, 3}}) {
    CAPTURE(a);
    CAPTURE(b);
    constexpr int kDraws = 20000;
    Rng rng(8);
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double w = beta_variate(a, b, rng);
      CHECK_UNARY(w >= 0 && w <= 1);
      sum += w;
      squares += w * w;
    }
    const double mean = sum / kDraws, expected = a / (a + b);
    const double variance = a * b / ((a + b) * (a + b) * (a + b + 1));
    CHECK(std::abs(mean - expected) < 4 * std::sqrt(variance / kDraws));
    CHECK(std::abs(squares / kDraws - mean * mean - variance) < 0.05 * variance);
  }

  // With tiny parameters all weight is on one side, never NaN
  Rng rng(1);
  int ones = 0;
  for (int i = 0; i < 1000; ++i) {
    const double w = beta_variate(1e-6, 1e-6, rng);
    CHECK_UNARY(w < 1e-6 || w > 1 - 1e-6);
    ones += w > 0.5 ? 1 : 0;
  }
  CHECK(std::abs(ones - 500) < 64);
  CHECK_THROWS_AS(beta_variate(0, 1, rng), ValueError);
  CHECK_THROWS_AS(beta_variate(1, std::nan(""), rng), ValueError);
}

}  // namespace limpid::datasets
