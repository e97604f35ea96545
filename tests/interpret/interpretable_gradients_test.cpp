// tests/interpret/interpretable_gradients_test.cpp: the penalty by hand and by finite differences.
#include "interpret/interpretable_gradients.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

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

}  // namespace

TEST_CASE("gradient errors: the example of three rectifiers, worked by hand") {
  // standard (3, 1), guided (2, 2)
  const HandNet net;
  const Tensor a = grad(sum(net.y), net.x), b = grad(sum(net.y), net.x, {.relu = ReluRule::guided});
  CHECK(a.to_vector() == std::vector<double>{3, 1});
  CHECK(b.to_vector() == std::vector<double>{2, 2});
  const double tolerance = 1e-7;  // the norms are kept from 0 by 1e-8
  CHECK(std::abs(1 - error_of(GradientError::cosine, a, b) - 8 / std::sqrt(80.0)) < tolerance);
  CHECK(error_of(GradientError::mse, a, b) == 1);
  CHECK(error_of(GradientError::mae, a, b) == 1);
  CHECK(std::abs(1 - error_of(GradientError::histogram, a, b) - 0.75) < tolerance);
  CHECK(std::abs(gradient_cosines(net.y, net.x).item() - 8 / std::sqrt(80.0)) < tolerance);
  // Guiding -y is not minus guiding y: standard (-3, -1), guided (-1, 1)
  const Tensor c = grad(sum(-net.y), net.x, {.relu = ReluRule::guided});
  CHECK(c.to_vector() == std::vector<double>{-1, 1});
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
      backward(p.total(), leaves);
      double worst = 0;
      for (Tensor& leaf : leaves) {
        for (int64_t i = 0; i < leaf.numel(); ++i) {
          const double step = 1e-6, value = leaf.data<double>()[i];
          leaf.mutable_data<double>()[i] = value + step;
          const double up = p.total().item();
          leaf.mutable_data<double>()[i] = value - step;
          const double down = p.total().item();
          leaf.mutable_data<double>()[i] = value;
          const double slope = (up - down) / (2 * step);
          const double exact = leaf.gradient().data<double>()[i];
          worst = std::max(worst, std::abs(slope - exact) / std::max(1.0, std::abs(exact)));
        }
      }
      CHECK(worst < 1e-6);
    }
  }
}

}  // namespace limpid::interpret
