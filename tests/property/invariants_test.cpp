// tests/property/invariants_test.cpp: sums, shifts, scales and symmetries that always hold.
#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;

namespace {

constexpr int kRounds = 40;

struct Random {
  explicit Random(uint64_t seed) : rng(seed) {}
  int64_t between(int64_t low, int64_t high) { return low + rng.integer(high - low + 1); }
  Tensor tensor(const Shape& shape, double deviation = 1) {
    return Tensor::normal(shape, rng, 0, deviation, DType::f64);
  }
  Rng rng;
};

Tensor filled(const Shape& shape, double value) { return Tensor::full(shape, value, DType::f64); }

}  // namespace

TEST_CASE("softmax: positive, sums to 1, blind to shifts, ordered like its input") {
  Random random(1);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(1, 5), K = random.between(1, 12);
    const Tensor x = random.tensor({N, K}, 5);
    const Tensor p = softmax(x);
    CHECK(close(sum(p, {1}), filled({N, 1}, 1), 1e-14));
    for (const double value : p.to_vector()) CHECK(value > 0);
    CHECK(bitwise_equal(arg_max(p, 1), arg_max(x, 1)));
    const Tensor shift = random.tensor({N, 1}, 100);
    CHECK(close(log_softmax(x + shift), log_softmax(x), 1e-12));
    CHECK(close(exp(log_softmax(x)), p, 1e-15));
    CHECK(close(log_softmax(log_softmax(x)), log_softmax(x), 1e-13));  // already normalised
  }
}

TEST_CASE("softmax: the gradient of every row sums to 0") {
  Random random(2);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(1, 5), K = random.between(2, 12);
    const Tensor x = random.tensor({N, K}).require_gradient();
    const Tensor g = grad(log_softmax(x), x, {.seed = random.tensor({N, K})});
    CHECK(close(sum(g, {1}), filled({N, 1}, 0), 1e-13));
  }
}

TEST_CASE("cross_entropy: log K for equal logits, mean of rows, probability minus one-hot") {
  Random random(3);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(1, 6), K = random.between(1, 8);
    std::vector<int64_t> values(static_cast<size_t>(N));
    for (int64_t& v : values) v = random.rng.integer(K);
    const Tensor labels = Tensor::of_integers({N}, values);
    CHECK(
        cross_entropy(filled({N, K}, 3), labels).item() ==
        doctest::Approx(std::log(static_cast<double>(K))).epsilon(1e-14));

    const Tensor x = random.tensor({N, K}).require_gradient();
    const Tensor one_hot =
        scatter_add(filled({N, 1}, 1), Tensor::of_integers({N, 1}, values), 1, K);
    const Tensor expected = (softmax(x.detach()) - one_hot) / static_cast<double>(N);
    CHECK(close(grad(cross_entropy(x, labels), x), expected, 1e-14));

    double rows = 0;
    for (int64_t n = 0; n < N; ++n) {
      rows += cross_entropy(
                  slice(x.detach(), 0, n, n + 1),
                  Tensor::of_integers({1}, {values[static_cast<size_t>(n)]}))
                  .item();
    }
    CHECK(relative_error(cross_entropy(x, labels).item(), rows / static_cast<double>(N)) < 1e-14);
  }
}

