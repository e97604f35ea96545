// tests/interpret/saliency_test.cpp: maps of networks small enough to compute by hand.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/cam.h"
#include "interpret/saliency/gradient.h"
#include "tests/interpret/small_nets.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// y = W2 relu(W1 x), two inputs, two hidden units, two classes; with or without a ReLU layer.
class TinyNet : public Module {
 public:
  explicit TinyNet(bool uses_layer) : uses_layer_(uses_layer) {
    w1_.require_gradient();
    w2_.require_gradient();
  }
  const char* type() const override { return "TinyNet"; }
  void visit(Visitor& v) override {
    v.parameter("w1", w1_);
    v.parameter("w2", w2_);
    v.child("relu", relu_);
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor z = matmul(flatten(x), w1_, {.transpose_b = true});
    const Tensor h = uses_layer_ ? relu_(z, pass) : relu(z);
    return matmul(h, w2_, {.transpose_b = true});
  }

  bool uses_layer_;
  ReLU relu_;
  Tensor w1_ = Tensor::of({2, 2}, {1, 2, 3, -1}, DType::f64);  // rows: hidden units
  Tensor w2_ = Tensor::of({2, 2}, {2, -5, 1, 1}, DType::f64);  // rows: classes
};

const std::vector<int64_t> kFirstClass = {0};

}  // namespace

// x = (2, 1): z = (4, 5), both units active.
//   standard  dy0/dx = 2 (1, 2) - 5 (3, -1) = (-13, 9)
//   guided    the gradient of unit 2 is -5 and is dropped: 2 (1, 2) = (2, 4)
// x = (-3, 1): z = (-1, -10), none active: standard and guided 0; deconv ignores that: (2, 4).
TEST_CASE("gradient, guided and deconv maps of a hand-computed network") {
  for (const bool uses_layer : {false, true}) {
    CAPTURE(uses_layer);
    TinyNet net(uses_layer);
    const Tensor active = Tensor::of({1, 2}, {2, 1}, DType::f64);
    const Tensor inactive = Tensor::of({1, 2}, {-3, 1}, DType::f64);
    const auto map = [&](const Tensor& x, ReluRule rule) {
      return gradient_map(net, x, kFirstClass, {.relu = rule}).to_vector();
    };
    CHECK(map(active, ReluRule::standard) == std::vector<double>{-13, 9});
    CHECK(map(active, ReluRule::guided) == std::vector<double>{2, 4});
    CHECK(map(active, ReluRule::deconv) == std::vector<double>{2, 4});
    CHECK(map(inactive, ReluRule::standard) == std::vector<double>{0, 0});
    CHECK(map(inactive, ReluRule::guided) == std::vector<double>{0, 0});
    CHECK(map(inactive, ReluRule::deconv) == std::vector<double>{2, 4});
  }
}

// y = (3, 7) at x = (2, 1): h = (4, 5), y0 = 8 - 25 = -17, y1 = 9. p0 = 1 / (1 + e^26).
TEST_CASE("targets: the logit, the probability and the loss have the slopes of their formulas") {
  TinyNet net(true);
  const Tensor x = Tensor::of({1, 2}, {2, 1}, DType::f64);
  const auto slope = [&](Target target) {
    return gradient_map(net, x, std::vector<int64_t>{1}, {.target = target}).to_vector();
  };
  const std::vector<double> logit = slope(Target::logit);  // (1, 2) + (3, -1)
  CHECK(logit == std::vector<double>{4, 1});
  const double p0 = 1 / (1 + std::exp(26.0));
  // d(-log p1)/dx = -p0 (dy1 - dy0);  dp1/dx = p1 p0 (dy1 - dy0);  dy1 - dy0 = (17, -8)
  CHECK(slope(Target::loss)[0] == doctest::Approx(-p0 * 17).epsilon(1e-12));
  CHECK(slope(Target::probability)[1] == doctest::Approx((1 - p0) * p0 * -8).epsilon(1e-12));
}

TEST_CASE("channel_maximum takes the largest absolute value") {
  const Tensor map = Tensor::of({1, 2, 1, 2}, {1, -4, -3, 2}, DType::f64);
  CHECK(channel_maximum(map).to_vector() == std::vector<double>{3, 4});
  CHECK(channel_maximum(map).shape() == Shape({1, 1, 1, 2}));
}

