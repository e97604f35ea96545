// tests/interpret/cam_test.cpp: class activation maps against identities and plain loops.
#include "interpret/saliency/cam.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/methods.h"
#include "tests/interpret/small_nets.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

using namespace limpid;
using namespace limpid::interpret;

namespace {

const std::vector<int64_t> kClasses = {1, 0, 2};

Tensor images_for(Rng& rng, const Shape& shape) {
  return Tensor::normal(shape, rng, 0, 1, DType::f64);
}

// sum_k f(n, k, i, j), rectified, for all n, i, j
Tensor map_by_loops(
    const Tensor& maps, const std::function<double(int64_t, int64_t, int64_t, int64_t)>& f) {
  std::vector<double> values;
  for (int64_t n = 0; n < maps.size(0); ++n) {
    for (int64_t i = 0; i < maps.size(2); ++i) {
      for (int64_t j = 0; j < maps.size(3); ++j) {
        double total = 0;
        for (int64_t k = 0; k < maps.size(1); ++k) total += f(n, k, i, j);
        values.push_back(std::max(total, 0.0));
      }
    }
  }
  return Tensor::of({maps.size(0), 1, maps.size(2), maps.size(3)}, values, DType::f64);
}

// sum over the positions of one map
double over(const Tensor& maps, const std::function<double(int64_t, int64_t)>& f) {
  double total = 0;
  for (int64_t i = 0; i < maps.size(2); ++i) {
    for (int64_t j = 0; j < maps.size(3); ++j) total += f(i, j);
  }
  return total;
}

}  // namespace

// Behind the maps come pooling and a linear layer, so g_kij = W_ck / Zs exactly.
TEST_CASE("CAM family: identities of a pooled linear head") {
  Rng rng(11);
  SmallNet small(2, 5, 3, true, rng);
  const Tensor x = images_for(rng, {3, 2, 6, 5});
  const double area = 30;
  const Explained subject{small.net, small.maps};
  const Tensor W = small.head();
  const LayerSlopes s = layer_slopes(small.net, *small.maps, x, kClasses);
  CHECK(s.obstacle.empty());
  const auto weight = [&](int64_t n, int64_t k) {
    return W.data<double>()[kClasses[static_cast<size_t>(n)] * 5 + k];
  };
  const auto raw = [&](const char* method) {
    return saliency_maps(method, subject, x, kClasses).raw;
  };

  const Tensor grad_weights = cam_weights(CamWeights::grad, s);
  const Tensor xgrad_weights = cam_weights(CamWeights::xgrad, s);
  const Tensor cam = cam_weights(CamWeights::cam, s);
  const Tensor plus = cam_weights(CamWeights::grad_plus_plus, s);
  for (int64_t n = 0; n < 3; ++n) {
    for (int64_t k = 0; k < 5; ++k) {
      const double w = weight(n, k);
      const double mean_map =
          over(s.maps, [&](int64_t i, int64_t j) { return at(s.maps, n, k, i, j); }) / area;
      CHECK(at(grad_weights, n, k, 0, 0) == doctest::Approx(w / area).epsilon(1e-12));
      if (mean_map > 0) {
        CHECK(at(xgrad_weights, n, k, 0, 0) == doctest::Approx(w / area).epsilon(1e-12));
      }
      CHECK(at(cam, n, k, 0, 0) == doctest::Approx(w).epsilon(1e-12));
      CHECK(
          at(plus, n, k, 0, 0) ==
          doctest::Approx(std::max(w, 0.0) / (2 + w * mean_map)).epsilon(1e-12));
    }
  }
  CHECK(close(raw("hires-cam"), raw("grad-cam")));
  CHECK(close(raw("xgrad-cam"), raw("grad-cam")));
  CHECK(close(raw("cam"), raw("grad-cam") * area));
  CHECK(
      close(raw("layer-cam"), map_by_loops(s.maps, [&](int64_t n, int64_t k, int64_t i, int64_t j) {
              return std::max(weight(n, k), 0.0) * at(s.maps, n, k, i, j) / area;
            })));
  const auto shown = [&](const char* method) {
    return saliency_maps(method, subject, x, kClasses).shown;
  };
  for (const char* method : {"grad-cam", "xgrad-cam", "hires-cam"}) {
    CHECK(close(shown(method), shown("cam"), 1e-10));
  }
}

