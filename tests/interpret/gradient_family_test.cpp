// tests/interpret/gradient_family_test.cpp: sums of gradients against their definitions.
#include "framework/core/error.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/gradient.h"
#include "interpret/saliency/methods.h"
#include "interpret/saliency/pixels.h"
#include "tests/interpret/small_nets.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

const std::vector<int64_t> kClasses = {1, 0, 2};

struct Fixture {
  explicit Fixture(int64_t channels = 5) : small(2, channels, 3, true, rng) {}

  Rng rng{21};
  SmallNet small;
  Tensor x = Tensor::normal({3, 2, 6, 5}, rng, 0, 1, DType::f64);
  Explained subject{
      .model = small.net,
      .layer = small.maps,
      .mean = Tensor::of({2}, {0.5, 0.25}, DType::f64),
      .deviation = Tensor::of({2}, {0.25, 0.5}, DType::f64),
      .seed = 3};

  Maps maps(const std::string& method) { return saliency_maps(method, subject, x, kClasses); }
};

}  // namespace

TEST_CASE("masks act on pixels: 1 leaves the image, 0 makes it black") {
  Fixture f;
  CHECK(close(masked(f.subject, f.x, Tensor::ones({1, 1, 1, 1}, DType::f64)), f.x));
  const Tensor none = masked(f.subject, f.x, Tensor::zeros({1, 1, 6, 5}, DType::f64));
  CHECK(bitwise_equal(none, black(f.subject, f.x)));
  CHECK(at(none, 2, 0, 3, 3) == -2);    // (0 - 0.5) / 0.25
  CHECK(at(none, 2, 1, 3, 3) == -0.5);  // (0 - 0.25) / 0.5
  const Explained wrong{.model = f.small.net, .mean = Tensor::zeros({3}, DType::f64)};
  CHECK_THROWS_AS(black(wrong, f.x), ShapeError);
}

TEST_CASE("integrated gradients: the midpoint rule, image by image") {
  Fixture f;
  const int64_t steps = 7;
  f.subject.settings.steps = steps;
  const Maps ours = f.maps("integrated-gradients");
  const Tensor start = black(f.subject, f.x);
  for (int64_t n = 0; n < 3; ++n) {
    const Tensor x = slice(f.x, 0, n, n + 1);
    const Tensor x0 = slice(start, 0, n, n + 1);
    const std::vector<int64_t> own = {kClasses[static_cast<size_t>(n)]};
    Tensor total = Tensor::zeros(x.shape(), DType::f64);
    for (int64_t s = 0; s < steps; ++s) {
      const double a = (static_cast<double>(s) + 0.5) / steps;
      total = total + gradient_map(f.small.net, (1 - a) * x0 + a * x, own);
    }
    CHECK(close(slice(ours.raw, 0, n, n + 1), (x - x0) * total / steps));
  }
}

TEST_CASE("integrated gradients add up to the difference of the scores within 1 % at 50 steps") {
  Fixture f(16);  // the more rectifiers, the less each kink on the way counts
  fit(f.small, f.x, kClasses);
  const Maps maps = f.maps("integrated-gradients");
  REQUIRE(maps.completeness.size() == 3);
  const Tensor change = class_scores(f.small.net, f.x, kClasses) -
                        class_scores(f.small.net, black(f.subject, f.x), kClasses);
  for (int64_t n = 0; n < 3; ++n) {
    const Completeness& c = maps.completeness[static_cast<size_t>(n)];
    CHECK(std::abs(c.difference) > 1);
    CHECK(c.difference == doctest::Approx(change.data<double>()[n]).epsilon(1e-12));
    CHECK(c.total == doctest::Approx(sum(slice(maps.raw, 0, n, n + 1)).item()).epsilon(1e-12));
    CHECK(std::abs(c.total - c.difference) < 0.01 * std::abs(c.difference));
  }
  f.subject.settings.steps = 2000;
  for (const Completeness& c : f.maps("integrated-gradients").completeness) {
    CHECK(std::abs(c.total - c.difference) < 0.0005 * std::abs(c.difference));
  }
  CHECK(f.maps("gradient").completeness.empty());
}

TEST_CASE("smoothgrad, its square and its variance belong together") {
  Fixture f;
  const Tensor mean_map = f.maps("smoothgrad").raw;
  const Tensor square = f.maps("smoothgrad-squared").raw;
  const Tensor variance_map = f.maps("vargrad").raw;
  CHECK(close(square - mean_map * mean_map, variance_map, 1e-14));
  CHECK(max(reshape(variance_map, {variance_map.numel()}), 0).item() > 0);
  CHECK(bitwise_equal(f.maps("smooth:gradient").raw, mean_map));
  // An image sees the same noise alone as among others, and other noise under another seed
  const Tensor alone =
      saliency_maps("smoothgrad", f.subject, slice(f.x, 0, 2, 3), std::vector<int64_t>{2}).raw;
  CHECK(close(alone, slice(mean_map, 0, 2, 3)));
  f.subject.seed = 4;
  CHECK_FALSE(close(f.maps("smoothgrad").raw, mean_map, 1e-6));
}

