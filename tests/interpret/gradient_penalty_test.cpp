// tests/interpret/gradient_penalty_test.cpp: the penalty by hand and by finite differences.
#include "framework/core/error.h"
#include "framework/nn/layers.h"
#include "framework/tensor/record.h"
#include "interpret/gradient_penalty/penalty.h"
#include "tests/interpret/penalty_net.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

namespace limpid::interpret {
namespace {

// y = 2 relu(x1 + x2) - relu(x2 - x1) + 5 relu(x1 - x2) at x = (1, 2), in f64.
struct HandNet {
  Tensor x = Tensor::of({1, 2}, {1, 2}, DType::f64);
  Tensor y;  // [1]

  HandNet() {
    x.require_gradient();
    const Tensor w1 = Tensor::of({2, 3}, {1, -1, 1, 1, 1, -1}, DType::f64);
    const Tensor w2 = Tensor::of({3, 1}, {2, -1, 5}, DType::f64);
    y = reshape(matmul(relu(matmul(x, w1)), w2), {1});
  }
};

constexpr GradientError kErrors[] = {
    GradientError::cosine, GradientError::mse, GradientError::mae, GradientError::histogram};

double error_of(GradientError error, const Tensor& a, const Tensor& b) {
  return gradient_errors(error, a, b).item();
}

// Loss of a small convolutional net with its penalty, for one value of its parameters.
struct Problem {
  std::unique_ptr<Module> net;
  Tensor images, labels;
  GradientPenaltyOptions options;