// A shallow layer, where slopes differ from position to position.
TEST_CASE("CAM family: the formulas as loops") {
  Rng rng(12);
  SmallNet small(2, 4, 3, true, rng);
  const Module& shallow = find_layer(small.net, "relu1");
  const Tensor x = images_for(rng, {3, 2, 5, 4});
  const Explained subject{small.net, &shallow};
  const LayerSlopes s = layer_slopes(small.net, shallow, x, kClasses);
  CHECK(s.obstacle == "relu");
  const auto A = [&](int64_t n, int64_t k, int64_t i, int64_t j) { return at(s.maps, n, k, i, j); };
  const auto g = [&](int64_t n, int64_t k, int64_t i, int64_t j) {
    return at(s.slope, n, k, i, j);
  };
  const auto total = [&](int64_t n, int64_t k) {
    return over(s.maps, [&](int64_t i, int64_t j) { return A(n, k, i, j); });
  };
  const auto raw = [&](const char* method) {
    return saliency_maps(method, subject, x, kClasses).raw;
  };

  CHECK(close(
      raw("grad-cam++"), map_by_loops(s.maps, [&](int64_t n, int64_t k, int64_t i, int64_t j) {
        const double alpha = over(s.maps, [&](int64_t a, int64_t b) {
          const double d = g(n, k, a, b);
          const double below = 2 * d * d + total(n, k) * d * d * d;
          return d == 0 ? 0 : d * d / below * std::max(d, 0.0);
        });
        return alpha * A(n, k, i, j);
      })));
  CHECK(
      close(raw("xgrad-cam"), map_by_loops(s.maps, [&](int64_t n, int64_t k, int64_t i, int64_t j) {
              const double product =
                  over(s.maps, [&](int64_t a, int64_t b) { return g(n, k, a, b) * A(n, k, a, b); });
              return total(n, k) == 0 ? 0 : product / total(n, k) * A(n, k, i, j);
            })));
  CHECK(
      close(raw("hires-cam"), map_by_loops(s.maps, [&](int64_t n, int64_t k, int64_t i, int64_t j) {
              return g(n, k, i, j) * A(n, k, i, j);
            })));
  CHECK(
      close(raw("layer-cam"), map_by_loops(s.maps, [&](int64_t n, int64_t k, int64_t i, int64_t j) {
              return std::max(g(n, k, i, j), 0.0) * A(n, k, i, j);
            })));
  CHECK_THROWS_WITH_AS(raw("cam"), doctest::Contains("found relu"), ValueError);
}

// The definition with power iteration instead of a singular value decomposition.
TEST_CASE("Eigen-CAM: the first principal component, by power iteration") {
  Rng rng(13);
  SmallNet small(1, 4, 3, false, rng);
  const Tensor x = images_for(rng, {3, 1, 6, 6});
  const LayerSlopes s = layer_slopes(small.net, *small.maps, x, kClasses);
  const Tensor ours = eigen_sum(s.maps);
  for (int64_t n = 0; n < 3; ++n) {
    std::vector<double> centred(36 * 4);
    for (int64_t k = 0; k < 4; ++k) {
      const double m =
          over(s.maps, [&](int64_t i, int64_t j) { return at(s.maps, n, k, i, j); }) / 36;
      for (int64_t p = 0; p < 36; ++p) {
        centred[static_cast<size_t>(p * 4 + k)] = at(s.maps, n, k, p / 6, p % 6) - m;
      }
    }
    const Tensor R = Tensor::of({36, 4}, centred, DType::f64);
    Tensor v = Tensor::ones({4, 1}, DType::f64);
    for (int step = 0; step < 5000; ++step) {
      v = matmul(R, matmul(R, v), {.transpose_a = true});
      v = v / norm(v, {0}).item();
    }
    Tensor component = matmul(R, v);  // [36, 1]
    if (sum(component * sum(R, {1})).item() < 0) component = -component;
    CHECK(close(reshape(component, {1, 1, 6, 6}), slice(ours, 0, n, n + 1), 1e-9));
  }
}

