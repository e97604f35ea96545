// tests/interpret/deep_kkt_test.cpp: DeepKKT against differences and known multipliers.
#include "interpret/support_vectors/deep_kkt.h"

#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/optim/lbfgs.h"
#include "interpret/numerics/nnls.h"
#include "tests/interpret/small_nets.h"
#include "tests/interpret/support_machine.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace limpid;
using namespace limpid::interpret;

namespace {

Tensor with_added(const Tensor& x, int64_t at, double h) {
  std::vector<double> values = x.to_vector();
  values[static_cast<size_t>(at)] += h;
  return Tensor::of(x.shape(), values, x.dtype());
}

// Conv, ReLU, pooling, linear; and batch norm with running statistics, or instance norm
struct Case {
  Sequential net;
  Tensor images, labels, lambda;

  Case(bool pools, bool batch_norm, bool instance_norm, Rng& rng) {
    net.add<Conv2d>("conv", 2, 3, Conv2dOptions{.padding = 1}, rng);
    if (batch_norm) net.add<BatchNorm2d>("norm", 3);
    if (instance_norm) net.add<InstanceNorm2d>("norm", 3);
    net.add<ReLU>("relu");
    if (pools) net.add<MaxPool2d>("pool", PoolOptions{.size = 2, .stride = 2});
    net.add<GlobalAvgPool2d>("mean");
    net.add<Linear>("linear", 3, 3, rng);
    convert(net, DType::f64);
    images = Tensor::normal({4, 2, 6, 6}, rng, 0, 1, DType::f64);
    labels = labels_of(4, 3);
    lambda = Tensor::uniform({4}, rng, 0.5, 2, DType::f64);
  }
};

}  // namespace

TEST_CASE("deep_kkt: slopes of the stationarity are those of central differences") {
  // f64, h = 1e-6: differences are good to about 1e-8; the kinks of |R| and of ReLU are not near
  for (const Distance distance :
       {Distance::l1, Distance::squared, Distance::huber, Distance::cosine}) {
    for (const Average average : {Average::tensor, Average::all}) {
      for (const int kind : {0, 1, 2}) {
        Rng rng(3);
        Case c(kind != 2, kind == 1, kind == 2, rng);
        const StationarityOptions o{.distance = distance, .average = average};
        const Stationarity s = stationarity(c.net, c.images, c.labels, c.lambda, true, o);
        const auto value = [&](const Tensor& x, const Tensor& lambda) {
          return stationarity(c.net, x, c.labels, lambda, false, o).value;
        };
        const double h = 1e-6;
        double worst = 0;
        for (int64_t i = 0; i < 4; ++i) {
          const double slope = (value(c.images, with_added(c.lambda, i, h)) -
                                value(c.images, with_added(c.lambda, i, -h))) /
                               (2 * h);
          worst = std::max(worst, relative_error(slope, s.by_lambda.data<double>()[i]));
        }
        for (int64_t i = 0; i < c.images.numel(); i += 7) {
          const double slope = (value(with_added(c.images, i, h), c.lambda) -
                                value(with_added(c.images, i, -h), c.lambda)) /
                               (2 * h);
          worst = std::max(worst, relative_error(slope, s.by_images.data<double>()[i]));
        }
        CAPTURE(kind);
        CHECK(worst < 1e-6);
      }
    }
  }
}

TEST_CASE("deep_kkt: two passes give the slopes of double backward, and leave the model alone") {
  for (const Distance distance :
       {Distance::l1, Distance::squared, Distance::huber, Distance::cosine}) {
    Rng rng(5);
    Case c(true, true, false, rng);
    const auto before = bits(c.net);
    const Stationarity exact =
        stationarity(c.net, c.images, c.labels, c.lambda, true, {.distance = distance});
    const Stationarity passes = stationarity(
        c.net, c.images, c.labels, c.lambda, true,
        {.distance = distance, .route = MixedRoute::two_passes});
    CHECK(passes.value == exact.value);
    CHECK(cosine(passes.by_lambda, exact.by_lambda) > 0.9999999);
    CHECK(cosine(passes.by_images, exact.by_images) > 0.99999);
    CHECK(max_error(passes.by_lambda, exact.by_lambda) < 1e-6);
    CHECK(bits(c.net) == before);
  }
}

TEST_CASE("deep_kkt: the primal loss counts what is misclassified alone") {
  Rng rng(7);
  Case c(true, false, false, rng);
  const Primal p = primal(c.net, c.images, c.labels);
  Pass pass;
  const Tensor logits = c.net(c.images, pass);
  const Tensor log_p = log_softmax(logits);
  double expected = 0;
  int right = 0;
  for (int64_t i = 0; i < 4; ++i) {
    const double* row = logits.data<double>() + i * 3;
    const auto best = std::max_element(row, row + 3) - row;
    const int64_t y = c.labels.data<int64_t>()[i];
    right += best == y;
    if (best != y) expected -= log_p.data<double>()[i * 3 + y] / 4;
    const Tensor slope = slice(p.by_images, 0, i, i + 1);
    CHECK((sum(abs(slope)).item() == 0) == (best == y));
  }
  CHECK(p.value == doctest::Approx(expected).epsilon(1e-12));
  CHECK(p.accuracy == right / 4.0);
  CHECK(right > 0);
  CHECK(right < 4);
}