  Tensor total() const {
    Tensor x = images.clone();
    x.require_gradient();
    Pass pass(Mode::train);
    const Tensor logits = (*net)(x, pass);
    const Tensor losses = -select(log_softmax(logits), labels.values<int64_t>());
    return mean(losses) + gradient_penalty(losses, x, options);
  }
};

// Worst distance of the slope of f from central differences, over about 16 entries of each leaf.
double difference_error(
    const std::vector<Tensor>& leaves, double step, const std::function<double()>& f,
    const std::vector<Tensor>& slopes) {
  double worst = 0;
  for (size_t k = 0; k < leaves.size(); ++k) {
    Tensor leaf = leaves[k];
    for (int64_t i = 0; i < leaf.numel(); i += leaf.numel() / 16 + 1) {
      const double value = leaf.data<double>()[i];
      leaf.mutable_data<double>()[i] = value + step;
      const double up = f();
      leaf.mutable_data<double>()[i] = value - step;
      const double down = f();
      leaf.mutable_data<double>()[i] = value;
      worst =
          std::max(worst, relative_error((up - down) / (2 * step), slopes[k].data<double>()[i]));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("gradient errors: the example of three rectifiers, worked by hand") {
  // standard (3, 1), guided (2, 2), deconv (7, -3)
  const HandNet net;
  const auto map = [&](const Tensor& y, ReluRule rule) {
    return grad(sum(y), net.x, {.relu = rule}).to_vector();
  };
  using Row = std::vector<double>;
  CHECK(map(net.y, ReluRule::standard) == Row{3, 1});
  CHECK(map(net.y, ReluRule::guided) == Row{2, 2});
  CHECK(map(net.y, ReluRule::deconv) == Row{7, -3});
  // Guiding -y is not minus guiding y
  CHECK(map(-net.y, ReluRule::standard) == Row{-3, -1});
  CHECK(map(-net.y, ReluRule::guided) == Row{-1, 1});
  CHECK(map(-net.y, ReluRule::deconv) == Row{-1, 1});

  const Tensor a = grad(sum(net.y), net.x), b = grad(sum(net.y), net.x, {.relu = ReluRule::guided});
  const double cosine = 8 / std::sqrt(80.0);
  CHECK(std::abs(1 - error_of(GradientError::cosine, a, b) - cosine) < 1e-12);
  CHECK(error_of(GradientError::mse, a, b) == 1);
  CHECK(error_of(GradientError::mae, a, b) == 1);
  CHECK(std::abs(1 - error_of(GradientError::histogram, a, b) - 0.75) < 1e-12);
  CHECK(std::abs(gradient_cosines(net.y, net.x).item() - cosine) < 1e-12);
}

TEST_CASE("gradient cosines: of short gradients too, NaN of none") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = Tensor::of({3, 2}, {1, 2, 1, 2, -1, -1}, dtype).require_gradient();
    const Tensor scale = Tensor::of({3, 1}, {1, 1e-14, 1}, dtype);
    const Tensor w = Tensor::of({1, 2}, {2, -1}, dtype);
    const std::vector<double> cosines =
        gradient_cosines(sum(relu(x) * w * scale, {1}), x).to_vector();
    CHECK(std::abs(cosines[0] - 2 / std::sqrt(5.0)) < 1e-6);  // (2, -1) and (2, 0)
    CHECK(std::abs(cosines[1] - cosines[0]) < 1e-6);
    CHECK(std::isnan(cosines[2]));
  }
}

TEST_CASE("gradient errors: slopes in closed form agree with the tape") {
  Rng rng(8);
  for (const GradientError error : kErrors) {
    Tensor a = Tensor::normal({4, 2, 3}, rng, 0, 1, DType::f64);
    a.mutable_data<double>()[3] = 0;
    const Tensor b = Tensor::normal({4, 2, 3}, rng, 0, 1, DType::f64);
    a.require_gradient();
    const Tensor u = gradient_error_slopes(error, a, b);
    CHECK_FALSE(u.requires_gradient());
    CHECK(close(u, grad(sum(gradient_errors(error, a, b)), a)));
    const bool is_scale_free = error == GradientError::cosine || error == GradientError::histogram;
    if (!is_scale_free) continue;
    const Tensor along = sum(flatten(u * a), {1});  // <u, a>
    CHECK(close(along, Tensor::zeros({4, 1}, DType::f64)));
  }
}

TEST_CASE("gradient errors: flat gradients cost nothing and have no slope") {
  for (const GradientError error : {GradientError::cosine, GradientError::histogram}) {
    Tensor a = Tensor::zeros({1, 3}, DType::f64);
    a.require_gradient();
    const Tensor e = gradient_errors(error, a, Tensor::ones({1, 3}, DType::f64));
    CHECK(e.item() == 0);
    for (const double slope : grad(sum(e), a).to_vector()) CHECK(slope == 0);
  }
  CHECK_THROWS_AS(gradient_error_named("l2"), ValueError);
  CHECK_THROWS_AS(
      gradient_errors(GradientError::mse, Tensor::ones({1, 3}), Tensor::ones({1, 2})), ShapeError);
}

TEST_CASE("gradient penalty: its weight gradient agrees with central differences") {
  for (const char* name : {"cosine", "mse", "mae", "hi"}) {
    for (const char* norm : {"instance", "batch"}) {
      INFO(name, " with ", norm, " norm");
      Rng rng(5);
      Problem p;
      p.net = make_model(
          std::string("convnet:3x1:") + norm + ":max", {.input = {2, 4, 4}, .classes = 3}, rng);
      convert(*p.net, DType::f64);
      p.images = Tensor::normal({3, 2, 4, 4}, rng, 0, 1, DType::f64);
      p.labels = Tensor::of_integers({3}, {0, 2, 1});
      // Differences see the target move as well, so it must not be a constant here
      p.options = {.error = gradient_error_named(name), .lambda = 2, .detaches_target = false};
      std::vector<Tensor> leaves;
      for (const auto& named : parameters(*p.net)) leaves.push_back(named.second);
      const std::vector<Tensor> exact = grad(p.total(), leaves);
      const double worst = difference_error(
          leaves, 1e-6, [&] { return p.total().item(); }, exact);
      CHECK(worst < 1e-6);
    }
  }
}

TEST_CASE("gradient penalty: with the target held fixed, at every error") {
  struct Row {
    const char* model;
    Shape images;
    double kink;  // tolerance of mae and hi, which have kinks of their own
  };
  for (const Row& row :
       {Row{"convnet:3x1:batch:max", {3, 2, 4, 4}, 1e-4}, Row{"tiny_vit", {2, 1, 4, 4}, 1e-4}}) {
    for (const GradientError error : kErrors) {
      TestNet t(row.model, row.images, 3);
      GradientPenaltyOptions o{.error = error, .lambda = 2};
      Tensor target;  // that of the first call
      const auto total = [&] {
        Tensor x = t.batch.inputs.clone();
        x.require_gradient();
        Pass pass(Mode::train);
        const Tensor losses = example_losses((*t.net)(x, pass), t.batch);
        if (!target.defined()) target = gradient_target(losses, x, o);
        return mean(losses) + gradient_penalty(losses, x, target, o);
      };
      const std::vector<Tensor> leaves = t.weights();
      const std::vector<Tensor> slopes = grad(total(), leaves);
      const double worst = difference_error(
          leaves, 1e-5, [&] { return total().item(); }, slopes);
      const bool is_smooth = error == GradientError::cosine || error == GradientError::mse;
      INFO(row.model, " error ", static_cast<int>(error), ": ", worst);
      CHECK(worst < (is_smooth ? 1e-6 : row.kink));
    }
  }
}

TEST_CASE("gradient penalty: without rectifiers there is nothing to pull") {
  Rng rng(2);
  const Tensor W = Tensor::normal({6, 3}, rng, 0, 1, DType::f64).require_gradient();
  const Tensor x = Tensor::normal({4, 6}, rng, 0, 1, DType::f64).require_gradient();
  const Batch batch{x, Tensor::of_integers({4}, {0, 1, 2, 1})};
  const Tensor losses = example_losses(matmul(x, W), batch);
  const GradientPenaltyOptions o{.lambda = 1};
  CHECK(bitwise_equal(gradient_target(losses, x, o), grad(sum(losses), x)));
  const Tensor penalty = gradient_penalty(losses, x, o);
  CHECK(std::abs(penalty.item()) < 1e-12);
  CHECK(close(grad(penalty, W), Tensor::zeros(W.shape(), DType::f64), 1e-10));
}

TEST_CASE("gradient penalty: with weights that are not negative, guiding a logit changes nothing") {
  TestNet t("mlp:8-8", {4, 6}, 3);
  for (Tensor& w : t.weights()) w.assign(abs(w.detach()));
  Tensor x = t.batch.inputs.clone();
  x.require_gradient();
  Pass pass;
  const Tensor logits = (*t.net)(x, pass);
  const Tensor scores = gradient_scores(
      GradientSource::logit, logits, example_losses(logits, t.batch), t.batch.labels);
  CHECK(bitwise_equal(gradient_target(scores, x), grad(sum(scores), x)));
}

TEST_CASE("guided gradients: what leaves a rectifier is not negative, and 0 where it was closed") {
  // Remembers the output of each relu and the gradient that leaves it, newest first
  struct Rectifiers : Observer {
    std::vector<Tensor> outputs, gradients;
    void on_result(const char* op, const Tensor& value) override {
      if (std::string(op) == "relu") outputs.push_back(value.detach());
    }
    void on_gradient(const char* op, const Tensor& gradient) override {
      if (std::string(op) == "relu") gradients.push_back(gradient);
    }
  };
  TestNet t("resnet8", {2, 3, 8, 8}, 3);
  Rectifiers seen;
  const Observing watch(seen);
  Tensor x = t.batch.inputs.clone();
  x.require_gradient();
  Pass pass(Mode::train);
  const Tensor losses = example_losses((*t.net)(x, pass), t.batch);
  const Tensor ignored = gradient_target(losses, x);
  REQUIRE(seen.outputs.size() == 7);
  REQUIRE(seen.gradients.size() == 7);
  std::ranges::reverse(seen.gradients);
  for (size_t k = 0; k < 7; ++k) {
    const auto out = seen.outputs[k].to_vector(), g = seen.gradients[k].to_vector();
    for (size_t i = 0; i < g.size(); ++i) {
      const bool is_right = g[i] >= 0 && (out[i] > 0 || g[i] == 0);
      CHECK(is_right);
    }
  }
}

TEST_CASE("guided gradients: rectifiers as layers, functions and after a sum are alike") {
  // relu(conv2(relu(conv1 x)) + x), each rectifier a layer or a function
  class Block : public Module {
   public:
    Block(bool first, bool second, Rng& rng)
        : conv1_(2, 2, {.padding = 1}, rng),
          conv2_(2, 2, {.padding = 1}, rng),
          layers_{first, second} {}
    const char* type() const override { return "Block"; }
    void visit(Visitor& v) override {
      v.child("conv1", conv1_);
      v.child("conv2", conv2_);
    }

   private:
    Tensor forward(const Tensor& x, Pass& pass) override {
      const auto rectified = [&](const Tensor& u, bool is_layer) {
        return is_layer ? relu_(u, pass) : relu(u);
      };
      const Tensor inner = rectified(conv1_(x, pass), layers_[0]);
      return rectified(conv2_(inner, pass) + x, layers_[1]);
    }
    Conv2d conv1_, conv2_;
    ReLU relu_;
    bool layers_[2];
  };
  std::vector<Tensor> maps;
  for (const bool first : {false, true}) {
    for (const bool second : {false, true}) {
      Rng rng(4);
      Block block(first, second, rng);
      const Tensor x = Tensor::normal({2, 2, 5, 5}, rng, 0, 1).require_gradient();
      const Tensor weights = Tensor::normal({2, 2, 5, 5}, rng, 0, 1);
      Pass pass;
      maps.push_back(gradient_target(sum(block(x, pass) * weights, {1, 2, 3}), x));
      CHECK_FALSE(close(maps.back(), grad(sum(block(x, pass) * weights), x), 1e-3));
    }
  }
  for (const Tensor& map : maps) CHECK(bitwise_equal(map, maps[0]));
}

TEST_CASE("gradient penalty: in one pass and as compositions") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const char* model : {"convnet:4x2:batch", "resnet8", "tiny_vit"}) {
      TestNet t(model, {4, 3, 8, 8}, 3, dtype);
      const InterpretableOptions o{.penalty = {.lambda = 1}};
      const Tensor loss = t.loss(o);
      const auto fused = grad(loss, t.weights());
      const auto composed = grad(loss, t.weights(), {.create_graph = true});
      for (size_t k = 0; k < fused.size(); ++k) {
        CHECK(close(fused[k], composed[k], dtype == DType::f32 ? 1e-5 : 1e-12));
      }
    }
  }
}

