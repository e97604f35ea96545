// tests/interpret/relevance_test.cpp: LRP and DeepLIFT against loops, identities and sums.
#include "interpret/saliency/relevance.h"

#include "framework/core/error.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/gradient.h"
#include "interpret/saliency/methods.h"
#include "tests/interpret/small_nets.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>

using namespace limpid;
using namespace limpid::interpret;

namespace {

std::unique_ptr<Module> model_of(const char* name, const Shape& input, Rng& rng) {
  auto net = make_model(name, {.input = input, .classes = 3}, rng);
  convert(*net, DType::f64);
  return net;
}

// Biases, and what batch norm adds, to 0: values are then homogeneous in the image.
void drop_biases(Module& net) {
  for (auto& [name, tensor] : state(net)) {
    if (name.ends_with("bias") || name.ends_with("running_mean")) {
      tensor.assign(Tensor::zeros(tensor.shape(), tensor.dtype()));
    }
  }
}

Tensor images_of(const Shape& input, Rng& rng) {
  return Tensor::normal({2, input[0], input[1], input[2]}, rng, 0, 1, DType::f64);
}

std::vector<double> totals(const Tensor& maps) { return sum(flatten(maps), {1}).to_vector(); }

const std::vector<int64_t> kClasses = {2, 0};

}  // namespace

TEST_CASE("LRP-epsilon is gradient times input in a network of rectifiers without biases") {
  Rng rng(51);
  for (const char* name : {"lenet5", "resnet8", "resnet18:0.125", "vgg11"}) {
    INFO(name);
    const Shape input = {3, 32, 32};
    const auto net = model_of(name, input, rng);
    drop_biases(*net);
    const Tensor x = images_of(input, rng);
    const Tensor expected = gradient_map(*net, x, kClasses) * x;
    CHECK(close(lrp_map(*net, x, kClasses), expected, 1e-6));
    CHECK(max(reshape(abs(expected), {expected.numel()}), 0).item() > 1e-5);
  }
}

// A convolution with bias, batch norm, a rectifier, and a linear layer, in loops.
TEST_CASE("LRP: the rules as loops, with batch norm folded") {
  constexpr int64_t C = 2, K = 3, H = 4, W = 5, classes = 3;
  Rng rng(52);
  Sequential net;
  net.add<Conv2d>("conv", C, K, Conv2dOptions{.padding = 1}, rng);
  net.add<BatchNorm2d>("bn", K);
  net.add<ReLU>("relu");
  net.add<Flatten>("flatten");
  net.add<Linear>("linear", K * H * W, classes, rng);
  convert(net, DType::f64);
  for (auto& [name, tensor] : state(net)) {
    if (name.starts_with("bn.")) {
      tensor.assign(Tensor::uniform(tensor.shape(), rng, 0.5, 1.5, DType::f64));
    }
  }
  const Tensor x = images_of({C, H, W}, rng);
  std::map<std::string, Tensor> p;
  for (const auto& [name, tensor] : state(net)) p[name] = tensor.detach();
  const auto value = [&](const char* name, int64_t i) { return p[name].data<double>()[i]; };

  struct Case {
    LrpOptions options;
    double (*changed)(double w, double z);
  };
  const Case cases[] = {
      {{LrpRule::epsilon, 0.1}, [](double w, double) { return w; }},
      {{LrpRule::gamma, 1e-9},
       [](double w, double z) {
         return w + 0.25 * (z >= 0 ? std::max(w, 0.0) : std::min(w, 0.0));
       }},
      {{LrpRule::z_plus, 1e-9}, [](double w, double) { return std::max(w, 0.0); }}};
  for (const Case& rule : cases) {
    CAPTURE(static_cast<int>(rule.options.rule));
    const Tensor ours = lrp_map(net, x, kClasses, rule.options);
    const auto stable = [&](double z) { return z + rule.options.epsilon * (z >= 0 ? 1 : -1); };
    for (int64_t n = 0; n < 2; ++n) {
      // Folded filters and biases
      const auto scale = [&](int64_t k) {
        return value("bn.weight", k) / std::sqrt(value("bn.running_var", k) + 1e-5);
      };
      const auto filter = [&](int64_t k, int64_t c, int64_t r, int64_t s) {
        return value("conv.weight", ((k * C + c) * 3 + r) * 3 + s) * scale(k);
      };
      const auto bias = [&](int64_t k) {
        return (value("conv.bias", k) - value("bn.running_mean", k)) * scale(k) +
               value("bn.bias", k);
      };
      // Calls f(c, i, j, w) for the inputs of output k, p, q
      const auto for_inputs = [&](int64_t k, int64_t pr, int64_t q, auto f) {
        for (int64_t c = 0; c < C; ++c) {
          for (int64_t r = 0; r < 3; ++r) {
            for (int64_t s = 0; s < 3; ++s) {
              const int64_t i = pr + r - 1, j = q + s - 1;
              if (i >= 0 && i < H && j >= 0 && j < W) f(c, i, j, filter(k, c, r, s));
            }
          }
        }
      };
      // Forward
      std::vector<double> h(K * H * W);
      for (int64_t u = 0; u < K * H * W; ++u) {
        double z = bias(u / (H * W));
        for_inputs(u / (H * W), u / W % H, u % W, [&](int64_t c, int64_t i, int64_t j, double w) {
          z += w * at(x, n, c, i, j);
        });
        h[static_cast<size_t>(u)] = std::max(z, 0.0);
      }
      // Linear layer: R_u = h_u w'_u y / z'
      const int64_t label = kClasses[static_cast<size_t>(n)];
      double y = value("linear.bias", label);
      const auto weight = [&](int64_t u) { return value("linear.weight", label * K * H * W + u); };
      for (int64_t u = 0; u < K * H * W; ++u) y += weight(u) * h[static_cast<size_t>(u)];
      double changed_y = rule.changed(value("linear.bias", label), y);
      for (int64_t u = 0; u < K * H * W; ++u) {
        changed_y += rule.changed(weight(u), y) * h[static_cast<size_t>(u)];
      }
      std::vector<double> R(C * H * W, 0);
      for (int64_t u = 0; u < K * H * W; ++u) {
        const double w = rule.changed(weight(u), y);
        const double from_y = h[static_cast<size_t>(u)] * w * y / stable(changed_y);
        // Convolution: the rectifier has passed from_y on, and 0 where z was negative
        const int64_t k = u / (H * W), pr = u / W % H, q = u % W;
        double z = rule.changed(bias(k), 1);
        for_inputs(k, pr, q, [&](int64_t c, int64_t i, int64_t j, double v) {
          z += rule.changed(v, 1) * at(x, n, c, i, j);
        });
        for_inputs(k, pr, q, [&](int64_t c, int64_t i, int64_t j, double v) {
          R[static_cast<size_t>((c * H + i) * W + j)] +=
              at(x, n, c, i, j) * rule.changed(v, 1) * from_y / stable(z);
        });
      }
      for (int64_t i = 0; i < C * H * W; ++i) {
        CHECK(
            ours.data<double>()[n * C * H * W + i] ==
            doctest::Approx(R[static_cast<size_t>(i)]).epsilon(1e-6));
      }
    }
  }
}