TEST_CASE("deep_kkt: the cosine distance is that of all tensors as one vector") {
  Rng rng(9);
  Case c(true, true, false, rng);
  const StationarityOptions o{.distance = Distance::cosine};
  const double value = stationarity(c.net, c.images, c.labels, c.lambda, false, o).value;
  // theta and -sum_i lambda_i g_i, written out
  Pass pass;
  const Tensor log_p = log_softmax(c.net(c.images, pass));
  const Tensor weighted = one_hot(c.labels, 3, DType::f64) * reshape(c.lambda, {4, 1});
  const Tensor negative = sum(weighted * log_p);  // -sum_i lambda_i L_i
  double product = 0, theta = 0, reached = 0;
  for (const auto& [name, t] : parameters(c.net)) {
    const Tensor g = grad(negative, t);
    product += sum(t.detach() * g).item();
    theta += sum(t.detach() * t.detach()).item();
    reached += sum(g * g).item();
  }
  CHECK(value == doctest::Approx(1 - product / std::sqrt(theta * reached)).epsilon(1e-10));
  // Lengths of lambda do not matter
  CHECK(
      stationarity(c.net, c.images, c.labels, 7 * c.lambda, false, o).value ==
      doctest::Approx(value).epsilon(1e-9));
}

TEST_CASE("deep_kkt: both conditions from one pass are those of two calls") {
  for (const MixedRoute route : {MixedRoute::double_backward, MixedRoute::two_passes}) {
    Rng rng(7);
    Case c(true, false, false, rng);
    const StationarityOptions o{.route = route};
    const Stationarity s = stationarity(c.net, c.images, c.labels, c.lambda, true, o);
    const Primal p = primal(c.net, c.images, c.labels);
    const Conditions both = conditions(
        c.net, c.images, c.labels, c.lambda,
        {.stationarity = o, .stationarity_weight = 2, .primal_weight = 3});
    CHECK(both.stationarity == s.value);
    CHECK(both.primal == doctest::Approx(p.value).epsilon(1e-12));
    CHECK(both.satisfied == std::lround(4 * p.accuracy));
    CHECK(max_error(both.by_lambda, 2 * s.by_lambda) < 1e-12);
    // By two passes the primal slope is good to e^2
    CHECK(max_error(both.by_images, 2 * s.by_images + 3 * p.by_images) < 1e-6);
    CHECK((both.satisfied > 0 && both.satisfied < 4));

    // Without the mask all count; without stationarity the primal slope is left
    const Conditions all = conditions(
        c.net, c.images, c.labels, c.lambda, {.stationarity_weight = 0, .masks_satisfied = false});
    CHECK(all.primal > p.value);
    CHECK(all.stationarity == 0);
    const Conditions alone =
        conditions(c.net, c.images, c.labels, c.lambda, {.stationarity_weight = 0});
    CHECK(max_error(alone.by_images, p.by_images) < 1e-14);
  }
}

TEST_CASE("deep_kkt: a distribution is satisfied when the loss is near its entropy") {
  Rng rng(7);
  Case c(true, false, false, rng);
  Pass pass;
  const Tensor p = softmax(c.net(c.images, pass)).detach();
  const auto satisfied = [&](const Tensor& labels, double tolerance) {
    return conditions(
               c.net, c.images, labels, c.lambda,
               {.stationarity_weight = 0, .soft_tolerance = tolerance})
        .satisfied;
  };
  CHECK(satisfied(p, 1e-9) == 4);  // the loss of its own prediction is its entropy
  CHECK(satisfied(one_hot(c.labels, 3, DType::f64), 1e-9) == 0);
  CHECK(satisfied(one_hot(c.labels, 3, DType::f64), 100) == 4);
}