TEST_CASE("standardize: mean 0, variance 1, blind to shift and scale of every group") {
  Random random(4);
  for (const NormGroups groups : {NormGroups::channel, NormGroups::image_and_channel}) {
    for (int round = 0; round < kRounds; ++round) {
      const int64_t N = random.between(2, 5), C = random.between(1, 4), L = random.between(2, 9);
      const NormOptions o = {.groups = groups, .epsilon = 0};
      const Tensor x = random.tensor({N, C, L}, 3);
      const Tensor h = standardize(x, {}, {}, o);
      const bool per_image = groups == NormGroups::image_and_channel;
      const Axes axes = per_image ? Axes{2} : Axes{0, 2};
      const Shape grouped = {per_image ? N : 1, C, 1};
      CHECK(close(mean(h, axes), filled(grouped, 0), 1e-13));
      CHECK(close(variance(h, axes), filled(grouped, 1), 1e-12));
      CHECK(close(
          standardize(x * exp(random.tensor(grouped)) + random.tensor(grouped), {}, {}, o), h,
          1e-11));

      // With the moments as frozen statistics, batch norm is the same map
      if (per_image) continue;
      const Moments m = moments(x, o);
      const Tensor gamma = random.tensor({C}), beta = random.tensor({C});
      CHECK(close(
          normalize(x, m.mean, m.variance, gamma, beta, 0), standardize(x, gamma, beta, o), 1e-11));
      CHECK(bitwise_equal(standardize(x, gamma, beta, o, m), standardize(x, gamma, beta, o)));
      CHECK(close(m.variance, reshape(variance(x, {0, 2}), {C}), 1e-12));
    }
  }
}

TEST_CASE("standardize: equals its composition from means, also in its gradients") {
  Random random(5);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(2, 4), C = random.between(1, 3), L = random.between(2, 6);
    const double epsilon = 1e-3;
    const Tensor x = random.tensor({N, C, L}).require_gradient();
    const Tensor centred = x - mean(x, {0, 2});
    const Tensor composed = centred / sqrt(variance(x, {0, 2}) + epsilon);
    const Tensor fused = standardize(x, {}, {}, {.epsilon = epsilon});
    CHECK(close(fused.detach(), composed.detach(), 1e-12));

    const Tensor u = random.tensor({N, C, L});
    const Tensor v = random.tensor({N, C, L});
    const Tensor first = grad(fused, x, {.create_graph = true, .seed = u});
    const Tensor expected = grad(composed, x, {.create_graph = true, .seed = u});
    CHECK(close(first.detach(), expected.detach(), 1e-11));
    CHECK(close(grad(first, x, {.seed = v}), grad(expected, x, {.seed = v}), 1e-10));
  }
}

TEST_CASE("convolution: a delta filter shifts, translation commutes, batches are independent") {
  Random random(6);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(1, 4), C = random.between(1, 3), H = random.between(4, 9);
    const Tensor x = random.tensor({N, C, H, H});
    std::vector<double> delta(static_cast<size_t>(C * C * 9), 0.0);
    for (int64_t c = 0; c < C; ++c) delta[static_cast<size_t>((c * C + c) * 9 + 4)] = 1;
    const Tensor centre = Tensor::of({C, C, 3, 3}, delta, DType::f64);
    CHECK(bitwise_equal(conv2d(x, centre, {.padding = 1}), x));

    const Tensor w = random.tensor({2, C, 3, 3});
    const Tensor y = conv2d(x, w);  // [N, 2, H-2, H-2]
    const Tensor moved = conv2d(slice(x, 2, 1, H), w);
    CHECK(close(moved, slice(y, 2, 1, H - 2), 1e-13));
    CHECK(close(conv2d(slice(x, 0, 0, 1), w), slice(y, 0, 0, 1), 1e-13));
    CHECK(close(conv2d(pad(pad(x, 2, 2, 2), 3, 2, 2), w), conv2d(x, w, {.padding = 2}), 1e-13));
  }
}

TEST_CASE("convolution: groups are convolutions side by side; 1x1 is a matrix product") {
  Random random(7);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(1, 3), H = random.between(3, 7);
    const Tensor x = random.tensor({N, 4, H, H});
    const Tensor w = random.tensor({6, 2, 3, 3});
    const Tensor halves = concat(
        {conv2d(slice(x, 1, 0, 2), slice(w, 0, 0, 3)),
         conv2d(slice(x, 1, 2, 4), slice(w, 0, 3, 6))},
        1);
    CHECK(close(conv2d(x, w, {.groups = 2}), halves, 1e-13));

    const Tensor point = random.tensor({5, 4, 1, 1});
    const Tensor columns = reshape(permute(x, {0, 2, 3, 1}), {N * H * H, 4});
    const Tensor rows = matmul(columns, reshape(point, {5, 4}), {.transpose_b = true});
    const Tensor expected = permute(reshape(rows, {N, H, H, 5}), {0, 3, 1, 2});
    CHECK(close(conv2d(x, point), expected, 1e-13));
  }
}

