// tests/interpret/extraction_test.cpp: multipliers against support vector machines.
#include "interpret/support_vectors/extraction.h"

#include "datasets/datasets.h"
#include "framework/autograd/grad.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/loss.h"
#include "framework/ops/norm.h"
#include "framework/optim/lbfgs.h"
#include "interpret/numerics/statistics.h"
#include "interpret/support_vectors/deep_kkt.h"
#include "tests/interpret/small_nets.h"
#include "tests/interpret/support_machine.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <iostream>
#include <numeric>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

struct LinearCase {
  Machine m;
  Sequential net;
  LinearCase(int64_t n, int64_t d, double apart, uint64_t seed) {
    Rng rng(seed);
    m = machine(n, d, apart, rng);
    net.add<Linear>("fc", d, 2, rng);
    convert(net, DType::f64);
  }
  SupportVectors solve(double s, const SupportOptions& o) {
    set_classifier(net, m, s);
    return extract_support_vectors(net, m.x, m.labels, o);
  }
};

double recall(const Found& f) { return static_cast<double>(f.both) / f.expected; }
double precision(const Found& f) { return static_cast<double>(f.both) / std::max(1, f.found); }

}  // namespace

TEST_CASE("support_vectors: least sum of lambda finds the SVM exactly, if logits are large") {
  LinearCase c(100, 10, 4, 19);
  for (const double s : {1.5, 2.0, 4.0, 8.0}) {
    CAPTURE(s);
    const SupportVectors v = c.solve(s, {.solver = SupportSolver::lp});
    CHECK(v.converged);
    CHECK(v.total_residual < 1e-8);
    const Found f = compare_support(v.lambda, c.m.alpha);
    CHECK(recall(f) == 1);
    CHECK(precision(f) == 1);
    CHECK(cosine(v.alpha, c.m.alpha) >= 1 - 1e-6);
  }
  const SupportVectors v = c.solve(1, {.solver = SupportSolver::lp});
  const Found f = compare_support(v.lambda, c.m.alpha);
  CHECK(v.converged);
  CHECK(recall(f) < 1);
  MESSAGE("s = 1: recall ", recall(f), ", precision ", precision(f), " as the condition says");
}

TEST_CASE("support_vectors: more points than dimensions: rho stands in for slackness") {
  LinearCase c(100, 10, 4, 19);
  for (const double s : {2.0, 4.0}) {
    CAPTURE(s);
    const SupportVectors v = c.solve(s, {.rho = 0.01, .tolerance = 1e-9});
    CHECK(v.converged);
    CHECK(cosine(v.alpha, c.m.alpha) >= 0.999);
  }
  const Found plain = compare_support(c.solve(2, {.tolerance = 1e-9}).lambda, c.m.alpha);
  CHECK(precision(plain) < 0.5);
  MESSAGE("without rho: recall ", recall(plain), ", precision ", precision(plain));
}

TEST_CASE("support_vectors: fewer points than dimensions: stationarity alone is enough") {
  LinearCase c(40, 60, 1, 17);
  for (const double s : {0.5, 1.0, 2.0, 4.0}) {
    CAPTURE(s);
    const SupportVectors v = c.solve(s, {.tolerance = 1e-8});
    CHECK(v.total_residual < 1e-6);
    CHECK(cosine(v.alpha, c.m.alpha) > 1 - 1e-9);
    const Found f = compare_support(v.lambda, c.m.alpha);
    CHECK(recall(f) == 1);
    CHECK(precision(f) == 1);
  }
}