TEST_CASE("deep_kkt: weight decay makes every multiplier 1 / (n wd)") {
  // At a minimum of mean L_i + wd/2 |theta|^2 the condition holds with one lambda for all (n < P)
  Rng rng(11);
  const int64_t n = 24;
  const double wd = 1e-2;
  Sequential net;
  net.add<Linear>("fc1", 5, 12, rng);
  net.add<Activation>("tanh", "Tanh", static_cast<Activation::Function>(limpid::tanh));
  net.add<Linear>("fc2", 12, 3, rng);
  convert(net, DType::f64);
  const Tensor x = Tensor::normal({n, 5}, rng, 0, 1, DType::f64);
  const Tensor labels = labels_of(n, 3);
  const LbfgsResult fitted = minimise_lbfgs(
      parameters(net),
      [&] {
        Pass pass;
        Tensor loss = cross_entropy(net(x, pass), labels);
        for (const auto& named : parameters(net)) {
          loss = loss + (0.5 * wd) * sum(named.second * named.second);
        }
        backward(loss);
        return loss.item();
      },
      {.max_iterations = 5000, .gradient_tolerance = 1e-10});
  REQUIRE(fitted.gradient_norm < 1e-8);
  const Multipliers m = exact_multipliers(net, x, labels);
  CHECK(m.converged);
  CHECK(m.relative_residual < 1e-6);
  const double expected = 1 / (static_cast<double>(n) * wd);
  for (const double lambda : m.lambda.to_vector()) {
    CHECK(lambda == doctest::Approx(expected).epsilon(1e-3));
  }
  const Stationarity s = stationarity(net, x, labels, m.lambda, false);
  for (const auto& [name, residual] : s.relative_residual) CHECK(residual < 1e-3);
}

TEST_CASE("deep_kkt: weights before instance norm cannot be reached, whatever lambda") {
  // The network does not change with their length, so <theta, g> = 0 but for epsilon
  Rng rng(13);
  Case c(false, false, true, rng);
  for (const double scale : {0.1, 1.0, 10.0}) {
    const Stationarity s = stationarity(
        c.net, c.images, c.labels, scale * c.lambda, false, {.distance = Distance::squared});
    CHECK(s.relative_residual[0].first == "conv.weight");
    CHECK(s.relative_residual[0].second > 1 - 1e-3);
  }
}

TEST_CASE("deep_kkt: fewer points than dimensions: the multipliers are those of the SVM") {
  Rng rng(17);
  const Machine m = machine(40, 60, 1, rng);
  Sequential net;
  net.add<Linear>("fc", 60, 2, rng);
  convert(net, DType::f64);
  set_classifier(net, m, 2);
  const Multipliers found = exact_multipliers(net, m.x, m.labels);
  CHECK(found.relative_residual < 1e-8);
  CHECK(cosine(found.alpha, m.alpha) > 0.99999);
  const Found f = compare_support(found.lambda, m.alpha);
  CHECK(f.both == f.found);
  CHECK(f.both == f.expected);
}

TEST_CASE(
    "deep_kkt: more points than dimensions: sum lambda small finds the SVM, if logits are large") {
  Rng rng(19);
  const Machine m = machine(100, 10, 4, rng);
  Sequential net;
  net.add<Linear>("fc", 10, 2, rng);
  convert(net, DType::f64);
  for (const double s : {1.5, 2.0, 4.0}) {
    CAPTURE(s);
    set_classifier(net, m, s);
    const Found f = compare_support(exact_multipliers(net, m.x, m.labels, 1e-6).lambda, m.alpha);
    CHECK(f.both == f.found);
    CHECK(f.both == f.expected);
  }
  // Below s = 1.2785 the cheapest multipliers sit elsewhere
  set_classifier(net, m, 1);
  const Found f = compare_support(exact_multipliers(net, m.x, m.labels, 1e-6).lambda, m.alpha);
  CHECK(f.both < f.expected);
}

TEST_CASE("nnls: the optimality conditions hold, and a hand-made case") {
  const Tensor K = Tensor::of({2, 2}, {2, 1, 1, 2}, DType::f64);
  const NnlsResult both = nnls(K, Tensor::of({2}, {3, 3}, DType::f64));
  CHECK(both.x.to_vector()[0] == doctest::Approx(1));
  CHECK(both.x.to_vector()[1] == doctest::Approx(1));
  const NnlsResult one = nnls(K, Tensor::of({2}, {2, -1}, DType::f64));
  CHECK(one.x.to_vector()[0] == doctest::Approx(1));
  CHECK(one.x.to_vector()[1] == 0);
  Rng rng(23);
  for (const int64_t rank : {5, 30}) {
    const Tensor A = Tensor::normal({rank, 30}, rng, 0, 1, DType::f64);
    const Tensor y = Tensor::normal({rank, 1}, rng, 0, 1, DType::f64);
    const Tensor G = matmul(A, A, {.transpose_a = true});
    const Tensor c = reshape(matmul(A, y, {.transpose_a = true}), {30});
    const NnlsResult r = nnls(G, c);
    CAPTURE(rank);
    CHECK(r.converged);
    CHECK(r.largest_slope < 1e-8);
    CHECK(r.complementarity < 1e-8);
    for (const double v : r.x.to_vector()) CHECK(v >= 0);
  }
  CHECK_THROWS_AS(nnls(K, Tensor::ones({3}, DType::f64)), ShapeError);
  CHECK_THROWS_AS(nnls(K, Tensor::full({2}, std::nan(""), DType::f64)), ValueError);
}
