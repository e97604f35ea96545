// tests/interpret/piecewise_linear_test.cpp: stages read off the tape of networks of every kind.
#include "interpret/shallow/piecewise_linear.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "framework/tensor/record.h"
#include "interpret/shallow/regions.h"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Largest difference over random points, and that local maps are what f is near each point.
double difference(Module& model, const PiecewiseLinear& net, const Shape& example) {
  const Recording off(false);
  Rng rng(9);
  double largest = 0;
  std::vector<int64_t> sizes = {1};
  for (const int64_t size : example.sizes()) sizes.push_back(size);
  for (int k = 0; k < 20; ++k) {
    const Tensor x = Tensor::normal(Shape(std::span<const int64_t>(sizes)), rng, 0, 2, DType::f64);
    Pass pass;
    const std::vector<double> expected = model(x, pass).to_vector();
    const std::vector<double> own = net(x.values<double>());
    REQUIRE(own.size() == expected.size());
    const LocalMap map = net.local_map(net.pattern(x.values<double>()));
    for (size_t o = 0; o < own.size(); ++o) {
      double linear = map.bias[o];
      for (size_t i = 0; i < static_cast<size_t>(net.inputs()); ++i) {
        linear += map.weight[o * static_cast<size_t>(net.inputs()) + i] * x.data<double>()[i];
      }
      largest = std::max({largest, std::abs(own[o] - expected[o]), std::abs(linear - expected[o])});
    }
  }
  return largest;
}

// Statistics that are not 0 and 1, so that evaluation norms do something
void disturb(Module& model) {
  Rng rng(4);
  for (auto& [name, tensor] : state(model)) {
    if (tensor.dtype() == DType::i64) continue;
    Tensor t = tensor;
    const bool is_variance = name.ends_with("running_var");
    t.assign(
        is_variance ? Tensor::uniform(t.shape(), rng, 0.5, 2)
                    : Tensor::normal(t.shape(), rng, 0, 0.5));
  }
  convert(model, DType::f64);
}

// x + relu(W x), then |.|, leaky_relu and relu6 of it
class SkipBlock : public Module {
 public:
  explicit SkipBlock(Rng& rng) : inner_(4, 4, rng) {}
  const char* type() const override { return "SkipBlock"; }
  void visit(Visitor& v) override { v.child("inner", inner_); }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override {
    const Tensor sum = x + relu(inner_(x, pass));
    return concat({abs(sum), leaky_relu(sum, 0.1), relu6(sum * 3)}, 1);
  }
  Linear inner_;
};

Tensor tanh_of(const Tensor& x) { return tanh(x); }
Tensor gelu_of(const Tensor& x) { return gelu(x); }
Tensor clamp_of(const Tensor& x) { return clamp(x, -1, 1); }
Tensor low_of(const Tensor& x) { return maximum(x, Tensor::scalar(-0.25, x.dtype())); }
Tensor high_of(const Tensor& x) { return minimum(Tensor::scalar(0.5, x.dtype()), x); }
Tensor maximum_of(const Tensor& x) { return maximum(x, 0.5 * x); }
Tensor square_of(const Tensor& x) { return x * x; }

}  // namespace

TEST_CASE("piecewise linear: multilayer networks keep their weights") {
  Rng rng(1);
  const auto model = make_model("mlp:5-4", {.input = {3}, .classes = 2}, rng);
  convert(*model, DType::f64);
  const PiecewiseLinear net = piecewise_linear(*model, {3});
  CHECK(net.inputs() == 3);
  CHECK(net.outputs() == 2);
  CHECK(net.units() == 9);
  REQUIRE(net.hidden().size() == 2);
  const auto weights = parameters(*model);
  CHECK(net.hidden()[0].blocks[0].weight == weights[0].second.to_vector());
  CHECK(net.hidden()[0].bias == weights[1].second.to_vector());
  CHECK(net.hidden()[1].blocks[0].weight == weights[2].second.to_vector());
  CHECK(net.output().blocks[0].weight == weights[4].second.to_vector());
  CHECK(difference(*model, net, {3}) <= 1e-12);
}

TEST_CASE("piecewise linear: convolutions, norms, pools, residual sums") {
  // Sums of at most some thousand products of size 1 to 10
  for (const char* name : {"convnet:2x2:none:avg", "convnet:2x2:batch:max", "resnet8"}) {
    CAPTURE(name);
    Rng rng(2);
    const Shape example = {1, 4, 4};
    const auto model = make_model(name, {.input = example, .classes = 3}, rng);
    disturb(*model);
    const PiecewiseLinear net = piecewise_linear(*model, example);
    CHECK(difference(*model, net, example) <= 1e-9);
  }
}