namespace {

// mean L_i + wd/2 |theta|^2
Tensor decayed_loss(Module& net, const Tensor& x, const Tensor& labels, double wd) {
  Pass pass;
  Tensor loss = cross_entropy(net(x, pass), labels);
  for (const auto& named : parameters(net)) {
    loss = loss + (0.5 * wd) * sum(named.second * named.second);
  }
  return loss;
}

// One Newton step, with the whole Hessian; returns the norm of the gradient before it.
double newton_step(Module& net, const Tensor& x, const Tensor& labels, double wd) {
  std::vector<Tensor> theta;
  int64_t P = 0;
  for (const auto& named : parameters(net)) {
    theta.push_back(named.second);
    P += named.second.numel();
  }
  const auto row = [](const std::vector<Tensor>& parts) {
    std::vector<Tensor> flat;
    for (const Tensor& part : parts) flat.push_back(reshape(part, {part.numel()}));
    return concat(flat, 0);
  };
  const Tensor g = row(grad(decayed_loss(net, x, labels, wd), theta, {.create_graph = true}));
  Tensor H = Tensor::empty({P, P}, DType::f64);
  for (int64_t j = 0; j < P; ++j) {
    const std::vector<double> column = row(grad(slice(g, 0, j, j + 1), theta)).to_vector();
    std::copy(column.begin(), column.end(), H.mutable_data<double>() + j * P);
  }
  const Tensor step = solve_cholesky(cholesky(H), g.detach());
  int64_t begin = 0;
  for (Tensor& t : theta) {
    t.assign(t.detach() - reshape(slice(step, 0, begin, begin + t.numel()), t.shape()));
    begin += t.numel();
  }
  return std::sqrt(sum(g * g).item());
}

}  // namespace

TEST_CASE("support_vectors: weight decay makes every multiplier 1 / (n wd), to many digits") {
  Rng rng(11);
  const int64_t n = 24;
  const double wd = 1e-2;
  Sequential net;
  net.add<Linear>("fc1", 5, 8, rng);
  net.add<Activation>("tanh", "Tanh", static_cast<Activation::Function>(limpid::tanh));
  net.add<Linear>("fc2", 8, 3, rng);
  convert(net, DType::f64);
  const Tensor x = Tensor::normal({n, 5}, rng, 0, 1, DType::f64);
  const Tensor labels = labels_of(n, 3);
  minimise_lbfgs(
      parameters(net),
      [&] {
        const Tensor loss = decayed_loss(net, x, labels, wd);
        backward(loss);
        return loss.item();
      },
      {.max_iterations = 5000, .gradient_tolerance = 1e-9});
  double gradient = 1;
  for (int step = 0; step < 4; ++step) gradient = newton_step(net, x, labels, wd);
  REQUIRE(gradient < 1e-12);
  const SupportVectors v = extract_support_vectors(net, x, labels, {.tolerance = 1e-8});
  const std::vector<double> lambda = v.lambda.to_vector();
  const double mean = mean_of(lambda);
  double variance = 0;
  for (const double l : lambda) variance += (l - mean) * (l - mean) / static_cast<double>(n);
  CHECK(std::abs(mean * static_cast<double>(n) * wd - 1) < 1e-6);
  CHECK(std::sqrt(variance) / mean < 1e-6);
  MESSAGE("coefficient of variation ", std::sqrt(variance) / mean);
  for (const auto& [name, residual] : v.relative_residual) CHECK(residual < 1e-3);
  // So lambda says nothing about a sample, and alpha does
  CHECK(spearman(v.alpha.to_vector(), v.entropy.to_vector()) > 0.5);
}

