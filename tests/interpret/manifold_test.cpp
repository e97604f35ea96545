// tests/interpret/manifold_test.cpp: views against their adjoints, priors against plain loops.
#include "interpret/support_vectors/manifold.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/interpret/small_nets.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

const Shape kImages = {3, 2, 9, 12};

// Every part on
ViewOptions all_parts(bool per_image) {
  return {
      .shift = 0.25, .crop = 0.3, .cutout = 0.3, .flip = 0.5, .noise = 0, .per_image = per_image};
}

}  // namespace

TEST_CASE("manifold: a view without noise is linear, and slopes come back by its adjoint") {
  // Sums of a few hundred products of size 1, in f64
  Rng rng(3);
  for (const bool per_image : {false, true}) {
    for (int round = 0; round < 20; ++round) {
      const View view = draw_view(all_parts(per_image), kImages, DType::f64, rng);
      Tensor x = Tensor::normal(kImages, rng, 0, 1, DType::f64);
      const Tensor z = Tensor::normal(kImages, rng, 0, 1, DType::f64);
      const Tensor g = Tensor::normal(kImages, rng, 0, 1, DType::f64);
      CHECK(close(seen(view, x + 2 * z), seen(view, x) + 2 * seen(view, z)));
      x.require_gradient();
      const Tensor y = seen(view, x);
      const Tensor back = grad(y, x, {.seed = g});
      CHECK(relative_error(sum(y * g).item(), sum(x * back).item()) < 1e-12);
    }
  }
}

TEST_CASE("manifold: one draw for all images, or one for each") {
  Rng rng(5);
  const Tensor one = Tensor::normal({1, 2, 9, 12}, rng, 0, 1, DType::f64);
  const Tensor same = concat({one, one, one}, 0);
  const auto differ = [&](bool per_image) {
    const Tensor y = seen(draw_view(all_parts(per_image), kImages, DType::f64, rng), same);
    return max_error(slice(y, 0, 0, 1), slice(y, 0, 1, 2)) > 1e-3;
  };
  CHECK_FALSE(differ(false));
  CHECK(differ(true));
}

TEST_CASE("manifold: each part does what it says, within its strength") {
  Rng rng(7);
  const Tensor ones = Tensor::ones(kImages, DType::f64);
  int moved = 0, flipped = 0;
  for (int round = 0; round < 50; ++round) {
    const View v = draw_view(
        {.shift = 0.25, .crop = 0.2, .cutout = 0.5, .flip = 0.5, .noise = 0.01, .per_image = true},
        kImages, DType::f64, rng);
    for (size_t i = 0; i < 3; ++i) {
      CHECK(std::abs(v.shifts[i].down) <= 2);   // a quarter of 9
      CHECK(std::abs(v.shifts[i].right) <= 3);  // a quarter of 12
      moved += v.shifts[i].down != 0;
      flipped += v.flips[i];
      const Box& b = v.crops[i];
      CHECK(b.height >= 0.8 * 9);
      CHECK(b.top >= 0);
      CHECK(b.top + b.height <= 9 + 1e-12);
      CHECK(b.left + b.width <= 12 + 1e-12);
    }
  }
  CHECK(moved > 50);  // 4 of 5 draws
  CHECK(flipped > 40);
  CHECK(flipped < 110);
  // The hole alone: at most its area becomes 0, the rest stays 1
  const View hole = draw_view(
      {.shift = 0, .crop = 0, .cutout = 0.5, .flip = 0, .noise = 0}, kImages, DType::f64, rng);
  const Tensor y = seen(hole, ones);
  const double share = 1 - mean(y).item();
  CHECK(share > 0);
  CHECK(share <= 0.3);
  CHECK(sum(y * (1 - y)).item() == 0);
  // Noise alone, of the deviation that was asked for: 648 draws, so good to 3 % of it
  const View noise = draw_view(
      {.shift = 0, .crop = 0, .cutout = 0, .flip = 0, .noise = 0.5}, kImages, DType::f64, rng);
  const Tensor d = seen(noise, ones) - ones;
  CHECK(std::sqrt(mean(d * d).item()) == doctest::Approx(0.5).epsilon(0.1));
  // Nothing on: the images themselves
  const View none = draw_view(
      {.shift = 0, .crop = 0, .cutout = 0, .flip = 0, .noise = 0}, kImages, DType::f64, rng);
  CHECK(bitwise_equal(seen(none, ones), ones));
}

TEST_CASE("manifold: the total variation is the loop over neighbours, its slope a difference") {
  Rng rng(11);
  const Tensor images = Tensor::normal({2, 3, 5, 4}, rng, 0, 1, DType::f64);
  const auto loop = [](const Tensor& x, int64_t n) {
    double total = 0;
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t i = 0; i < 5; ++i) {
        for (int64_t j = 0; j < 4; ++j) {
          if (i + 1 < 5) total += std::pow(at(x, n, c, i + 1, j) - at(x, n, c, i, j), 2);
          if (j + 1 < 4) total += std::pow(at(x, n, c, i, j + 1) - at(x, n, c, i, j), 2);
        }
      }
    }
    return total;
  };
  for (int64_t n = 0; n < 2; ++n) {
    const auto k = static_cast<size_t>(n);
    CHECK(
        total_variation(images).to_vector()[k] == doctest::Approx(loop(images, n)).epsilon(1e-13));
    CHECK(
        total_variation(images, true).to_vector()[k] ==
        doctest::Approx(loop(images, n) / 60).epsilon(1e-13));
  }
  // A quadratic: central differences are exact but for rounding, about 1e-9
  Tensor x = images.clone();
  x.require_gradient();
  const Tensor slope = grad(sum(total_variation(x)), x);
  for (int64_t i = 0; i < x.numel(); i += 7) {
    const auto moved = [&](double h) {
      Tensor y = images.clone();
      y.mutable_data<double>()[i] += h;
      return sum(total_variation(y)).item();
    };
    const double difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
    CHECK(slope.data<double>()[i] == doctest::Approx(difference).epsilon(1e-8));
  }
}

TEST_CASE("manifold: the size prior around a centre; at its kink the slope is 0") {
  Tensor x = Tensor::of({2, 1, 1, 2}, {3, 4, 1, 2}, DType::f64);
  const Tensor centre = Tensor::of({2, 1, 1, 2}, {0, 0, 1, 2}, DType::f64);
  CHECK(size_prior(x, SizePrior::squared).to_vector() == std::vector<double>{25, 5});
  x.require_gradient();
  const Tensor lengths = size_prior(x, SizePrior::norm, centre);
  CHECK(lengths.to_vector() == std::vector<double>{5, 0});
  const Tensor expected = Tensor::of({2, 1, 1, 2}, {0.6, 0.8, 0, 0}, DType::f64);
  CHECK(max_error(grad(sum(lengths), x), expected) < 1e-15);
}

TEST_CASE("manifold: strengths out of range and things that are no images are refused") {
  Rng rng(13);
  CHECK_THROWS_AS(draw_view({.shift = 1.5}, kImages, DType::f64, rng), ValueError);
  CHECK_THROWS_AS(draw_view({.crop = 1}, kImages, DType::f64, rng), ValueError);
  CHECK_THROWS_AS(draw_view({.noise = -1}, kImages, DType::f64, rng), ValueError);
  CHECK_THROWS_AS(draw_view({.noise = std::nan("")}, kImages, DType::f64, rng), ValueError);
  CHECK_THROWS_AS(draw_view({}, Shape{4, 2}, DType::f64, rng), ShapeError);
  CHECK_THROWS_AS(total_variation(Tensor::ones({4, 2})), ShapeError);
}