TEST_CASE("piecewise linear: overlapping and padded max-pools") {
  Rng rng(3);
  Sequential model;
  model.add<Conv2d>("conv", 1, 2, Conv2dOptions{.padding = 1}, rng);
  model.add<MaxPool2d>("pool", PoolOptions{.size = 3, .stride = 2, .padding = 1});
  model.add<ReLU>("relu");
  model.add<Flatten>("flatten");
  model.add<Dropout>("dropout", 0.5);
  model.add<Linear>("head", 8, 2, rng);
  convert(model, DType::f64);
  const PiecewiseLinear net = piecewise_linear(model, {1, 4, 4});
  CHECK(difference(model, net, {1, 4, 4}) <= 1e-12);
}

TEST_CASE("piecewise linear: skips, absolute values, leaky and capped rectifiers") {
  Rng rng(5);
  Sequential model;
  model.add<SkipBlock>("block", rng);
  model.add<Linear>("head", 12, 2, rng);
  convert(model, DType::f64);
  const PiecewiseLinear net = piecewise_linear(model, {4});
  CHECK(net.units() == 4 + 8 + 4 + 8);
  CHECK(difference(model, net, {4}) <= 1e-12);
  // Every region of a network with skips is found too
  const RegionTree tree = enumerate_regions(net, Domain::box(4, -2, 2));
  std::vector<double> x(4);
  for (int k = 0; k < 300; ++k) {
    rng.uniform(x, -2, 2);
    const int64_t region = tree.find(x);
    REQUIRE(region >= 0);
    const Pattern pattern = net.pattern(x);
    REQUIRE(std::equal(pattern.begin(), pattern.end(), tree.pattern(region)));
    const auto own = tree.value(region, x);
    const auto expected = net(x);
    for (size_t o = 0; o < own.size(); ++o) REQUIRE(std::abs(own[o] - expected[o]) <= 1e-12);
  }
}

TEST_CASE("piecewise linear: hard-tanh and other limits") {
  Rng rng(9);
  for (const auto f : {clamp_of, low_of, high_of}) {
    Sequential model;
    model.add<Linear>("in", 3, 6, rng);
    model.add<Activation>("f", "F", f);
    model.add<Linear>("middle", 6, 5, rng);
    model.add<Activation>("g", "G", f);
    model.add<Linear>("out", 5, 2, rng);
    convert(model, DType::f64);
    for (auto& [name, tensor] : parameters(model)) {  // both limits are reached at once
      if (name == "in.bias") {
        tensor.mutable_data<double>()[0] = 3;
        tensor.mutable_data<double>()[1] = -3;
      }
    }
    const PiecewiseLinear net = piecewise_linear(model, {3});
    CHECK(net.units() == (f == clamp_of ? 22 : 11));
    CHECK(difference(model, net, {3}) <= 1e-12);
    const RegionTree tree = enumerate_regions(net, Domain::box(3, -3, 3));
    for (int64_t j = 0; j < tree.size(); ++j) {
      const auto own = tree.value(j, tree.centre(j)), expected = net(tree.centre(j));
      for (size_t o = 0; o < 2; ++o) REQUIRE(std::abs(own[o] - expected[o]) <= 1e-12);
    }
  }
}

TEST_CASE("piecewise linear: what is not is refused by name") {
  Rng rng(6);
  const auto refuse = [&](Activation::Function f, const char* text) {
    Sequential model;
    model.add<Linear>("in", 2, 3, rng);
    model.add<Activation>("f", "F", f);
    model.add<Linear>("out", 3, 1, rng);
    convert(model, DType::f64);
    CHECK_THROWS_WITH_AS(piecewise_linear(model, {2}), doctest::Contains(text), ValueError);
  };
  refuse(tanh_of, "the op tanh is not piecewise linear");
  refuse(gelu_of, "gelu");
  refuse(maximum_of, "a choice between two values");
  refuse(square_of, "the op mul");
  const auto vit = make_model("tiny_vit", {.input = {1, 8, 8}, .classes = 3}, rng);
  convert(*vit, DType::f64);
  CHECK_THROWS_WITH_AS(
      piecewise_linear(*vit, {1, 8, 8}), doctest::Contains("not piecewise linear"), ValueError);

  const auto mlp = make_model("mlp:4", {.input = {2}, .classes = 2}, rng);
  CHECK_THROWS_WITH_AS(piecewise_linear(*mlp, {2}), doctest::Contains("f64"), DTypeError);
  convert(*mlp, DType::f64);
  CHECK_THROWS_WITH_AS(piecewise_linear(*mlp, {2}, 5), doctest::Contains("exceeds 5"), ValueError);
  parameters(*mlp)[1].second.mutable_data<double>()[0] = NAN;
  CHECK_THROWS_WITH_AS(
      piecewise_linear(*mlp, {2}), doctest::Contains("fc1.bias holds NaN"), ValueError);
}
