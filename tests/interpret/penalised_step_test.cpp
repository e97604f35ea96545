// tests/interpret/penalised_step_test.cpp: routes, sources and targets of the penalised step.
#include "framework/core/error.h"
#include "framework/nn/layers.h"
#include "framework/optim/sgd.h"
#include "framework/tensor/gates.h"
#include "interpret/gradient_penalty/step.h"
#include "tests/interpret/penalty_net.h"

#include <doctest/doctest.h>

#include <map>

namespace limpid::interpret {
namespace {

constexpr GradientError kErrors[] = {
    GradientError::cosine, GradientError::mse, GradientError::mae, GradientError::histogram};

InterpretableOptions options_of(GradientRoute route, double lambda = 0.5) {
  InterpretableOptions o;
  o.route = route;
  o.penalty.lambda = lambda;
  o.gradient = PenalisedGradient::train;
  return o;
}
constexpr auto kDouble = GradientRoute::double_backward;
constexpr auto kDifference = GradientRoute::finite_difference;
constexpr auto kShift = GradientRoute::shift;

// |fd - double| / |double| of the gradient of the penalty
double distance_of_routes(TestNet& t, InterpretableOptions o) {
  o.route = kDouble;
  const std::vector<double> exact = t.penalty_slope(o);
  o.route = kDifference;
  return distance(t.penalty_slope(o), exact);
}

struct RouteCase {
  std::string model;
  Shape images;
};

void check_routes(const RouteCase& c, DType dtype, double step, double tolerance) {
  for (const GradientError error : kErrors) {
    for (const GradientSource source : {GradientSource::loss, GradientSource::logit}) {
      TestNet t(c.model, c.images, 10, dtype);
      InterpretableOptions o = options_of(kDouble);
      const bool is_mean = error == GradientError::mse || error == GradientError::mae;
      if (is_mean) o.penalty.lambda = 1e4;  // else lost in the rounding of L_C's gradient
      o.penalty.error = error;
      o.source = source;
      o.step = step;
      const double off = distance_of_routes(t, o);
      INFO(c.model, " ", off, " at step ", step);
      CHECK(off < tolerance);
    }
  }
}

}  // namespace

TEST_CASE("penalised step: the finite difference agrees with the exact slope in f64") {
  for (const RouteCase& c :
       {RouteCase{"convnet:4x1:batch:max", {16, 2, 8, 8}},
        RouteCase{"convnet:4x2:instance", {6, 2, 8, 8}}, RouteCase{"resnet8", {8, 3, 8, 8}},
        RouteCase{"tiny_vit", {6, 2, 8, 8}}}) {
    check_routes(c, DType::f64, 0, 1e-6);
  }
}

TEST_CASE("penalised step: the finite difference agrees in f32 within a hundredth") {
  for (const RouteCase& c :
       {RouteCase{"convnet:8x2:batch:max", {16, 3, 16, 16}}, RouteCase{"resnet8", {8, 3, 32, 32}},
        RouteCase{"tiny_vit", {8, 3, 8, 8}}}) {
    for (const double step : {0.0, 1e-3}) check_routes(c, DType::f32, step, 1e-2);
  }
}

// Batch norm over nearly constant channels bends much, but a kink would not shrink with the step
TEST_CASE("penalised step: on relu6 the finite difference is off in proportion to the step") {
  TestNet t("mobilenet_v2:0.25", {8, 3, 8, 8}, 3);
  InterpretableOptions o = options_of(kDifference);
  double before = 0;
  for (const double step : {1e-5, 1e-6, 1e-7}) {
    o.step = step;
    const double off = distance_of_routes(t, o);
    if (before > 0) CHECK(std::abs(before / off - 10) < 1);
    before = off;
  }
}

TEST_CASE("penalised step: the finite difference of a part of the batch holds its own gates") {
  TestNet t("convnet:4x2:batch:max", {16, 2, 8, 8}, 3);
  InterpretableOptions o = options_of(kDouble);
  o.share = 0.5;
  const std::vector<double> exact = t.penalty_slope(o);
  o.route = kDifference;
  CHECK(distance(t.penalty_slope(o), exact) < 1e-6);
}

TEST_CASE("penalised step: the shift differs from the penalty by the square of lambda") {
  TestNet t("tiny_vit", {6, 2, 8, 8}, 3);
  double before = 0;
  for (const double lambda : {1e-3, 1e-4, 1e-5}) {
    std::vector<double> gap = t.slope(options_of(kShift, lambda));
    const std::vector<double> exact = t.slope(options_of(kDouble, lambda));
    for (size_t i = 0; i < gap.size(); ++i) gap[i] -= exact[i];
    const double residual = length(gap);
    if (before > 0) {
      CHECK(before / residual > 80);
      CHECK(before / residual < 120);
    }
    before = residual;
  }
}

TEST_CASE("penalised step: the value of the loss is the same by every route") {
  for (const GradientError error : kErrors) {
    TestNet t("convnet:4x1:batch", {6, 2, 6, 6}, 3);
    InterpretableOptions o = options_of(kDouble);
    o.penalty.error = error;
    const double exact = t.loss(o).item();
    for (const GradientRoute route : {kDifference, kShift}) {
      o.route = route;
      CHECK(relative_error(t.loss(o).item(), exact) < 1e-12);
    }
  }
}

TEST_CASE("penalised step: lambda 0 and a step of a plain loss write the same bits") {
  for (const bool skips : {true, false}) {
    TestNet a("resnet8", {4, 3, 8, 8}, 3, DType::f32), b("resnet8", {4, 3, 8, 8}, 3, DType::f32);
    Rng rng(1);
    Pass pass(Mode::train, &rng);
    const Tensor plain = cross_entropy((*a.net)(a.batch.inputs, pass), a.batch.labels);
    backward(plain, a.weights());

    // Skipped, and through the whole penalty
    Tensor penalised;
    if (skips) {
      penalised = b.loss(options_of(kDouble, 0));
    } else {
      Tensor x = b.batch.inputs.clone();
      x.require_gradient();
      Pass second(Mode::train, &rng);
      const Tensor losses = example_losses((*b.net)(x, second), b.batch);
      penalised = mean(losses) + gradient_penalty(losses, x, {.lambda = 0});
    }
    backward(penalised, b.weights());
    CHECK(penalised.item() == plain.item());
    Sgd(parameters(*a.net), {.momentum = 0.9}).step(0.1);
    Sgd(parameters(*b.net), {.momentum = 0.9}).step(0.1);
    const NamedTensors left = state(*a.net), right = state(*b.net);
    for (size_t i = 0; i < left.size(); ++i) {
      INFO(left[i].first);
      CHECK(bitwise_equal(left[i].second, right[i].second));
    }
  }
}

TEST_CASE("penalised step: every k-th step, k times as hard") {
  TestNet t("convnet:4x1:batch", {6, 2, 6, 6}, 3);
  InterpretableOptions o = options_of(kDouble, 0.25);
  o.every = 2;
  CHECK(length(t.penalty_slope(o, 1)) == 0);
  CHECK(t.slope(o, 2) == t.slope(options_of(kDouble, 0.5)));
}

TEST_CASE("penalised step: a random share has the mean of the whole") {
  // Examples do not see each other in this net, so the penalties of the parts average to the whole
  TestNet t("convnet:3x1:instance", {4, 1, 4, 4}, 2);
  const std::vector<double> whole = t.penalty_slope(options_of(kDouble));
  InterpretableOptions o = options_of(kDouble);
  o.share = 0.5;
  std::vector<double> total(whole.size(), 0);
  constexpr int kDraws = 600;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    Rng rng(seed);
    Pass pass(Mode::train, &rng);
    Tensor logits;
    const Tensor loss = penalised_loss(*t.net, t.batch, pass, logits, example_losses, 0, o);
    const Tensor plain = mean(example_losses(logits, t.batch));
    std::vector<Tensor> leaves = t.weights();
    size_t i = 0;
    for (const Tensor& g : grad(loss - plain, leaves)) {
      for (const double value : g.to_vector()) total[i++] += value / kDraws;
    }
  }
  CHECK(distance(total, whole) < 0.1);
}