// Two feature maps A1 = [[1, 2], [3, 4]], A2 = [[4, 0], [0, 0]], class score = sum(A1) - mean(A2):
// alpha = (1, -1/4), map = relu(A1 - A2 / 4) = [[0, 2], [3, 4]].
TEST_CASE("weighted_maps adds the maps by their weights and keeps the positive part") {
  const Tensor maps = Tensor::of({1, 2, 2, 2}, {1, 2, 3, 4, 4, 0, 0, 0}, DType::f64);
  const Tensor alpha = Tensor::of({1, 2, 1, 1}, {1, -0.25}, DType::f64);
  CHECK(weighted_maps(maps, alpha).to_vector() == std::vector<double>{0, 2, 3, 4});
}

// A network with global average pooling and a linear head: dy_c/dA_k = w_ck / (h w) everywhere, so
// Grad-CAM is CAM (Zhou et al. 2016) divided by the number of positions.
TEST_CASE("Grad-CAM of a pooled linear head is CAM") {
  Rng rng(3);
  Sequential net;
  Conv2d& conv = net.add<Conv2d>("conv", 1, 3, Conv2dOptions{.padding = 1}, rng);
  net.add<GlobalAvgPool2d>("pool");
  net.add<Linear>("linear", 3, 2, rng);
  convert(net, DType::f64);
  const Tensor x = Tensor::normal({2, 1, 4, 5}, rng, 0, 1, DType::f64);
  const std::vector<int64_t> classes = {1, 0};
  const Tensor map = grad_cam(net, conv, x, classes);
  CHECK(map.shape() == Shape({2, 1, 4, 5}));

  Pass pass;
  const Tensor maps = conv(x, pass).detach();
  const Tensor weight = parameters(net)[2].second.detach();  // [2, 3]
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t i = 0; i < 20; ++i) {
      double cam = 0;
      for (int64_t k = 0; k < 3; ++k) {
        const double w = weight.data<double>()[classes[static_cast<size_t>(n)] * 3 + k];
        cam += w * maps.data<double>()[(n * 3 + k) * 20 + i] / 20;
      }
      CHECK(map.data<double>()[n * 20 + i] == doctest::Approx(std::max(cam, 0.0)).epsilon(1e-12));
    }
  }
}

TEST_CASE("one image and a batch give the same maps") {
  Rng rng(5);
  const auto net = make_model("resnet8", {.input = {3, 8, 8}, .classes = 4}, rng);
  const Tensor images = Tensor::normal({3, 3, 8, 8}, rng, 0, 1);
  const std::vector<int64_t> classes = {0, 3, 1};
  const Tensor together = gradient_map(*net, images, classes, {.relu = ReluRule::guided});
  for (int64_t n = 0; n < 3; ++n) {
    const std::vector<int64_t> own = {classes[static_cast<size_t>(n)]};
    const Tensor alone =
        gradient_map(*net, slice(images, 0, n, n + 1), own, {.relu = ReluRule::guided});
    for (int64_t i = 0; i < alone.numel(); ++i) {
      // f32: products of another size may round differently
      CHECK(
          alone.data<float>()[i] ==
          doctest::Approx(together.data<float>()[n * 192 + i]).epsilon(1e-4));
    }
  }
}

TEST_CASE("the model is left bitwise unchanged, also when a method throws") {
  Rng rng(9);
  const auto net = make_model("resnet8", {.input = {1, 12, 12}, .classes = 3}, rng);
  const Tensor images = Tensor::normal({2, 1, 12, 12}, rng, 0, 1);
  const std::vector<int64_t> classes = {2, 0};
  const auto before = bits(*net);
  const Module& layer = find_layer(*net, "layer3");
  const std::vector<std::byte> pixels(images.bytes().begin(), images.bytes().end());

  gradient_map(*net, images, classes);
  gradient_map(*net, images, classes, {.relu = ReluRule::guided});
  gradient_map(*net, images, classes, {.relu = ReluRule::deconv});
  grad_cam(*net, layer, images, classes);
  CHECK_THROWS_AS(gradient_map(*net, images, std::vector<int64_t>{0, 3}), ValueError);
  CHECK_THROWS_AS(gradient_map(*net, images, std::vector<int64_t>{0}), ShapeError);
  CHECK_THROWS_AS(grad_cam(*net, layer, images, std::vector<int64_t>{-1, 0}), ValueError);
  CHECK_THROWS_AS(grad_cam(*net, find_layer(*net, "linear"), images, classes), ShapeError);

  CHECK(bits(*net) == before);
  CHECK(std::equal(pixels.begin(), pixels.end(), images.bytes().begin()));
  CHECK_FALSE(images.requires_gradient());
}