TEST_CASE("pooling: bounds, constants, and order") {
  Random random(8);
  for (int round = 0; round < kRounds; ++round) {
    const Shape shape = {random.between(1, 3), random.between(1, 3), 6, random.between(4, 9)};
    const Tensor x = random.tensor(shape);
    const Tensor top = max_pool2d(x);
    const Tensor middle = avg_pool2d(x);
    const Tensor bottom = -max_pool2d(-x);
    CHECK(bitwise_equal(relu(top - middle), top - middle));        // max >= mean
    CHECK(bitwise_equal(relu(middle - bottom), middle - bottom));  // mean >= min
    CHECK(close(max_pool2d(3.0 * x + 2.0), 3.0 * top + 2.0, 1e-15));
    CHECK(close(avg_pool2d(filled(shape, 2.5)), filled(middle.shape(), 2.5), 1e-15));
    CHECK(close(global_avg_pool2d(middle), mean(slice(x, 3, 0, shape[3] / 2 * 2), {2, 3}), 1e-14));

    // A max-pool's gradient places each upstream value once: the sums agree
    const Tensor leaf = x.detach().require_gradient();
    const Tensor u = random.tensor(top.shape());
    CHECK(
        relative_error(sum(grad(max_pool2d(leaf), leaf, {.seed = u})).item(), sum(u).item()) <
        1e-13);
  }
}

TEST_CASE("resizing: constants stay, the same size is the identity, totals are kept backwards") {
  Random random(9);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t H = random.between(1, 8), W = random.between(1, 8);
    const int64_t P = random.between(1, 12), Q = random.between(1, 12);
    CHECK(close(
        resize_bilinear(filled({1, 2, H, W}, -1.5), P, Q), filled({1, 2, P, Q}, -1.5), 1e-14));
    const Tensor x = random.tensor({2, 1, H, W});
    CHECK(close(resize_bilinear(x, H, W), x, 1e-15));
    // Adjoint of a partition of unity: the total of a gradient is kept
    const Tensor g = random.tensor({2, 1, P, Q});
    CHECK(std::abs(sum(resize_bilinear_input(g, H, W)).item() - sum(g).item()) < 1e-11);
  }
}

TEST_CASE("cosine: 1 with itself, -1 with its opposite, blind to scale, symmetric") {
  Random random(10);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(1, 4), D = random.between(4, 12);
    const Tensor a = random.tensor({N, D});
    const Tensor b = random.tensor({N, D});
    CHECK(close(cosine_similarity(a, a), filled({N, 1}, 1), 1e-8));
    CHECK(close(cosine_similarity(a, -2.0 * a), filled({N, 1}, -1), 1e-8));
    CHECK(close(cosine_similarity(a, b), cosine_similarity(b, a), 1e-15));
    CHECK(close(cosine_similarity(7.0 * a, b), cosine_similarity(a, b), 1e-8));
  }
  // A row of zeros: value and gradient 0, nothing infinite
  const Tensor zero = Tensor::zeros({1, 3}, DType::f64).require_gradient();
  const Tensor one = filled({1, 3}, 1).require_gradient();
  const Tensor y = cosine_similarity(zero, one);
  CHECK(y.item() == 0);
  CHECK(bitwise_equal(grad(sum(y), one), filled({1, 3}, 0)));
  for (const double slope : grad(sum(y), zero).to_vector()) CHECK(std::isfinite(slope));
}

