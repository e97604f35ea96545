// tests/interpret/randomisation_test.cpp: cosines, structural similarity, a network that forgets.
#include "interpret/metrics/randomisation.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/similarity.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Wang et al., eq. 13, one window after the other.
double plain_ssim(
    const std::vector<double>& a, const std::vector<double>& b, int64_t side, int64_t size) {
  const auto weight = [&](int64_t y, int64_t x) {
    const int64_t half = size / 2;
    const auto r2 = static_cast<double>((y - half) * (y - half) + (x - half) * (x - half));
    return std::exp(-r2 / (2 * 1.5 * 1.5));
  };
  double total = 0;
  for (int64_t y = 0; y < size; ++y) {
    for (int64_t x = 0; x < size; ++x) total += weight(y, x);
  }
  double sum = 0;
  const int64_t places = side - size + 1;
  for (int64_t top = 0; top < places; ++top) {
    for (int64_t left = 0; left < places; ++left) {
      double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
      for (int64_t y = 0; y < size; ++y) {
        for (int64_t x = 0; x < size; ++x) {
          const double w = weight(y, x) / total;
          const auto i = static_cast<size_t>((top + y) * side + left + x);
          ma += w * a[i];
          mb += w * b[i];
          aa += w * a[i] * a[i];
          bb += w * b[i] * b[i];
          ab += w * a[i] * b[i];
        }
      }
      const double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
      sum += (2 * ma * mb + c1) * (2 * (ab - ma * mb) + c2) /
             ((ma * ma + mb * mb + c1) * (aa - ma * ma + bb - mb * mb + c2));
    }
  }
  return sum / static_cast<double>(places * places);
}

std::unique_ptr<Module> net_of(const std::string& name, uint64_t seed) {
  Rng rng(seed);
  return make_model(name, {.input = {3, 16, 16}, .classes = 4}, rng);
}

std::vector<std::vector<std::byte>> bits(Module& model) {
  std::vector<std::vector<std::byte>> all;
  for (const auto& [name, tensor] : state(model)) {
    const auto bytes = tensor.bytes();
    all.emplace_back(bytes.begin(), bytes.end());
    CHECK_FALSE(tensor.gradient().defined());
  }
  return all;
}

Tensor some_images() {
  Rng rng(9);
  return Tensor::normal({6, 3, 16, 16}, rng, 0, 1);
}

// The gradient of the largest logit, and a map that never looks at the network.
std::vector<ComparedMaps> gradient_and_edges(Module& net) {
  const Recording on(true);
  Tensor x = some_images();
  x.require_gradient();
  Pass pass;
  const Tensor slope = grad(sum(max(net(x, pass), 1)), x);
  const Tensor edges = some_images();
  const auto shown = [](const Tensor& raw) { return sigmoid(mean(raw, {1})).detach(); };
  return {{slope, shown(slope)}, {edges, shown(edges)}};
}

}  // namespace

TEST_CASE("cosines: by hand, image by image") {
  const Tensor a = Tensor::of({3, 1, 1, 2}, {3, 4, 1, 0, 0, 0});
  const Tensor b = Tensor::of({3, 1, 1, 2}, {4, 3, 0, -2, 1, 1});
  const std::vector<double> c = cosines(a, b);
  REQUIRE(c.size() == 3);
  CHECK(c[0] == doctest::Approx(24.0 / 25));
  CHECK(c[1] == 0);
  CHECK(std::isnan(c[2]));
  CHECK(cosines(b, b) == std::vector<double>{1, 1, 1});
  CHECK(cosines(b, -2 * b)[1] == doctest::Approx(-1));
  CHECK_THROWS_AS(cosines(a, Tensor::zeros({3, 2})), ShapeError);
}

TEST_CASE("structural similarity: the formula, window by window") {
  Rng rng(1);
  for (const int64_t side : {int64_t{16}, int64_t{8}}) {
    const Tensor a = Tensor::uniform({2, 1, side, side}, rng, 0, 1);
    const Tensor b = 0.5 * a + 0.5 * Tensor::uniform({2, 1, side, side}, rng, 0, 1);
    const std::vector<double> s = structural_similarity(a, b);
    for (int64_t n = 0; n < 2; ++n) {
      const double expected = plain_ssim(
          slice(a, 0, n, n + 1).to_vector(), slice(b, 0, n, n + 1).to_vector(), side,
          side == 16 ? 11 : 7);
      CHECK(s[static_cast<size_t>(n)] == doctest::Approx(expected).epsilon(1e-9));
    }
    CHECK(structural_similarity(a, a)[0] == doctest::Approx(1).epsilon(1e-12));
  }
  CHECK_THROWS_AS(
      structural_similarity(Tensor::zeros({1, 1, 8, 8}), Tensor::zeros({1, 1, 8, 9})), ShapeError);
  CHECK_THROWS_AS(
      structural_similarity(Tensor::zeros({1, 2, 8, 8}), Tensor::zeros({1, 2, 8, 8})), ShapeError);
}