namespace {

// Spread of the multipliers of the first digits after full-batch descent with weight decay.
struct Spread {
  double gradient = 0;   // norm of the gradient where the descent ended
  double mean = 0;       // of lambda, in units of 1 / (n wd)
  double variation = 0;  // coefficient of variation
  double residual = 0;
};

Spread transformer_spread(const std::vector<std::string>& frozen, const LbfgsOptions& o) {
  const int64_t n = 20;
  const double wd = 1e-2;
  Rng rng(3);
  const datasets::Dataset train = datasets::load("digits").train;
  const datasets::ChannelStatistics s = datasets::channel_statistics(train);
  const auto net = make_model("tiny_vit", {train.example_shape(), train.classes}, rng);
  convert(*net, DType::f64);
  for (const std::string& pattern : frozen) freeze(*net, pattern);
  const datasets::Batch first =
      datasets::Batches(train, {.batch = n, .shuffle = false, .mean = s.mean, .std = s.std})
          .get(0, 0);
  const Tensor x = to(first.inputs, DType::f64);
  const LbfgsResult fitted = minimise_lbfgs(
      parameters(*net),
      [&] {
        const Tensor loss = decayed_loss(*net, x, first.labels, wd);
        backward(loss);
        return loss.item();
      },
      o);
  const SupportVectors v = extract_support_vectors(*net, x, first.labels, {.tolerance = 1e-8});
  const std::vector<double> lambda = v.lambda.to_vector();
  const double mean = mean_of(lambda);
  double variance = 0;
  for (const double l : lambda) variance += (l - mean) * (l - mean) / static_cast<double>(n);
  return {
      fitted.gradient_norm, mean * static_cast<double>(n) * wd, std::sqrt(variance) / mean,
      v.total_residual};
}

void print_spread(const char* trained, const Spread& s) {
  std::cout << R"({"trained": ")" << trained << R"(", "gradient": )" << s.gradient
            << R"(, "mean": )" << s.mean << R"(, "variation": )" << s.variation
            << R"(, "residual": )" << s.residual << "}\n";
}

}  // namespace

TEST_CASE("support_vectors: a transformer's multipliers are 1 / (n wd) too") {
  // The head; the stream before it stays. 1e-3: what the brief descent leaves
  const Spread s = transformer_spread(
      {"position", "patch_embed*", "blocks*", "norm*"}, {.history = 50, .max_iterations = 60});
  CHECK(std::abs(s.mean - 1) < 1e-3);
  CHECK(s.variation < 1e-3);
}

// Minutes; `make reproduce-dsv PART=tiny-vit` runs them and reads what they print.
TEST_CASE("support_vectors: slow: a whole block of the transformer" * doctest::skip()) {
  const Spread s = transformer_spread(
      {"position", "patch_embed*", "blocks.0*"}, {.history = 200, .max_iterations = 1200});
  print_spread("last block, norm and head", s);
  CHECK(std::abs(s.mean - 1) < 1e-3);
  CHECK(s.variation < 1e-3);
}

// All that writes into the stream may shrink together: norms follow, and decay drives it to the
// scale of their epsilon. The descent stops far from a minimum
TEST_CASE("support_vectors: slow: all of the transformer" * doctest::skip()) {
  print_spread("all parameters", transformer_spread({}, {.history = 200, .max_iterations = 1200}));
}