TEST_CASE("functions: inverses, identities and symmetries") {
  Random random(11);
  for (int round = 0; round < kRounds; ++round) {
    const Tensor x = random.tensor({4, 5});
    const Tensor y = random.tensor({4, 5});
    CHECK(close(log(exp(x)), x, 1e-14));
    CHECK(close(exp(x + y), exp(x) * exp(y), 1e-13));
    CHECK(close(sqrt(x * x) * sqrt(y * y), sqrt(x * x * y * y), 1e-13));
    CHECK(close(sigmoid(-x), 1.0 - sigmoid(x), 1e-14));
    CHECK(close(tanh(x), 2.0 * sigmoid(2.0 * x) - 1.0, 1e-14));
    CHECK(bitwise_equal(relu(x) - relu(-x), x + 0.0));
    CHECK(bitwise_equal(x + y, y + x));
    CHECK(bitwise_equal(x * y, y * x));
    CHECK(bitwise_equal(x - y, -(y - x)));
    CHECK(close((x / y) * y, x, 1e-14));
    CHECK(close(norm(x, {1}) * norm(x, {1}), sum(x * x, {1}), 1e-13));
    CHECK(close(variance(x, {1}), mean(x * x, {1}) - mean(x, {1}) * mean(x, {1}), 1e-13));
    CHECK(relative_error(mse(x, y).item(), mean((x - y) * (x - y)).item()) == 0);
    CHECK(close(sum(sum(x, {0}), {1}), reshape(sum(x), {1, 1}), 1e-13));
  }
}

TEST_CASE("random graphs: the gradient of a sum is the sum of gradients") {
  Random random(12);
  for (int round = 0; round < kRounds; ++round) {
    const Tensor x = random.tensor({3, 4}).require_gradient();
    const Tensor a = sum(tanh(x) * random.tensor({3, 4}));
    const Tensor b = sum(exp(x * random.tensor({4})));
    const Tensor both = grad(a + b, x);
    CHECK(close(both, grad(a, x) + grad(b, x), 1e-14));

    // Schwarz: the Hessian is symmetric
    const Tensor u = random.tensor({3, 4});
    const Tensor v = random.tensor({3, 4});
    const Tensor y = sum(tanh(matmul(x, transpose(x))));
    const double uv = sum(hessian_vector_product(y, x, u) * v).item();
    const double vu = sum(hessian_vector_product(y, x, v) * u).item();
    CHECK(relative_error(uv, vu) < 1e-12);
  }
}

TEST_CASE("arg_sort: a permutation that puts every line in order; arg_top its beginning") {
  Random random(41);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t N = random.between(1, 5), K = random.between(2, 12);
    const Tensor x = random.tensor({N, K});
    const Tensor up = gather(x, arg_sort(x, 1), 1);
    const Tensor steps = slice(up, 1, 1, K) - slice(up, 1, 0, K - 1);
    for (const double step : steps.to_vector()) CHECK(step >= 0);
    CHECK(close(sum(up * up, {1}), sum(x * x, {1})));
    CHECK(bitwise_equal(gather(-x, arg_sort(-x, 1, true), 1), -up));
    CHECK(bitwise_equal(arg_top(x, 1, 1), arg_max(x, 1)));
  }
}

TEST_CASE("units: identities between the functions") {
  Random random(42);
  for (int round = 0; round < kRounds; ++round) {
    const Tensor x = random.tensor({random.between(1, 40)}, 3);
    const Tensor y = random.tensor(x.shape(), 3);
    const Tensor zero = Tensor::zeros(x.shape(), DType::f64);
    CHECK(close(sin(x) * sin(x) + cos(x) * cos(x), zero + 1));
    CHECK(close(softplus(x) - softplus(-x), x));
    CHECK(close(gelu(x) - gelu(-x), x));
    CHECK(close(silu(x) - silu(-x), x));
    CHECK(bitwise_equal(erf(-x), -erf(x)));
    CHECK(bitwise_equal(abs(x), maximum(x, -x)));
    CHECK(bitwise_equal(leaky_relu(x, 1), x));
    CHECK(close(maximum(x, y) + minimum(x, y), x + y));
    CHECK(close(maximum(x, zero), relu(x)));
    CHECK(bitwise_equal(where(greater(x, y), x, y), maximum(x, y)));
    CHECK(close(pow(x, 3), x * x * x, 1e-11));
    CHECK(close(log_sum_exp(x + 5), log_sum_exp(x) + 5));
  }
}