TEST_CASE("layer groups: a matrix with the norm that follows it") {
  const auto net = net_of("resnet8", 1);
  const std::vector<LayerGroup> groups = layer_groups(*net);
  REQUIRE(groups.size() == 8);
  CHECK(groups.front().name == "conv1");
  CHECK(
      groups.front().tensors ==
      std::vector<std::string>{
          "conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"});
  CHECK(groups.back().tensors.size() == 2);
  size_t tensors = 0;
  for (const LayerGroup& group : groups) tensors += group.tensors.size();
  CHECK(tensors == state(*net).size());
}

TEST_CASE("randomisation: gradients change, edges do not, the model stays bit by bit") {
  const auto net = net_of("convnet:6x2:batch", 2);
  const auto twin = net_of("convnet:6x2:batch", 3);
  const auto before = bits(*net);
  for (const auto mode : {RandomisationMode::cascade, RandomisationMode::independent}) {
    const auto results =
        randomisation_test(*net, *twin, some_images(), gradient_and_edges, {.mode = mode});
    REQUIRE(results.size() == 2);
    REQUIRE(results[0].size() == 3);  // linear, two convolutions
    const auto& deepest = results[0].back();
    REQUIRE(deepest.spearman.size() == 6);
    for (size_t n = 0; n < 6; ++n) {
      CHECK(std::abs(deepest.spearman[n]) < 0.6);
      CHECK(std::isfinite(deepest.ssim[n]));
      CHECK(results[1].back().spearman[n] == doctest::Approx(1));
      CHECK(results[1].back().spearman_abs[n] == doctest::Approx(1));
      CHECK(results[1].back().ssim[n] == doctest::Approx(1));
    }
  }
  CHECK(bits(*net) == before);
}

TEST_CASE("randomisation: which tensors are fresh in either mode") {
  const auto net = net_of("convnet:6x2:batch", 2);
  const auto twin = net_of("convnet:6x2:batch", 3);
  const size_t tensors = state(*net).size();
  std::vector<size_t> changed;  // tensors that differ from the trained ones, call by call
  const MapFunction count_changes = [&](Module& now) {
    const auto a = state(*net);
    const auto b = state(now);
    size_t count = 0;
    for (size_t i = 0; i < a.size(); ++i)
      count += a[i].second.to_vector() != b[i].second.to_vector();
    changed.push_back(count);
    return std::vector<ComparedMaps>{};
  };
  randomisation_test(*net, *twin, some_images(), count_changes);
  // Untrained norms start at 1 and 0, as fresh ones do: of a group, weight, bias and two statistics
  CHECK(changed == std::vector<size_t>{0, 2, 6, 10});
  changed.clear();
  randomisation_test(
      *net, *twin, some_images(), count_changes, {.mode = RandomisationMode::independent});
  CHECK(changed == std::vector<size_t>{0, 2, 4, 4});
  CHECK(tensors == 14);
}

TEST_CASE("randomisation: fresh statistics are those of the images") {
  const auto net = net_of("convnet:6x1:batch", 2);
  const auto twin = net_of("convnet:6x1:batch", 3);
  const MapFunction nothing = [](Module&) { return std::vector<ComparedMaps>{}; };
  randomisation_test(*net, *twin, some_images(), nothing);
  // With all images as one batch, training and evaluation now see the same statistics up to n - 1
  const Recording off(false);
  Pass training(Mode::train), evaluating;
  const std::vector<double> a = (*twin)(some_images(), evaluating).to_vector();
  const std::vector<double> b = (*twin)(some_images(), training).to_vector();
  for (size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) < 5e-3);
}

TEST_CASE(
    "randomisation: a function of the seed, at any thread count; another network is refused") {
  const auto net = net_of("convnet:6x2:batch", 2);
  const auto twin = net_of("convnet:6x2:batch", 3);
  const auto at = [&](int threads, uint64_t seed) {
    const parallel::ThreadLimit limit(threads);
    return randomisation_test(*net, *twin, some_images(), gradient_and_edges, {.seed = seed})[0]
        .back()
        .spearman;
  };
  CHECK(at(1, 0) == at(3, 0));
  CHECK(at(1, 0) != at(1, 1));
  const auto other = net_of("convnet:5x2:batch", 3);
  CHECK_THROWS_AS(randomisation_test(*net, *other, some_images(), gradient_and_edges), ValueError);
}