namespace {

// Instance norm without affine, whose epsilon can be 0.
class Standardise : public Stateless {
 public:
  explicit Standardise(double epsilon) : epsilon_(epsilon) {}
  const char* type() const override { return "Standardise"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override {
    const NormOptions o{.groups = NormGroups::image_and_channel, .epsilon = epsilon_};
    const Tensor one = Tensor::ones({x.size(1)}, x.dtype());
    return standardize(x, one, Tensor::zeros({x.size(1)}, x.dtype()), o);
  }
  double epsilon_;
};

std::unique_ptr<Sequential> normed(double epsilon, bool has_head, Rng& rng) {
  auto net = std::make_unique<Sequential>();
  net->add<Conv2d>("conv", 2, 3, Conv2dOptions{.padding = 1}, rng);
  net->add<Standardise>("norm", epsilon);
  net->add<ReLU>("relu");
  net->add<GlobalAvgPool2d>("mean");
  if (has_head) net->add<Linear>("fc", 3, 3, rng);
  convert(*net, DType::f64);
  return net;
}

}  // namespace

TEST_CASE("support_vectors: parameters before a norm are found and left out") {
  for (const double epsilon : {0.0, 1e-5}) {
    Rng rng(13);
    const auto net = normed(epsilon, true, rng);
    const Tensor images = Tensor::normal({12, 2, 6, 6}, rng, 0, 10, DType::f64);
    const Tensor labels = labels_of(12, 3);
    CAPTURE(epsilon);

    // <theta_l, g_l> = 0, exactly without epsilon; the cosine grows as epsilon over the variance
    // that is divided out, here about 30
    SampleGradients gradients(*net, images, labels, {"conv.weight"});
    const std::vector<Tensor> theta = {gradients.target()[0].second.detach()};
    const std::vector<double> product = gradients.products(theta).to_vector();
    const std::vector<double> square = gradients.squares()[0].to_vector();
    const double length = std::sqrt(sum(theta[0] * theta[0]).item());
    for (size_t i = 0; i < product.size(); ++i) {
      CHECK(std::abs(product[i]) <= (epsilon == 0 ? 1e-12 : 1e-5) * length * std::sqrt(square[i]));
    }

    const auto before = bits(*net);
    const ChosenParameters p = choose_parameters(*net, images, labels);
    CHECK(p.invariant == std::vector<std::string>{"conv.weight", "conv.bias"});
    CHECK(p.chosen == std::vector<std::string>{"fc.weight", "fc.bias"});
    CHECK(bits(*net) == before);
    const SupportVectors left_out = extract_support_vectors(*net, images, labels);
    CHECK(left_out.relative_residual.size() == 2);
    // Asked for, it stays where it was, whatever the solver
    for (const SupportSolver solver : {SupportSolver::nnls, SupportSolver::paper}) {
      const SupportVectors v = extract_support_vectors(
          *net, images, labels, {.solver = solver, .keeps_invariant = true});
      CHECK(v.relative_residual[0].first == "conv.weight");
      CHECK(v.relative_residual[0].second >= 1 - 1e-3);
    }
    const auto bare = normed(epsilon, false, rng);
    CHECK_THROWS_AS(extract_support_vectors(*bare, images, labels), ValueError);
  }
}

TEST_CASE("support_vectors: the last layer alone has a closed form") {
  // Its gradient is (p - y) h': the multipliers of nnls() over that Gram matrix
  Rng rng(23);
  SmallNet small(1, 4, 3, false, rng);
  const Tensor images = Tensor::normal({30, 1, 6, 6}, rng, 0, 1, DType::f64);
  const Tensor labels = labels_of(30, 3);
  const SupportVectors v = extract_support_vectors(
      small.net, images, labels, {.rho = 0.05, .tolerance = 1e-10, .parameters = "linear.*"});
  CHECK(v.parameters.chosen == std::vector<std::string>{"linear.weight", "linear.bias"});
  Pass pass;
  pass.watch(find_layer(small.net, "pool"));
  const Tensor logits = small.net(images, pass).detach();
  const Tensor h = reshape(pass.activation(find_layer(small.net, "pool")).detach(), {30, 4});
  const Tensor r = softmax(logits) - one_hot(labels, 3, DType::f64);
  const Tensor h1 = concat({h, Tensor::ones({30, 1}, DType::f64)}, 1);
  const Tensor K = matmul(h1, h1, {.transpose_b = true}) * matmul(r, r, {.transpose_b = true});
  const Tensor c = -reshape(sum(logits * r, {1}), {30});  // <theta, g_i> = logits . r
  const Tensor exact = nnls(K, c - v.rho).x;
  CHECK(max_error(v.lambda, exact) < 1e-5);
  CHECK(v.rho == doctest::Approx(0.05 * max(reshape(abs(c), {1, 30}), 1).item()));
}

namespace {

// A small trained classifier of the net's own kind, with some samples misclassified.
struct Trained {
  Sequential net;
  Tensor x, labels, fresh;  // fresh: samples it was not trained on, with the same labels
  Trained() {
    Rng rng(29);
    net.add<Linear>("fc1", 6, 16, rng);
    net.add<ReLU>("relu");
    net.add<Linear>("fc2", 16, 3, rng);
    convert(net, DType::f64);
    labels = labels_of(150, 3);
    for (Tensor* points : {&x, &fresh}) {
      *points = Tensor::normal({150, 6}, rng, 0, 1, DType::f64);
      for (int64_t i = 0; i < 150; ++i) points->mutable_data<double>()[i * 6 + i % 3] += 1.5;
    }
    minimise_lbfgs(
        parameters(net),
        [&] {
          const Tensor loss = decayed_loss(net, x, labels, 2e-2);
          backward(loss);
          return loss.item();
        },
        {.max_iterations = 60, .gradient_tolerance = 1e-4});
  }
};

}  // namespace

TEST_CASE("support_vectors: the paper's steps shorten the residual and drop what is wrong") {
  Trained t;
  const SupportVectors v =
      extract_support_vectors(t.net, t.fresh, t.labels, {.solver = SupportSolver::paper});
  CHECK(v.trace.size() == 201);
  CHECK(v.trace.back().objective < v.trace.front().objective);
  CHECK(v.objective == v.trace.back().objective);
  const Stationarity s = stationarity(t.net, t.fresh, t.labels, v.lambda, false);
  CHECK(v.objective == doctest::Approx(s.value).epsilon(1e-12));
  for (size_t k = 0; k < s.relative_residual.size(); ++k) {
    CHECK(v.relative_residual[k].first == s.relative_residual[k].first);
    CHECK(v.relative_residual[k].second == doctest::Approx(s.relative_residual[k].second));
  }
  double sums[2] = {0, 0}, counts[2] = {0, 0}, dropped[2] = {0, 0};  // wrong, right
  std::set<int64_t> classes;
  for (int64_t i = 0; i < 150; ++i) {
    const bool is_right = v.correct.data<double>()[i] == 1;
    sums[is_right] += v.lambda.data<double>()[i];
    counts[is_right] += 1;
    dropped[is_right] += v.alive.data<double>()[i] == 0;
    if (v.alive.data<double>()[i] == 1) classes.insert(t.labels.data<int64_t>()[i]);
    CHECK(v.lambda.data<double>()[i] >= 0);
  }
  REQUIRE(counts[0] > 0);
  CHECK(sums[0] / counts[0] < sums[1] / counts[1]);
  CHECK(dropped[0] / counts[0] > dropped[1] / counts[1]);
  MESSAGE(
      "wrong against right, not trained on: mean lambda ",
      sums[0] / counts[0] / (sums[1] / counts[1]), ", share dropped ", dropped[0] / counts[0],
      " against ", dropped[1] / counts[1]);
  CHECK(classes.size() == 3);
  // Projection lets samples come back: it can do no worse by much
  const SupportVectors p = extract_support_vectors(
      t.net, t.fresh, t.labels, {.solver = SupportSolver::paper, .projects = true});
  CHECK(p.trace.back().objective < v.trace.front().objective);
}

TEST_CASE("support_vectors: a sketch comes nearer with its size, and says how near it is") {
  Trained t;
  const double exact =
      extract_support_vectors(t.net, t.x, t.labels, {.rho = 0.01, .tolerance = 1e-6}).objective;
  double before = 1e9;
  for (const int64_t size : {32, 512, 8192}) {
    const SupportVectors v = extract_support_vectors(
        t.net, t.x, t.labels,
        {.solver = SupportSolver::sketch, .rho = 0.01, .tolerance = 1e-6, .sketch_size = size});
    CAPTURE(size);
    CHECK(v.sketch_error < before);
    CHECK(v.objective >= exact * (1 - 1e-6));
    before = v.sketch_error;
    if (size == 8192) {  // hardly a collision among 163 parameters
      CHECK(v.sketch_error < 0.05);
      CHECK(v.objective < 1.1 * exact);
    }
  }
}

TEST_CASE("support_vectors: the best of each class, right and alive") {
  Trained t;
  const SupportVectors v = extract_support_vectors(t.net, t.x, t.labels, {.rho = 0.01});
  for (const SupportScore score :
       {SupportScore::alpha, SupportScore::lambda, SupportScore::lambda_g, SupportScore::cosine,
        SupportScore::entropy, SupportScore::random}) {
    const std::vector<int64_t> chosen = select_support(v, t.labels, score, 4, 7);
    CHECK(chosen.size() <= 12);
    CHECK(std::set<int64_t>(chosen.begin(), chosen.end()).size() == chosen.size());
    for (const int64_t i : chosen) {
      CHECK(v.correct.data<double>()[i] == 1);
      if (score == SupportScore::alpha) CHECK(v.lambda.data<double>()[i] > 0);
    }
  }
  const std::vector<int64_t> best = select_support(v, t.labels, SupportScore::entropy, 1);
  REQUIRE(best.size() == 3);
  for (int64_t i = 0; i < 150; ++i) {
    const int64_t y = t.labels.data<int64_t>()[i];
    if (v.correct.data<double>()[i] == 0) continue;
    CHECK(v.entropy.data<double>()[i] <= v.entropy.data<double>()[best[static_cast<size_t>(y)]]);
  }
  CHECK(
      select_support(v, t.labels, SupportScore::random, 4, 1) !=
      select_support(v, t.labels, SupportScore::random, 4, 2));
  const std::vector<double> sums = class_sums(v.lambda, t.labels, 3);
  CHECK(sums[0] + sums[1] + sums[2] == doctest::Approx(sum(v.lambda).item()));
}

TEST_CASE("support_vectors: bad input and degenerate data have a defined answer") {
  LinearCase c(20, 3, 4, 31);
  const Tensor one_class = Tensor::of_integers({20}, std::vector<int64_t>(20, 1));
  CHECK_THROWS_AS(extract_support_vectors(c.net, c.m.x, one_class), ValueError);
  CHECK_THROWS_AS(extract_support_vectors(c.net, c.m.x, Tensor()), ShapeError);
  CHECK_THROWS_AS(extract_support_vectors(c.net, c.m.x, labels_of(19, 2)), ShapeError);
  CHECK_THROWS_AS(extract_support_vectors(c.net, c.m.x, to(c.m.labels, DType::f64)), DTypeError);
  CHECK_THROWS_AS(
      extract_support_vectors(c.net, slice(c.m.x, 0, 0, 0), Tensor::empty({0}, DType::i64)),
      ValueError);
  CHECK_THROWS_AS(extract_support_vectors(c.net, c.m.x, c.m.labels, {.rho = -1}), ValueError);
  CHECK_THROWS_AS(
      extract_support_vectors(c.net, c.m.x, c.m.labels, {.parameters = "conv*"}), ValueError);

  // All points the same: no combination of these gradients is -theta
  const Tensor same = Tensor::ones({20, 3}, DType::f64);
  set_classifier(c.net, c.m, 2);
  const SupportVectors lp =
      extract_support_vectors(c.net, same, c.m.labels, {.solver = SupportSolver::lp});
  CHECK(lp.status == "infeasible");
  CHECK_FALSE(lp.converged);
  CHECK(lp.total_residual == doctest::Approx(1));
  const SupportVectors closest = extract_support_vectors(c.net, same, c.m.labels);
  CHECK(closest.total_residual <= 1);
  for (const double l : closest.lambda.to_vector()) CHECK(std::isfinite(l));
}

TEST_CASE("support_vectors: the same bits at one and two threads") {
  Rng rng(37);
  const auto net = make_model("lenet5", {.input = {1, 12, 12}, .classes = 4}, rng);
  const Tensor images = Tensor::normal({120, 1, 12, 12}, rng, 0, 1);
  const Tensor labels = labels_of(120, 4);
  for (const SupportSolver solver :
       {SupportSolver::nnls, SupportSolver::paper, SupportSolver::sketch}) {
    std::vector<SupportVectors> found;
    for (const int threads : {1, 2}) {
      const parallel::ThreadLimit limit(threads);
      found.push_back(extract_support_vectors(
          *net, images, labels, {.solver = solver, .rho = 0.01, .steps = 20, .sketch_size = 256}));
    }
    CHECK(bitwise_equal(found[0].lambda, found[1].lambda));
    CHECK(bitwise_equal(found[0].alpha, found[1].alpha));
    CHECK(bitwise_equal(found[0].cosine, found[1].cosine));
    CHECK(found[0].total_residual == found[1].total_residual);
  }
}