TEST_CASE("penalised step: further passes change no statistics and repeat the dropout") {
  for (const GradientRoute route : {kDouble, kDifference, kShift}) {
    for (const double share : {1.0, 0.5}) {
      TestNet a("convnet:4x1:batch", {6, 2, 6, 6}, 3), b("convnet:4x1:batch", {6, 2, 6, 6}, 3);
      InterpretableOptions o = options_of(route);
      o.share = share;
      o.penalty.target = GradientTarget::smoothgrad;
      a.loss(options_of(kDouble, 0));
      b.loss(o);
      const NamedTensors left = buffers(*a.net), right = buffers(*b.net);
      for (size_t i = 0; i < left.size(); ++i)
        CHECK(bitwise_equal(left[i].second, right[i].second));
    }
  }
  Sequential net;
  Rng rng(3);
  net.add<Flatten>("flat");
  net.add<Linear>("fc1", int64_t{4}, int64_t{32}, rng);
  net.add<Activation>("act", "Tanh", tanh);
  net.add<Dropout>("drop", 0.5);
  net.add<Linear>("fc2", int64_t{32}, int64_t{3}, rng);
  convert(net, DType::f64);
  const Batch batch{
      Tensor::normal({5, 4}, rng, 0, 1, DType::f64), Tensor::of_integers({5}, {0, 1, 2, 0, 1})};
  // The targets are the images' own gradients turned: any, as long as dropout is the same
  const auto slope = [&](GradientRoute route) {
    Rng dropout(9);
    Pass pass(Mode::train, &dropout);
    Tensor logits;
    InterpretableOptions o = options_of(route);
    o.penalty.target = GradientTarget::permuted;
    const Tensor loss = penalised_loss(net, batch, pass, logits, example_losses, 0, o);
    std::vector<double> all;
    std::vector<Tensor> leaves;
    for (const auto& named : parameters(net)) leaves.push_back(named.second);
    for (const Tensor& g : grad(loss, leaves)) {
      for (const double value : g.to_vector()) all.push_back(value);
    }
    return all;
  };
  CHECK(distance(slope(kDifference), slope(kDouble)) < 1e-6);
}

