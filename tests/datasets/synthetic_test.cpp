// tests/datasets/synthetic_test.cpp: the synthetic sets are what their formulas promise.
#include "datasets/synthetic.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace limpid::datasets {
namespace {

constexpr size_t kSide = 32, kPixels = kSide * kSide;

struct Example {
  Tensor images;                 // holds the values of `image`
  std::span<const float> image;  // [3, 32, 32]
  std::span<const float> mask;   // [32, 32]
};

Example example(const Dataset& set, size_t i) {
  const Tensor images = set.images.tensor();
  return {
      images, images.values<float>().subspan(3 * kPixels * i, 3 * kPixels),
      set.masks.values<float>().subspan(kPixels * i, kPixels)};
}

// Pixels of the mask with all eight neighbours in it too (inside) or all out of it (outside).
bool is_uniform(std::span<const float> mask, size_t pixel) {
  const size_t x = pixel % kSide, y = pixel / kSide;
  if (x == 0 || y == 0 || x == kSide - 1 || y == kSide - 1) return false;
  for (size_t v = y - 1; v <= y + 1; ++v) {
    for (size_t u = x - 1; u <= x + 1; ++u) {
      if (mask[v * kSide + u] != mask[pixel]) return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("moons: without noise every point lies on its half circle") {
  const Dataset set = moons(101, 0, Rng(1));
  CHECK(set.images.shape() == Shape{101, 2});
  CHECK(class_counts(set) == std::vector<int64_t>{51, 50});
  const Tensor pixels = set.images.tensor();
  const auto p = pixels.values<float>();
  for (size_t i = 0; i < 101; ++i) {
    const auto x = static_cast<double>(p[2 * i]), y = static_cast<double>(p[2 * i + 1]);
    if (i % 2 == 0) {
      CHECK(std::abs(std::hypot(x, y) - 1) < 1e-6);
      CHECK(y >= -1e-6);
    } else {
      CHECK(std::abs(std::hypot(x - 1, y - 0.5) - 1) < 1e-6);
      CHECK(y <= 0.5 + 1e-6);
    }
  }
}

TEST_CASE("moons: noise has the stated size, and a longer set begins with the shorter one") {
  const Dataset clean = moons(2000, 0, Rng(2)), noisy = moons(2000, 0.3, Rng(2));
  const Tensor before = clean.images.tensor(), after = noisy.images.tensor();
  const auto a = before.values<float>(), b = after.values<float>();
  double square = 0;
  for (size_t i = 0; i < a.size(); ++i) square += std::pow(static_cast<double>(b[i] - a[i]), 2);
  CHECK(std::sqrt(square / 4000) == doctest::Approx(0.3).epsilon(0.05));
  CHECK(std::ranges::equal(
      moons(10, 0.3, Rng(2)).images.tensor().bytes(),
      noisy.images.tensor().bytes().first(10 * 2 * 4)));
  CHECK_FALSE(std::ranges::equal(
      moons(2000, 0, Rng(3)).images.tensor().bytes(), clean.images.tensor().bytes()));
  CHECK_THROWS_AS(moons(0, 0.1, Rng(0)), ValueError);
  CHECK_THROWS_AS(moons(5, -0.1, Rng(0)), ValueError);
  CHECK_THROWS_AS(moons(5, std::nan(""), Rng(0)), ValueError);
}

TEST_CASE("gaussians: without deviation every point is its centre") {
  const Dataset set = gaussians(10, 4, 0, Rng(1));
  CHECK(set.name == "gaussians");
  CHECK(set.images.shape() == Shape{10, 2});
  CHECK(class_counts(set) == std::vector<int64_t>{3, 3, 2, 2});
  CHECK(set.class_names == std::vector<std::string>{"0", "1", "2", "3"});
  const double centres[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  const Tensor pixels = set.images.tensor();
  const auto p = pixels.values<float>();
  for (size_t i = 0; i < 10; ++i) {
    CHECK(set.labels.values<int64_t>()[i] == static_cast<int64_t>(i % 4));
    for (size_t d = 0; d < 2; ++d) {
      CHECK(std::abs(static_cast<double>(p[2 * i + d]) - centres[i % 4][d]) < 1e-6);
    }
  }
  CHECK(gaussians(3, 1, 0, Rng(0)).classes == 1);
}

TEST_CASE("gaussians: moments, and the accuracy that theory gives the nearest centre") {
  constexpr int64_t kCount = 20000;
  const Dataset set = gaussians(kCount, 4, 0.5, Rng(2));
  const Tensor pixels = set.images.tensor();
  const auto p = pixels.values<float>();
  double right = 0;
  double sum[2] = {0, 0}, square[2] = {0, 0}, product = 0;
  for (size_t i = 0; i < kCount; ++i) {
    const auto x = static_cast<double>(p[2 * i]), y = static_cast<double>(p[2 * i + 1]);
    const double angle = std::numbers::pi / 2 * static_cast<double>(i % 4);
    const double u = x - std::cos(angle), v = y - std::sin(angle);
    sum[0] += u, sum[1] += v;
    square[0] += u * u, square[1] += v * v, product += u * v;
    // Nearest of the four centres: the quadrant between the diagonals
    const size_t nearest = std::abs(x) > std::abs(y) ? (x > 0 ? 0 : 2) : (y > 0 ? 1 : 3);
    if (nearest == i % 4) ++right;
  }
  // Standard errors: mean 0.0035, variance 0.0025, covariance 0.0018, accuracy 0.0025
  for (const int d : {0, 1}) {
    CHECK(std::abs(sum[d] / kCount) < 0.015);
    CHECK(std::abs(square[d] / kCount - 0.25) < 0.01);
  }
  CHECK(std::abs(product / kCount) < 0.008);
  const double phi = 0.5 * std::erfc(-std::sqrt(0.5) / 0.5 / std::sqrt(2.0));
  CHECK(std::abs(right / kCount - phi * phi) < 0.01);
}

TEST_CASE("gaussians: a longer set begins with the shorter one; errors") {
  const Dataset set = gaussians(100, 3, 0.3, Rng(2));
  CHECK(std::ranges::equal(
      gaussians(10, 3, 0.3, Rng(2)).images.tensor().bytes(),
      set.images.tensor().bytes().first(10 * 2 * 4)));
  CHECK_FALSE(std::ranges::equal(
      gaussians(100, 3, 0.3, Rng(3)).images.tensor().bytes(), set.images.tensor().bytes()));
  CHECK_THROWS_AS(gaussians(0, 3, 0.1, Rng(0)), ValueError);
  CHECK_THROWS_AS(gaussians(5, 0, 0.1, Rng(0)), ValueError);
  CHECK_THROWS_AS(gaussians(5, 3, -0.1, Rng(0)), ValueError);
  CHECK_THROWS_AS(gaussians(5, 3, std::nan(""), Rng(0)), ValueError);
  CHECK_THROWS_AS(gaussians(5, 3, std::numeric_limits<double>::infinity(), Rng(0)), ValueError);
}

TEST_CASE("swiss roll: without noise every point lies on the sheet, in the quartile of its class") {
  constexpr int64_t kCount = 4001;
  const Dataset set = swiss_roll(kCount, 0, Rng(1));
  CHECK(set.name == "swiss-roll");
  CHECK(set.images.shape() == Shape{kCount, 3});
  CHECK(class_counts(set) == std::vector<int64_t>{1001, 1000, 1000, 1000});
  CHECK(set.class_names.size() == 4);
  const Tensor pixels = set.images.tensor();
  const auto p = pixels.values<float>();
  double mean_t = 0, mean_height = 0;
  for (size_t i = 0; i < kCount; ++i) {
    const auto x = static_cast<double>(p[3 * i]), z = static_cast<double>(p[3 * i + 2]);
    const auto height = static_cast<double>(p[3 * i + 1]);
    const double t = std::hypot(x, z);  // as |t (cos t, sin t)| = t
    const double quartile = (t / (1.5 * std::numbers::pi) - 1) / 2 * 4;
    const auto label = static_cast<double>(set.labels.values<int64_t>()[i]);
    // Float rounding of a coordinate of size 14 is 1e-6
    CHECK(std::abs(x - t * std::cos(t)) < 1e-4);
    CHECK(std::abs(z - t * std::sin(t)) < 1e-4);
    CHECK(quartile > label - 1e-5);
    CHECK(quartile < label + 1 + 1e-5);
    CHECK(height >= 0);
    CHECK(height <= 21);
    mean_t += t / kCount, mean_height += height / kCount;
  }
  // Standard errors of the means: t 0.011 (its quartiles are fixed), height 0.1
  CHECK(std::abs(mean_t - 3 * std::numbers::pi) < 0.05);
  CHECK(std::abs(mean_height - 10.5) < 0.4);
}

TEST_CASE("swiss roll: noise has the stated size, a longer set begins with the shorter; errors") {
  const Dataset clean = swiss_roll(2000, 0, Rng(2)), noisy = swiss_roll(2000, 0.5, Rng(2));
  const Tensor before = clean.images.tensor(), after = noisy.images.tensor();
  const auto a = before.values<float>(), b = after.values<float>();
  double square[3] = {0, 0, 0};
  for (size_t i = 0; i < a.size(); ++i) {
    square[i % 3] += std::pow(static_cast<double>(b[i] - a[i]), 2);
  }
  for (const double sum : square)
    CHECK(std::sqrt(sum / 2000) == doctest::Approx(0.5).epsilon(0.06));
  CHECK(std::ranges::equal(
      swiss_roll(10, 0.5, Rng(2)).images.tensor().bytes(),
      noisy.images.tensor().bytes().first(10 * 3 * 4)));
  CHECK_FALSE(std::ranges::equal(
      swiss_roll(2000, 0, Rng(3)).images.tensor().bytes(), clean.images.tensor().bytes()));
  CHECK_THROWS_AS(swiss_roll(0, 0.1, Rng(0)), ValueError);
  CHECK_THROWS_AS(swiss_roll(5, -0.1, Rng(0)), ValueError);
  CHECK_THROWS_AS(swiss_roll(5, std::nan(""), Rng(0)), ValueError);
}

TEST_CASE("shapes: form, balance, range") {
  const Dataset set = shapes(202, Rng(0));
  CHECK(set.images.shape() == Shape{202, 3, 32, 32});
  CHECK(set.masks.shape() == Shape{202, 1, 32, 32});
  CHECK(class_counts(set) == std::vector<int64_t>{51, 51, 50, 50});
  CHECK(set.class_names == std::vector<std::string>{"disc", "square", "triangle", "cross"});
  const Tensor pixels = set.images.tensor();
  const auto x = pixels.values<float>();
  CHECK(std::ranges::all_of(x, [](float v) { return v >= 0 && v <= 1; }));
  const auto m = set.masks.values<float>();
  CHECK(std::ranges::all_of(m, [](float v) { return v == 0 || v == 1; }));
  CHECK_THROWS_AS(shapes(0, Rng(0)), ValueError);
}

TEST_CASE("shapes: the mask is where the object is") {
  const Dataset set = shapes(200, Rng(5));
  for (size_t i = 0; i < 200; ++i) {
    const auto [images, image, mask] = example(set, i);

    // One colour inside, up to noise: 0.05, and clamped
    std::array<double, 3> colour{};
    double inside = 0;
    for (size_t p = 0; p < kPixels; ++p) {
      if (mask[p] == 0 || !is_uniform(mask, p)) continue;
      ++inside;
      for (size_t c = 0; c < 3; ++c) colour[c] += static_cast<double>(image[c * kPixels + p]);
    }
    REQUIRE(inside > 0);
    for (double& value : colour) value /= inside;
    double far_inside = 0, near_outside = 0, outside = 0, area = 0;
    for (size_t p = 0; p < kPixels; ++p) {
      area += static_cast<double>(mask[p]);
      if (!is_uniform(mask, p)) continue;
      double distance = 0;
      for (size_t c = 0; c < 3; ++c) {
        distance += std::pow(static_cast<double>(image[c * kPixels + p]) - colour[c], 2);
      }
      const bool is_near = std::sqrt(distance) < 0.25;
      if (mask[p] == 1 && !is_near) ++far_inside;
      if (mask[p] == 0) ++outside;
      if (mask[p] == 0 && is_near) ++near_outside;
    }
    CHECK(far_inside <= 0.02 * inside);     // 0.25 is about 3 standard deviations of the norm
    CHECK(near_outside <= 0.06 * outside);  // speckles of the same colour

    // 4 to 13 % of the image, and not cut off by its border
    CHECK(area / kPixels > 0.03);
    CHECK(area / kPixels < 0.15);
  }
}

// Mean channel of a colour uniform in [0, 1]^3 given that the channels sum to 3/2 or more. The sum
// S has the Irwin-Hall density, symmetric about 3/2, and E|S - 3/2| = 13/32, so the mean of a
// channel is (3/2 + 13/32) / 3 = 61/96.
constexpr double kBrightMean = 61.0 / 96;

TEST_CASE("shapes: neither colour nor place nor size tells the class") {
  const size_t n = 2000;
  const Dataset set = shapes(n, Rng(0));
  std::array<double, 4> area{}, red{}, x{}, y{};
  double centre = 0;
  for (size_t i = 0; i < n; ++i) {
    const auto [images, image, mask] = example(set, i);
    double count = 0, red_sum = 0, x_sum = 0, y_sum = 0;
    for (size_t p = 0; p < kPixels; ++p) {
      if (mask[p] == 0) continue;
      ++count;
      red_sum += static_cast<double>(image[p]);
      x_sum += static_cast<double>(p % kSide);
      y_sum += static_cast<double>(p / kSide);
    }
    centre += static_cast<double>(mask[16 * kSide + 16]) / n;
    area[i % 4] += count / kPixels / (n / 4);
    red[i % 4] += red_sum / count / (n / 4);
    x[i % 4] += x_sum / count / (n / 4);
    y[i % 4] += y_sum / count / (n / 4);
  }
  // Standard errors over 500 images: area 0.001, red 0.013, position 0.3 pixels
  for (size_t k = 0; k < 4; ++k) {
    CHECK(area[k] == doctest::Approx(0.0805).epsilon(0.06));
    CHECK(std::abs(red[k] - kBrightMean) < 0.05);
    CHECK(std::abs(x[k] - 15.5) < 1.2);
    CHECK(std::abs(y[k] - 15.5) < 1.2);
  }
  CHECK(centre < 0.3);  // guessing the middle of the image is a weak explanation
}

TEST_CASE("shapes: the outlines differ in the way their names say") {
  // Share of the bounding box that the object covers, averaged over images: disc pi/4 = 0.79;
  // triangle about 1/2, cross 5/9, both less when turned; square 1 upright, 0.6 at 20 degrees
  const Dataset set = shapes(800, Rng(1));
  std::array<double, 4> share{};
  for (size_t i = 0; i < 800; ++i) {
    const auto [images, image, mask] = example(set, i);
    size_t left = kSide, right = 0, top = kSide, bottom = 0;
    double count = 0;
    for (size_t p = 0; p < kPixels; ++p) {
      if (mask[p] == 0) continue;
      ++count;
      left = std::min(left, p % kSide), right = std::max(right, p % kSide);
      top = std::min(top, p / kSide), bottom = std::max(bottom, p / kSide);
    }
    const auto box = static_cast<double>((right - left + 1) * (bottom - top + 1));
    share[i % 4] += count / box / 200;
  }
  CHECK(share[0] == doctest::Approx(0.79).epsilon(0.05));
  CHECK(share[1] > 0.7);
  CHECK(share[2] == doctest::Approx(0.47).epsilon(0.1));
  CHECK(share[3] == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("shapes: a function of the key, at any thread count") {
  Tensor images[2], masks[2];
  for (const int k : {0, 1}) {
    const parallel::ThreadLimit limit(k == 0 ? 1 : 3);
    const Dataset set = shapes(100, Rng(8));
    images[k] = set.images.tensor(), masks[k] = set.masks;
  }
  CHECK(std::ranges::equal(images[0].bytes(), images[1].bytes()));
  CHECK(std::ranges::equal(masks[0].bytes(), masks[1].bytes()));
  const Dataset shorter = shapes(7, Rng(8));
  CHECK(std::ranges::equal(
      shorter.images.tensor().bytes(),
      images[0].bytes().first(shorter.images.tensor().bytes().size())));
  CHECK_FALSE(std::ranges::equal(shapes(100, Rng(9)).images.tensor().bytes(), images[0].bytes()));
}

}  // namespace limpid::datasets
