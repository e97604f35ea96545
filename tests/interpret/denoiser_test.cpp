// tests/interpret/denoiser_test.cpp: trained denoisers, exact ones, stacks and compositions.
#include "interpret/transport/denoiser.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "tests/interpret/laws.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Solves A X = B for square A
Tensor solve(const Tensor& A, const Tensor& B) { return least_squares(A, B).x; }

}  // namespace

TEST_CASE("denoiser: the least-squares slope is off by 0.4714 / sqrt(n) (check 2)") {
  // Variance 1, noise 0.5: slope 2/3 with deviation sqrt(1/3 / 1.5 / n)
  const int64_t n = 400, trials = 2000;
  const MixtureLaw law = normal_in_1d(0, 1);
  double square = 0;
  for (int64_t i = 0; i < trials; ++i) {
    const auto seed = static_cast<uint64_t>(i);
    const Denoiser g = fit_linear_denoiser(law.sample(n, Rng(seed)), 0.5, seed);
    square += std::pow(g.linear_part().item() - 2.0 / 3, 2) / static_cast<double>(trials);
  }
  // 2000 trials know a deviation to 1.6 %
  CHECK(std::sqrt(square * static_cast<double>(n)) == doctest::Approx(0.4714).epsilon(0.1));
}

TEST_CASE("denoiser: what a network computes and its Jacobian") {
  const Denoiser g(
      normal({2, 2}, 1), Tensor::of({2}, {0.3, -0.1}, DType::f64), normal({5, 2}, 2),
      reshape(normal({5, 1}, 3), {5}), normal({2, 5}, 4));
  const Tensor y = normal({3, 2}, 5);
  const Tensor J = g.jacobian(y);
  const double e = 1e-6;
  for (int64_t a = 0; a < 2; ++a) {
    Tensor up = y.clone(), down = y.clone();
    for (int64_t i = 0; i < 3; ++i) {
      up.mutable_data<double>()[2 * i + a] += e;
      down.mutable_data<double>()[2 * i + a] -= e;
    }
    const Tensor slope = (g(up) - g(down)) / (2 * e);
    for (int64_t i = 0; i < 3; ++i) {
      for (int64_t b = 0; b < 2; ++b) {
        CHECK(
            J.data<double>()[(2 * i + b) * 2 + a] ==
            doctest::Approx(slope.data<double>()[2 * i + b]).epsilon(1e-7));
      }
    }
  }
  // log |det| of the step
  const Tensor log_det = trained_step(g, y).log_det;
  for (int64_t i = 0; i < 3; ++i) {
    const double* j = J.data<double>() + 4 * i;
    CHECK(
        log_det.data<double>()[i] ==
        doctest::Approx(std::log(std::abs(j[0] * j[3] - j[1] * j[2]))).epsilon(1e-10));
  }
}

TEST_CASE("denoiser: trained on N(0, 1) it reaches the floor 1/3 and the map 2/3 x (check 3)") {
  const MixtureLaw law = normal_in_1d(0, 1);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Denoiser g = train_denoiser(
        law.sample(4000, Rng(1)), 0.5,
        {.width = 16, .steps = 1500, .batch = 128, .dtype = dtype, .seed = 3});
    const DenoiserQuality quality = measure_denoiser(g, law, 0.5, 20'000, 7);
    CHECK(quality.loss == doctest::Approx(1.0 / 3).epsilon(0.02));
    CHECK(quality.floor == doctest::Approx(1.0 / 3).epsilon(0.02));
    CHECK(quality.least_loss == doctest::Approx(1.0 / 3).epsilon(0.02));
    // Loss = floor + error, up to the fluctuation of a sum of products with mean 0
    CHECK(quality.loss > quality.floor - 0.002);
    CHECK(quality.loss == doctest::Approx(quality.floor + quality.error).epsilon(0.01));
    CHECK(quality.relative_error() < 0.02);
    CHECK(quality.asymmetry == 0);
  }
}

TEST_CASE("denoiser: trained on a mixture in the plane it comes close to the exact map") {
  const MixtureLaw law = three_blobs();
  const Tensor x = law.sample(4000, Rng(2));
  const DenoiserOptions options = {.width = 32, .steps = 1200, .batch = 128, .seed = 1};
  const Denoiser g = train_denoiser(x, 0.4, options);
  const DenoiserQuality quality = measure_denoiser(g, law, 0.4, 4000, 5);
  CHECK(quality.relative_error() < 0.05);
  CHECK(quality.asymmetry > 0);
  CHECK(quality.asymmetry < 0.1);
  CHECK(quality.smallest_eigenvalue > 0);
  // One that has hardly learned is worse
  DenoiserOptions brief = options;
  brief.steps = 10;
  const DenoiserQuality early = measure_denoiser(train_denoiser(x, 0.4, brief), law, 0.4, 4000, 5);
  CHECK(early.relative_error() > 3 * quality.relative_error());
  // The same seed gives the same map, at any thread count
  const parallel::ThreadLimit one(1);
  CHECK(paired_cost(g(x), train_denoiser(x, 0.4, options)(x)) == 0);
}

TEST_CASE("denoiser: with shaped noise the target is the anisotropic map") {
  const Tensor D = Tensor::of({2, 2}, {1, 0.8, 0.8, 1}, DType::f64);
  const MixtureLaw law = normal_in_2d(1, 4, NoiseShape(D));
  const Denoiser g = train_denoiser(
      law.sample(4000, Rng(2)), 1,
      {.width = 16, .steps = 1200, .batch = 128, .noise_factor = law.noise().factor()});
  CHECK(measure_denoiser(g, law, 1, 4000, 5).relative_error() < 0.03);
  CHECK(measure_denoiser(g, normal_in_2d(1, 4), 1, 4000, 5).relative_error() > 0.2);
}