// One convolution under pooling: the share of output u in the score is z_u / (K H W), and
// R_i = sum_u (x_i w - l_i w+ - h_i w-) z_u / (K H W) / z'_u.
TEST_CASE("LRP: the rule for bounded images as loops") {
  constexpr int64_t C = 2, K = 3, H = 4, W = 5;
  Rng rng(57);
  Sequential net;
  net.add<Conv2d>("conv", C, K, Conv2dOptions{.padding = 1}, rng);
  net.add<GlobalAvgPool2d>("pool");
  convert(net, DType::f64);
  const Tensor x = Tensor::uniform({1, C, H, W}, rng, -0.7, 0.9, DType::f64);
  const LrpOptions options{
      .rule = LrpRule::gamma,
      .low = Tensor::full(x.shape(), -0.8, DType::f64),
      .high = Tensor::full(x.shape(), 1, DType::f64)};
  const std::vector<int64_t> own = {1};
  const Tensor ours = lrp_map(net, x, own, options);
  const Tensor w = parameters(net)[0].second.detach();
  const double b = parameters(net)[1].second.data<double>()[1];
  std::vector<double> R(C * H * W, 0);
  for (int64_t u = 0; u < H * W; ++u) {
    double z = b, bounded = 0;
    const auto for_inputs = [&](auto f) {
      for (int64_t k = 0; k < C * 9; ++k) {
        const int64_t c = k / 9, i = u / W + k / 3 % 3 - 1, j = u % W + k % 3 - 1;
        if (i < 0 || i >= H || j < 0 || j >= W) continue;
        const double v = at(w, 1, c, k / 3 % 3, k % 3);
        const double part = at(x, 0, c, i, j) * v + 0.8 * std::max(v, 0.0) - std::min(v, 0.0);
        f(c, i, j, v, part);
      }
    };
    for_inputs([&](int64_t c, int64_t i, int64_t j, double v, double part) {
      z += at(x, 0, c, i, j) * v;
      bounded += part;
    });
    for_inputs([&](int64_t c, int64_t i, int64_t j, double, double part) {
      R[static_cast<size_t>((c * H + i) * W + j)] += part * z / (H * W) / bounded;
    });
  }
  CHECK(close(ours, Tensor::of(x.shape(), R, DType::f64), 1e-8));
}