TEST_CASE("smooth:METHOD is the mean of a method's maps") {
  Fixture f;
  f.subject.settings.noise_level = 0;
  for (const char* method : {"grad-cam", "guided", "layer-cam", "guided-grad-cam"}) {
    INFO(method);
    CHECK(close(f.maps(std::string("smooth:") + method).raw, f.maps(method).raw, 1e-14));
  }
  f.subject.settings.noise_level = 0.15;
  CHECK_FALSE(close(f.maps("smooth:grad-cam").raw, f.maps("grad-cam").raw, 1e-6));
  CHECK_THROWS_WITH_AS(
      f.maps("smooth:smoothgrad"), doctest::Contains("smooth:grad-cam, smooth:grad-cam++"),
      ValueError);
  CHECK_THROWS_WITH_AS(f.maps("smooth:nope"), doctest::Contains("smooth:gradient"), ValueError);
  f.subject.settings.noisy_copies = 0;
  CHECK_THROWS_AS(f.maps("smoothgrad"), ValueError);
}

TEST_CASE("smooth:N:METHOD has its own number of copies, the first of a larger number") {
  Fixture f;
  const Tensor one = f.maps("smooth:1:guided").raw;
  CHECK_FALSE(close(one, f.maps("guided").raw, 1e-6));  // one copy, and it is noisy
  f.subject.settings.noisy_copies = 3;
  CHECK(bitwise_equal(f.maps("smooth:3:guided").raw, f.maps("smooth:guided").raw));
  CHECK(bitwise_equal(f.maps("smooth:1:guided").raw, one));  // whatever the settings
  // The three copies, recovered from the means, have the squares of smoothgrad-squared
  const Tensor two = f.maps("smooth:2:gradient").raw, three = f.maps("smooth:3:gradient").raw;
  const Tensor squares = f.maps("smoothgrad-squared").raw, third = 3 * three - 2 * two;
  const Tensor first = f.maps("smooth:1:gradient").raw, second = 2 * two - first;
  CHECK(close((first * first + second * second + third * third) / 3, squares, 1e-12));

  CHECK(saliency_method("smooth:4:grad-cam").name == "smooth:4:grad-cam");
  CHECK(saliency_method("smooth:4:grad-cam").what.find("over 4 noisy copies") == 5);
  CHECK(saliency_method("smooth:1000:grad-cam").needs_layer);
  for (const char* wrong :
       {"0", "1001", "-1", "", "x", "4x", "1e3", " 4", "99999999999999999999"}) {
    INFO(wrong);
    CHECK_THROWS_WITH_AS(
        saliency_method(join_text("smooth:", wrong, ":gradient")),
        doctest::Contains("is not smooth:N:METHOD with N from 1 to 1000"), ValueError);
  }
  CHECK_THROWS_WITH_AS(
      saliency_method("smooth:4:rise"), doctest::Contains("smooth:grad-cam"), ValueError);
}

// The maps that are averaged are rectified: half of the first copy's map stays, whatever the second
// copy's sum before its rectifier.
TEST_CASE("smooth:METHOD averages maps after their rectifier") {
  Fixture f;
  f.subject.settings.noise_level = 1;
  f.subject.settings.noisy_copies = 1;
  const Tensor first = f.maps("smooth:grad-cam").raw;
  f.subject.settings.noisy_copies = 2;
  const std::vector<double> left = (f.maps("smooth:grad-cam").raw - 0.5 * first).to_vector();
  CHECK(*std::min_element(left.begin(), left.end()) >= -1e-15);
  CHECK(*std::max_element(left.begin(), left.end()) > 0);
}

TEST_CASE("running moments of equal and of different tensors") {
  RunningMoments equal_ones;
  const Tensor third = Tensor::full({2}, 1.0 / 3);
  for (int i = 0; i < 11; ++i) equal_ones.add(third);
  CHECK(bitwise_equal(equal_ones.mean(), third));
  CHECK(bitwise_equal(equal_ones.variance(), Tensor::zeros({2})));
  RunningMoments different;
  for (const double value : {1.0, 2.0, 6.0}) different.add(Tensor::full({1}, value, DType::f64));
  CHECK(different.mean().item() == 3);
  CHECK(different.variance().item() == doctest::Approx(14.0 / 3).epsilon(1e-15));
}