TEST_CASE("penalised step: what differs by source") {
  TestNet t("mlp:8", {4, 6}, 3);
  Tensor x = t.batch.inputs.clone();
  x.require_gradient();
  Pass pass;
  const Tensor logits = (*t.net)(x, pass);
  const Tensor losses = example_losses(logits, t.batch);
  const auto scores = [&](GradientSource source) {
    return gradient_scores(source, logits, losses, t.batch.labels);
  };
  CHECK(bitwise_equal(scores(GradientSource::loss), losses));
  CHECK(bitwise_equal(scores(GradientSource::negative_loss), -losses));
  CHECK(close(scores(GradientSource::log_probability), -losses));
  for (int64_t n = 0; n < 4; ++n) {
    CHECK(
        scores(GradientSource::logit).data<double>()[n] ==
        logits.data<double>()[n * 3 + t.batch.labels.data<int64_t>()[n]]);
  }
}

TEST_CASE("penalised step: options that exclude each other") {
  TestNet t("mlp:8", {4, 6}, 3);
  const auto check_refused = [&](const InterpretableOptions& o) {
    CHECK_THROWS_AS(check_options(o), ValueError);
    CHECK_THROWS_AS(t.loss(o), ValueError);
  };
  InterpretableOptions o = options_of(kShift);
  o.source = GradientSource::logit;
  check_refused(o);
  o = options_of(kDifference);
  o.penalty.detaches_target = false;
  check_refused(o);
  o = options_of(kDouble);
  o.penalty.detaches_target = false;
  o.penalty.target = GradientTarget::edges;
  check_refused(o);
  check_refused(options_of(kDouble, -1));
  check_refused(options_of(kDouble, std::nan("")));
  o = options_of(kDouble);
  o.every = 0;
  check_refused(o);
  o = options_of(kDouble);
  o.share = 0;
  check_refused(o);
  CHECK_THROWS_AS(gradient_source_named("l"), ValueError);
  CHECK_THROWS_AS(gradient_route_named("l"), ValueError);
  CHECK_THROWS_AS(gradient_target_named("l"), ValueError);
}

TEST_CASE("capped slopes: ten medians at most") {
  const Tensor u = Tensor::of({4, 2}, {3, 4, 0, 0, 0, 5, 600, 800}, DType::f64);
  CHECK(close(capped_slopes(u), Tensor::of({4, 2}, {3, 4, 0, 0, 0, 5, 30, 40}, DType::f64)));
  const Tensor flat = Tensor::zeros({2, 2}, DType::f64);
  CHECK(bitwise_equal(capped_slopes(flat), flat));
}