// Without biases the relevance of the image is that of the score, whatever the rule.
TEST_CASE("LRP keeps the sum, through pools and residual blocks") {
  Rng rng(53);
  for (const char* name : {"lenet5", "resnet8", "convnet:8x2:batch:max"}) {
    const Shape input = {3, 16, 16};
    const auto net = model_of(name, input, rng);
    drop_biases(*net);
    const Tensor x = images_of(input, rng);
    const std::vector<double> scores = class_scores(*net, x, kClasses).to_vector();
    for (const LrpRule rule : {LrpRule::epsilon, LrpRule::gamma}) {
      INFO(name);
      CAPTURE(static_cast<int>(rule));
      const std::vector<double> kept = totals(lrp_map(*net, x, kClasses, {.rule = rule}));
      const LrpOptions bounded{.rule = rule, .low = x - 0.5, .high = x + 0.25};
      const std::vector<double> also = totals(lrp_map(*net, x, kClasses, bounded));
      for (size_t n = 0; n < 2; ++n) {
        CHECK(kept[n] == doctest::Approx(scores[n]).epsilon(1e-5));
        CHECK(also[n] == doctest::Approx(scores[n]).epsilon(1e-5));
      }
    }
  }
}

// y = relu(x1 - 1) - relu(x1 + x2), x = (3, 1), x0 = (0, 0):
//   u = (2, 4), u0 = (-1, 0), v - v0 = (2, 4): slopes 2/3 and 1
//   m = (2/3 - 1, -1), C = (3 m1, m2) = (-1, -1), sum -2 = y(x) - y(x0) = (2 - 4) - 0
TEST_CASE("DeepLIFT: the rescale rule of a hand-computed network") {
  Rng rng(54);
  Sequential net;
  net.add<Linear>("hidden", 2, 2, rng);
  net.add<ReLU>("relu");
  net.add<Linear>("score", 2, 1, rng);
  convert(net, DType::f64);
  NamedTensors p = parameters(net);
  p[0].second.assign(Tensor::of({2, 2}, {1, 0, 1, 1}, DType::f64));
  p[1].second.assign(Tensor::of({2}, {-1, 0}, DType::f64));
  p[2].second.assign(Tensor::of({1, 2}, {1, -1}, DType::f64));
  p[3].second.assign(Tensor::of({1}, {0.25}, DType::f64));
  const Tensor x = Tensor::of({1, 2}, {3, 1}, DType::f64);
  const Tensor map =
      deeplift_map(net, x, Tensor::zeros({1, 2}, DType::f64), std::vector<int64_t>{0});
  CHECK(map.data<double>()[0] == doctest::Approx(-1).epsilon(1e-12));
  CHECK(map.data<double>()[1] == doctest::Approx(-1).epsilon(1e-12));
}

TEST_CASE("DeepLIFT adds up to the difference of the scores") {
  Rng rng(55);
  for (const char* name : {"lenet5", "resnet8", "mobilenet_v2:0.25", "convnet:8x2:batch:max"}) {
    INFO(name);
    const Shape input = {3, 32, 32};
    const auto net = model_of(name, input, rng);
    const Tensor x = images_of(input, rng);
    const Tensor reference = Tensor::normal(x.shape(), rng, 0, 1, DType::f64);
    const Tensor map = deeplift_map(*net, x, reference, kClasses);
    const Tensor expected =
        class_scores(*net, x, kClasses) - class_scores(*net, reference, kClasses);
    CHECK(close(sum(flatten(map), {1}), expected, 1e-9));
    // With equal halves nothing differs
    CHECK(close(deeplift_map(*net, x, x, kClasses), Tensor::zeros(x.shape(), DType::f64)));
  }
}

TEST_CASE("relevance: what has no rule is refused by name") {
  Rng rng(56);
  const Shape input = {3, 16, 16};
  const Tensor x = images_of(input, rng);
  const auto refuses = [&](const char* model, const char* method, const char* text) {
    INFO(model);
    INFO(method);
    const auto net = model_of(model, input, rng);
    CHECK_THROWS_WITH_AS(
        saliency_maps(method, {*net}, x, kClasses), doctest::Contains(text), ValueError);
  };
  refuses("tiny_vit", "lrp-epsilon", "lrp: has no rule for");
  refuses("tiny_vit", "deeplift", "deeplift: has no rule for the op standardize");
  refuses("convnet:4x2:instance", "lrp-gamma", "lrp: has no rule for the op standardize");
  refuses("mobilenet_v2:0.25", "lrp-zplus", "lrp: has no rule for the op relu6");

  Sequential net;  // a norm that no convolution can take in
  net.add<BatchNorm2d>("bn", 3);
  net.add<GlobalAvgPool2d>("pool");
  convert(net, DType::f64);
  CHECK_THROWS_WITH_AS(lrp_map(net, x, kClasses), doctest::Contains("BatchNorm2d"), ValueError);
}