TEST_CASE("gradient targets: permuted, edges and deconv") {
  TestNet t("convnet:4x1", {3, 2, 6, 6}, 3);
  Tensor x = t.batch.inputs.clone();
  x.require_gradient();
  Pass pass;
  const Tensor losses = example_losses((*t.net)(x, pass), t.batch);
  const auto target = [&](GradientTarget kind) {
    return gradient_target(losses, x, {.target = kind});
  };
  const Tensor guided = target(GradientTarget::guided);
  const Tensor permuted = target(GradientTarget::permuted);
  for (int64_t n = 0; n < 3; ++n) {
    const int64_t other = (n + 1) % 3;
    CHECK(bitwise_equal(slice(permuted, 0, n, n + 1), slice(guided, 0, other, other + 1)));
  }
  CHECK(bitwise_equal(
      target(GradientTarget::deconv), grad(sum(losses), x, {.relu = ReluRule::deconv})));
  CHECK_THROWS_AS(target(GradientTarget::smoothgrad), ValueError);

  // A ramp of slope 1 along the rows: 8 inside
  Tensor ramp = Tensor::empty({1, 1, 4, 5}, DType::f64);
  for (int64_t i = 0; i < 20; ++i) ramp.mutable_data<double>()[i] = static_cast<double>(i % 5);
  ramp.require_gradient();
  const Tensor edges = gradient_target(sum(ramp), ramp, {.target = GradientTarget::edges});
  for (int64_t i = 0; i < 20; ++i) {
    const bool is_inside = i / 5 > 0 && i / 5 < 3 && i % 5 > 0 && i % 5 < 4;
    CHECK(edges.data<double>()[i] == (is_inside ? 8 : 0));
  }
  const Tensor row = Tensor::ones({2, 3}, DType::f64).require_gradient();
  CHECK_THROWS_AS(gradient_target(sum(row), row, {.target = GradientTarget::edges}), ValueError);
  const Tensor one = Tensor::ones({1, 3}, DType::f64).require_gradient();
  CHECK_THROWS_AS(gradient_target(sum(one), one, {.target = GradientTarget::permuted}), ValueError);
}

}  // namespace limpid::interpret