TEST_CASE("penalised step: the network of evaluation, in a pass of its own") {
  TestNet t("convnet:4x2:batch:max", {8, 2, 8, 8}, 3);
  InterpretableOptions o = options_of(kDouble, 0.5);
  const std::vector<double> of_batch = t.penalty_slope(o);
  o.gradient = PenalisedGradient::evaluate;
  const std::vector<double> whole = t.slope(o);

  // lambda L_R with the running statistics that the training pass has just left
  Tensor x = t.batch.inputs.detach();
  x.require_gradient();
  Pass pass;
  const Tensor scores = example_losses((*t.net)(x, pass), t.batch);
  std::vector<double> penalty;
  for (const Tensor& g : grad(gradient_penalty(scores, x, o.penalty), t.weights())) {
    for (const double value : g.to_vector()) penalty.push_back(value);
  }
  std::vector<double> found = whole;
  const std::vector<double> plain = t.slope(options_of(kDouble, 0));
  for (size_t i = 0; i < found.size(); ++i) found[i] -= plain[i];
  CHECK(distance(found, penalty) < 1e-10);
  CHECK(distance(of_batch, penalty) > 0.1);  // a batch has another gradient
}

TEST_CASE("penalised step: one pass is enough where training computes the same network") {
  for (const char* model : {"convnet:4x2:instance", "tiny_vit"}) {
    TestNet t(model, {4, 2, 8, 8}, 3);
    InterpretableOptions o = options_of(kDouble, 0.5);
    const std::vector<double> of_batch = t.slope(o);
    o.gradient = PenalisedGradient::evaluate;
    CHECK(t.slope(o) == of_batch);
  }
}

// Running statistics become those that each batch norm sees in the batch, by the gates that were
// open the first time.
class Statistics {
 public:
  explicit Statistics(TestNet& t) : t_(t) {
    gates_.record([&] { return train(); });
  }
  void take() {
    gates_.hold([&] { return train(); });
    for (const auto& [name, layer] : layers(*t_.net)) {
      if (!seen_.contains(layer)) continue;
      for (auto& [buffer, tensor] : buffers(*layer)) {
        tensor.assign(buffer == "running_mean" ? seen_[layer].mean : seen_[layer].variance);
      }
    }
  }

 private:
  Tensor train() {
    Pass pass(Mode::train);
    pass.freeze_statistics();
    pass.observer = [&](const Module& layer, const Tensor& input, const Tensor&) {
      if (layer.depends_on_mode()) seen_[&layer] = moments(input);
    };
    return (*t_.net)(t_.batch.inputs, pass);
  }

  TestNet& t_;
  Gates gates_;
  std::map<const Module*, Moments> seen_;
};

TEST_CASE("penalised step: held statistics, and a network whose statistics follow") {
  for (const std::string model : {"convnet:4x2:batch:max", "resnet8"}) {
    TestNet t(model, {6, 2, 8, 8}, 3);
    InterpretableOptions o = options_of(kDouble, 0.5);
    o.gradient = PenalisedGradient::held;
    const std::vector<double> slope = t.penalty_slope(o);

    // lambda L_R of the network of evaluation, against the target at the weights as they are, and
    // by the gates there: derivatives see no kink
    Tensor x = t.batch.inputs.detach();
    x.require_gradient();
    const auto scores = [&] {
      Pass pass;
      return sum(example_losses((*t.net)(x, pass), t.batch));
    };
    Statistics statistics(t);
    statistics.take();
    Gates gates;
    const Tensor target = grad(gates.record(scores), x, {.relu = ReluRule::guided});
    const auto penalty = [&] {
      statistics.take();
      const Tensor delta = grad(gates.hold(scores), x);
      return 0.5 *
             mean(gradient_errors(GradientError::cosine, delta, target, kSmallestGradient)).item();
    };
    size_t at = 0;
    double worst = 0, largest = 0;
    const double h = 1e-6;  // f64: the difference is good to about 1e-9 of the largest
    for (Tensor& w : t.weights()) {
      const int64_t stride = std::max<int64_t>(1, w.numel() / 3);
      for (int64_t i = 0; i < w.numel(); i += stride) {
        const double before = w.data<double>()[i];
        const auto moved = [&](double step) {
          w.mutable_data<double>()[i] = before + step;
          return penalty();
        };
        const double difference = (moved(h) - moved(-h)) / (2 * h);
        w.mutable_data<double>()[i] = before;
        worst = std::max(worst, std::abs(difference - slope[at + static_cast<size_t>(i)]));
        largest = std::max(largest, std::abs(difference));
      }
      at += static_cast<size_t>(w.numel());
    }
    INFO(model, " worst ", worst, " of ", largest);
    CHECK(worst < 1e-6 * largest);
  }
}

}  // namespace limpid::interpret
