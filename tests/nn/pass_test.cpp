// tests/nn/pass_test.cpp: mode, watched layers, substitute, observer.
#include "framework/nn/pass.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace limpid {
namespace {

// Runs its only layer twice.
class Twice : public Module {
 public:
  const char* type() const override { return "Twice"; }
  void visit(Visitor& v) override { v.child("inner", inner); }
  ReLU inner;

 private:
  Tensor forward(const Tensor& x, Pass& pass) override { return inner(inner(x, pass) - 1.0, pass); }
};

// A layer that gives back what it got.
class Identity : public Stateless {
 public:
  const char* type() const override { return "Identity"; }

 private:
  Tensor forward(const Tensor& x, Pass&) override { return x; }
};

void freeze(Module& module) {
  class Freeze : public Visitor {
    void on_parameter(const std::string&, Tensor& tensor) override { tensor = tensor.detach(); }
  } visitor;
  module.visit(visitor);
}

}  // namespace

TEST_CASE("Pass: mode and random stream") {
  CHECK_FALSE(Pass().is_training());
  CHECK_FALSE(Pass(Mode::evaluate).is_training());
  CHECK(Pass(Mode::train).is_training());
  Rng rng(1);
  CHECK(&Pass(Mode::train, &rng).rng() == &rng);
  CHECK_THROWS_AS(Pass().rng(), ValueError);
}

TEST_CASE("Pass: a repeated pass draws the same dropout and leaves running statistics alone") {
  Rng rng(6);
  Sequential net;
  net.add<BatchNorm2d>("bn", 2);
  net.add<Dropout>("drop", 0.5);
  const Tensor x = Tensor::normal({4, 2, 3, 3}, rng, 0, 1);
  Rng copy = rng;
  Pass first(Mode::train, &rng);
  const Tensor y = net(x, first);
  const Tensor mean = buffers(net)[0].second.clone();
  Pass second = first.repeated(&copy);
  CHECK(second.is_training());
  CHECK_FALSE(second.updates_statistics());
  CHECK(bitwise_equal(net(x, second), y));
  CHECK(bitwise_equal(buffers(net)[0].second, mean));
  CHECK(copy.state() == rng.state());

  Pass third(Mode::train, &rng);
  third.keep_all();
  CHECK_FALSE(third.repeated(&copy).drops());
  CHECK_FALSE(Pass(Mode::train).repeated(&copy).has_rng());
  CHECK_FALSE(Pass().updates_statistics());
}

TEST_CASE("Pass: a watched layer's output is the value that goes on") {
  Rng rng(2);
  const auto net = make_model("mlp:5", {.input = {4}, .classes = 3}, rng);
  Module& hidden = find_layer(*net, "relu1");
  const Tensor x = Tensor::normal({2, 4}, rng, 0, 1);
  Pass plain, pass;
  pass.watch(hidden);
  pass.watch(find_layer(*net, "fc2"));
  const Tensor expected = (*net)(x, plain);
  const Tensor logits = (*net)(x, pass);
  CHECK(bitwise_equal(logits, expected));  // watching changes nothing

  const Tensor h = pass.activation(hidden);  // [2, 5]
  CHECK(h.shape() == Shape({2, 5}));
  CHECK(pass.activation(find_layer(*net, "fc2")).is(logits));
  // d(sum of logits)/dh is the column sum of fc2.weight, for every row
  const Tensor slope = grad(sum(logits), h);
  const Tensor weight = parameters(*net)[2].second;  // [3, 5]
  CHECK(close(slope, sum(weight, {0}) + Tensor::zeros({2, 5}), 1e-6));
}

TEST_CASE("Pass: not watched, never ran, ran twice") {
  Rng rng(3);
  const auto net = make_model("mlp:5", {.input = {4}, .classes = 3}, rng);
  Module& relu = find_layer(*net, "relu1");
  Pass pass;
  CHECK_THROWS_WITH_AS(pass.activation(relu), "activation: this ReLU was not watched", ValueError);
  pass.watch(relu);
  CHECK_THROWS_WITH_AS(
      pass.activation(relu), "activation: the watched ReLU ran 0 times in this pass", ValueError);
  const Tensor x = Tensor::zeros({1, 4});
  (*net)(x, pass);
  CHECK_NOTHROW(pass.activation(relu));
  CHECK_THROWS_AS(pass.activation(find_layer(*net, "fc1")), ValueError);
  (*net)(x, pass);  // the same pass again
  CHECK_THROWS_AS(pass.activation(relu), ValueError);

  Twice twice;
  Pass second;
  second.watch(twice.inner);
  CHECK(twice(Tensor::of({2}, {3, -1}), second).to_vector() == std::vector<double>{2, 0});
  CHECK_THROWS_WITH_AS(
      second.activation(twice.inner), "activation: the watched ReLU ran 2 times in this pass",
      ValueError);
}