// A_k = a_k M: rank one before and after centring, so the component is M - mean M up to a factor.
TEST_CASE("Eigen-CAM: maps that are multiples of one map") {
  Rng rng(14);
  const Tensor M = Tensor::uniform({1, 1, 4, 5}, rng, 0, 2, DType::f64);
  const Tensor a = Tensor::of({1, 3, 1, 1}, {0.5, -0.2, 2}, DType::f64);
  const Tensor component = eigen_sum(a * M);
  const auto unit = [](const Tensor& map) {
    const Tensor row = reshape(map, {map.numel()});
    const double low = -max(-row, 0).item();
    return (map - low) / (max(row, 0).item() - low);
  };
  CHECK(close(unit(component), unit(M), 1e-12));
  CHECK(close(unit(relu(component)), unit(relu(M - mean(M))), 1e-12));
}

TEST_CASE("CAM: the token maps of a transformer") {
  Rng rng(15);
  const auto vit = make_model("tiny_vit", {.input = {3, 32, 32}, .classes = 4}, rng);
  const std::vector<std::string> names = spatial_layers(*vit, {3, 32, 32});
  CHECK(std::find(names.begin(), names.end(), "blocks.1") != names.end());
  CHECK(std::find(names.begin(), names.end(), "norm") != names.end());
  CHECK(std::find(names.begin(), names.end(), "head") == names.end());
  const Tensor x = Tensor::normal({2, 3, 32, 32}, rng, 0, 1);
  const std::vector<int64_t> classes = {0, 3};
  for (const char* method : {"grad-cam", "grad-cam++", "layer-cam", "eigen-cam"}) {
    const Maps maps = saliency_maps(method, {*vit, &find_layer(*vit, "blocks.1")}, x, classes);
    CHECK(maps.raw.shape() == Shape({2, 1, 8, 8}));
    CHECK(maps.shown.shape() == Shape({2, 1, 32, 32}));
  }

  // Token t of a 2 x 3 grid is row t / 3, column t % 3; a seventh token in front is dropped
  const Tensor tokens = Tensor::of({1, 6, 1}, {0, 1, 2, 3, 4, 5});
  const Tensor with_class = Tensor::of({1, 7, 1}, {9, 0, 1, 2, 3, 4, 5});
  const Shape image = {1, 3, 8, 12};
  const std::vector<double> expected = {0, 1, 2, 3, 4, 5};
  CHECK(spatial_maps(tokens, image, *vit).shape() == Shape({1, 1, 2, 3}));
  CHECK(spatial_maps(tokens, image, *vit).to_vector() == expected);
  CHECK(spatial_maps(with_class, image, *vit).to_vector() == expected);
  CHECK_THROWS_AS(spatial_maps(tokens, {1, 3, 8, 8}, *vit), ShapeError);
}

TEST_CASE("several methods in one call give what each gives alone, in any batch") {
  Rng rng(16);
  SmallNet small(2, 4, 3, true, rng);
  const Tensor x = images_for(rng, {70, 2, 6, 6});  // more than one batch
  std::vector<int64_t> classes(70);
  for (size_t n = 0; n < 70; ++n) classes[n] = static_cast<int64_t>(n) % 3;
  const Explained subject{small.net, small.maps};
  const std::vector<std::string> methods = {"grad-cam", "gradient", "layer-cam", "guided-grad-cam"};
  const std::vector<Maps> together = saliency_maps(methods, subject, x, classes);
  for (size_t m = 0; m < methods.size(); ++m) {
    INFO(methods[m]);
    const Maps alone = saliency_maps(methods[m], subject, x, classes);
    CHECK(bitwise_equal(together[m].raw, alone.raw));
    CHECK(bitwise_equal(together[m].shown, alone.shown));
    CHECK(alone.notes.size() == 70);
    const Maps last =
        saliency_maps(methods[m], subject, slice(x, 0, 69, 70), std::vector<int64_t>{classes[69]});
    CHECK(close(last.raw, slice(alone.raw, 0, 69, 70)));
  }
}