TEST_CASE("denoiser: trained layers take variance away as exact ones do") {
  const MixtureLaw law = normal_in_1d(0, 1);
  const std::vector<double> taus = equal_steps(0.25, 2);
  const Tensor x = law.sample(3000, Rng(4));
  const TrainedComposition trained =
      train_composition(x, taus, {.width = 16, .steps = 800, .batch = 128});
  REQUIRE(trained.layers.size() == 2);
  CHECK(trained.flow.layers() == 2);
  const double before = mean_variance(x);
  CHECK(
      mean_variance(trained.flow.at(-1)) ==
      doctest::Approx(composed_variance(before, taus)).epsilon(0.05));
  const Flow exact = compose_normal(fitted_normal(x), x, taus);
  CHECK(
      trained.flow.entropy_change.back() ==
      doctest::Approx(exact.entropy_change.back()).epsilon(0.1));
}

TEST_CASE("denoiser: decoding a linear stack gives the composition, noise C C' (check 18)") {
  // Each layer's decoder is any invertible matrix, its encoder what makes D E optimal
  for (const int64_t m : {2, 3}) {
    CAPTURE(m);
    const Tensor root = normal({m, m}, 11);
    const Tensor S = matmul(root, root, {.transpose_b = true}) +
                     Tensor::of({1}, {0.1}, DType::f64) * normal_in_2d(1, 1).noise().matrix(m);
    const Tensor mean = reshape(normal({m, 1}, 12), {m});
    const Tensor x = normal({20, m}, 13, 0, 2);
    const std::vector<double> taus = {0.3, 0.2, 0.4};

    MixtureLaw features = normal_law(mean, S), ground = features;
    Tensor z = x, composed = x;
    Tensor C = ground.noise().matrix(m);
    std::vector<Tensor> decoders;
    for (size_t l = 0; l < taus.size(); ++l) {
      const double tau = taus[l];
      // Composition: noise tau C C' in the ground space
      const Tensor D = matmul(C, C, {.transpose_b = true});
      const MixtureLaw shaped = normal_law(ground.mean(), ground.covariance(), NoiseShape(D));
      composed = shaped.dae(composed, tau);
      ground = pushed_by_dae(shaped, tau);
      // Stack: E = W^-1 psi, with psi the optimal map in the feature space and W the decoder
      const Tensor W = normal({m, m}, 20 + l);
      z = transpose(solve(W, transpose(features.dae(z, tau))));
      const MixtureLaw pushed = pushed_by_dae(features, tau);
      const Tensor half = solve(W, pushed.covariance());
      const Tensor turned = solve(W, transpose(half));
      features = normal_law(
          reshape(solve(W, reshape(pushed.mean(), {m, 1})), {m}), (turned + transpose(turned)) / 2);
      decoders.push_back(W);
      C = matmul(C, W);
    }
    Tensor decoded = z;
    for (size_t l = taus.size(); l-- > 0;) {
      decoded = matmul(decoded, decoders[l], {.transpose_b = true});
    }
    CHECK(paired_cost(decoded, composed) < 1e-20);  // root: 1e-10
    CHECK(paired_cost(decoded, x) > 0.1);
  }
}

TEST_CASE("denoiser: a trained stack and its composition, compared after decoding") {
  const Tensor x = three_blobs().sample(800, Rng(2));
  const std::vector<double> taus = {0.2, 0.1};
  const std::vector<int64_t> widths = {8, 6};
  const StackComparison both =
      train_stack(x, taus, widths, {.width = 16, .steps = 600, .batch = 64, .seed = 4});
  CHECK(both.codes.shape() == Shape({800, 6}));
  CHECK(both.decoded.shape() == x.shape());
  REQUIRE(both.stack.size() == 2);
  CHECK(both.stack[1].dimension() == 8);
  CHECK(both.gap < 0.2);  // no theorem: reported, and near 0 here
  CHECK(both.gap > 0);
}

TEST_CASE("denoiser: what is refused, in one line") {
  const Tensor x = normal({10, 2}, 1);
  const Tensor hole = column({1, std::numeric_limits<double>::quiet_NaN()});
  CHECK_THROWS_WITH_AS(
      train_denoiser(hole, 0.1), "train_denoiser: row 1 of the points holds NaN or infinity",
      ValueError);
  CHECK_THROWS_AS(train_denoiser(x, 0), ValueError);
  CHECK_THROWS_AS(train_denoiser(x, 0.1, {.width = 0}), ValueError);
  CHECK_THROWS_AS(train_denoiser(x, 0.1, {.learning_rate = -1}), ValueError);
  CHECK_THROWS_AS(train_denoiser(x, 0.1, {.noise_factor = column({1})}), ShapeError);
  CHECK_THROWS_AS(fit_linear_denoiser(normal({2, 2}, 1), 0.1, 0), ValueError);
  const std::vector<double> taus = {0.1};
  const std::vector<int64_t> widths = {3, 3};
  CHECK_THROWS_AS(train_stack(x, taus, widths), ShapeError);
  // One point and equal points are learned like any others: the map leads there
  const Denoiser g = train_denoiser(
      column({2, 2, 2}), 0.25, {.width = 8, .steps = 400, .batch = 32, .is_residual = false});
  CHECK(g(column({2.2})).item() == doctest::Approx(2).epsilon(0.05));
}