TEST_CASE("Pass: a frozen model is explained all the same, and stays as it was") {
  Rng rng(4);
  const auto net = make_model("lenet5", {.input = {1, 12, 12}, .classes = 3}, rng);
  freeze(*net);
  const Tensor x = Tensor::normal({2, 1, 12, 12}, rng, 0, 1);
  Pass plain;
  CHECK_FALSE((*net)(x, plain).requires_gradient());

  Module& layer = find_layer(*net, "relu2");
  Pass pass;
  pass.watch(layer);
  const Tensor logits = (*net)(x, pass);
  const Tensor slope = grad(sum(logits), pass.activation(layer));
  CHECK(slope.shape() == Shape({2, 16, 2, 2}));
  CHECK(sum(slope * slope).item() > 0);
  CHECK_FALSE(x.requires_gradient());
  for (const auto& [name, tensor] : state(*net)) CHECK_FALSE(tensor.requires_gradient());
}

TEST_CASE("Pass: watching works while recording is off around the layer below") {
  Rng rng(5);
  Linear linear(2, 2, rng);
  const Tensor x = Tensor::ones({1, 2});
  Tensor y;
  Pass pass;
  pass.watch(linear);
  {
    const Recording off(false);
    y = linear(x, pass);
  }
  CHECK(pass.activation(linear).requires_gradient());
  CHECK(grad(sum(y * y), pass.activation(linear)).shape() == Shape({1, 2}));
}

TEST_CASE("Pass: a watched identity layer does not mark the caller's tensor") {
  Identity identity;
  const Tensor x = Tensor::of({2}, {3, 4});
  Pass pass;
  pass.watch(identity);
  const Tensor y = identity(x, pass);
  CHECK_FALSE(x.requires_gradient());
  CHECK(y.requires_gradient());
  CHECK_FALSE(y.is(x));
  CHECK(grad(sum(y * y), pass.activation(identity)).to_vector() == std::vector<double>{6, 8});

  // The same for Dropout and an empty Sequential, which return their input in evaluation
  Dropout dropout(0.5);
  Sequential empty;
  for (Module* layer : std::initializer_list<Module*>{&dropout, &empty}) {
    Pass other;
    other.watch(*layer);
    (*layer)(x, other);
    CHECK_FALSE(x.requires_gradient());
  }
}

TEST_CASE("Pass: the observer sees every layer once, inner ones first") {
  Rng rng(6);
  const auto net = make_model("mlp:5", {.input = {4}, .classes = 3}, rng);
  std::vector<std::string> seen;
  std::vector<Shape> outputs;
  Pass pass;
  pass.observer = [&](const Module& layer, const Tensor& input, const Tensor& output) {
    seen.push_back(layer.type());
    outputs.push_back(output.shape());
    CHECK(input.size(0) == 2);
  };
  (*net)(Tensor::zeros({2, 4}), pass);
  CHECK(seen == std::vector<std::string>{"Flatten", "Linear", "ReLU", "Linear", "Sequential"});
  CHECK(outputs[1] == Shape({2, 5}));
  CHECK(outputs[4] == Shape({2, 3}));
}

TEST_CASE("Pass: a substitute goes on in place of the output, for observer and watch too") {
  Rng rng(7);
  Sequential net;
  Linear& first = net.add<Linear>("first", 2, 2, rng);
  net.add<ReLU>("relu");
  const Tensor x = Tensor::of({1, 2}, {1, 2});
  const Tensor other = Tensor::of({3, 2}, {1, -2, 3, -4, 5, 6});  // another batch size
  Pass pass;
  pass.watch(first);
  pass.substitute = [&](const Module& layer, const Tensor& input, const Tensor& output) {
    if (&layer != &first) return output;
    CHECK(input.is(x));
    CHECK(output.shape() == Shape({1, 2}));
    return other;
  };
  std::vector<Shape> outputs;
  pass.observer = [&](const Module&, const Tensor&, const Tensor& output) {
    outputs.push_back(output.shape());
  };
  CHECK(net(x, pass).to_vector() == std::vector<double>{1, 0, 3, 0, 5, 6});
  CHECK(pass.activation(first).to_vector() == other.to_vector());
  CHECK_FALSE(other.requires_gradient());
  CHECK(outputs == std::vector<Shape>(3, Shape({3, 2})));
}

}  // namespace limpid
