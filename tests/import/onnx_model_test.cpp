// tests/import/onnx_model_test.cpp: a whole network from a file is a module like all others.
#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/import/onnx.h"
#include "framework/io/files.h"
#include "framework/ops/ops.h"
#include "interpret/saliency/cam.h"
#include "tests/import/onnx_writer.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <array>
#include <set>

using namespace limpid;
using write::integer;
using write::integers;
using write::node;

namespace {

std::unique_ptr<OnnxModel> load(const write::Graph& graph) {
  return load_onnx(as_bytes(write::model(graph)), "m.onnx");
}

/// lenet5 of nn/models.cpp as PyTorch exports it, with the weights of `net`.
write::Graph lenet_graph(Module& net) {
  const auto kernel = [](int64_t size) { return integers("kernel_shape", {size, size}); };
  const auto pool = [&](const char* from, const char* to, const char* name) {
    return node("MaxPool", {from}, {to}, {kernel(2), integers("strides", {2, 2})}, name);
  };
  const auto linear = [](const std::string& from, const std::string& name) {
    return node(
        "Gemm", {from, name + ".weight", name + ".bias"}, {name}, {integer("transB", 1)}, name);
  };
  write::Graph graph{
      .nodes =
          {node(
               "Conv", {"x", "conv1.weight", "conv1.bias"}, {"c1"},
               {kernel(5), integers("pads", {2, 2, 2, 2})}, "conv1"),
           node("Relu", {"c1"}, {"r1"}), pool("r1", "p1", "pool1"),
           node("Conv", {"p1", "conv2.weight", "conv2.bias"}, {"c2"}, {kernel(5)}, "conv2"),
           node("Relu", {"c2"}, {"r2"}), pool("r2", "p2", "pool2"), node("Flatten", {"p2"}, {"f"}),
           linear("f", "fc1"), node("Relu", {"fc1"}, {"r3"}), linear("r3", "fc2"),
           node("Relu", {"fc2"}, {"r4"}), linear("r4", "fc3")},
      .inputs = {write::value("x", {-1, 1, 28, 28})},
      .outputs = {write::value("fc3", {-1, 10})}};
  for (const auto& [name, tensor] : parameters(net)) graph.initializers.emplace_back(name, tensor);
  return graph;
}

struct Lenet {
  Lenet() : rng(5), net(make_model("lenet5", {{1, 28, 28}, 10}, rng)) {
    model = load(lenet_graph(*net));
    images = Tensor::normal({3, 1, 28, 28}, rng, 0, 1);
  }
  Rng rng;
  std::unique_ptr<Module> net;
  std::unique_ptr<OnnxModel> model;
  Tensor images;
};

}  // namespace

TEST_CASE("onnx model: a LeNet gives the bits of the same limpid network") {
  const Lenet lenet;
  Pass one;
  Pass other;
  CHECK(bitwise_equal((*lenet.model)(lenet.images, one), (*lenet.net)(lenet.images, other)));
  CHECK(parameter_count(*lenet.model) == parameter_count(*lenet.net));

  const ModelShape shape = lenet.model->shape();
  CHECK(shape.input == Shape{1, 28, 28});
  CHECK(shape.classes == 10);
  CHECK(lenet.model->inputs()[0].sizes == std::vector<int64_t>{-1, 1, 28, 28});
  CHECK(lenet.model->outputs()[0].name == "fc3");
}

TEST_CASE("onnx model: state and layers have the names of the nodes, and can be loaded") {
  const Lenet lenet;
  const NamedTensors expected = parameters(*lenet.net);
  const NamedTensors actual = parameters(*lenet.model);
  REQUIRE(actual.size() == expected.size());
  for (size_t k = 0; k < actual.size(); ++k) {
    CHECK(actual[k].first == expected[k].first);  // conv1.weight and so on, in the same order
    CHECK(actual[k].second.requires_gradient());
  }
  CHECK(std::string(find_layer(*lenet.model, "pool2").type()) == "MaxPool");
  CHECK(layers(*lenet.model).size() == 12);

  std::map<std::string, Tensor> zeros;
  for (const auto& [name, tensor] : state(*lenet.net)) zeros[name] = 0 * tensor.detach();
  load_state(*lenet.model, zeros);
  Pass pass;
  CHECK(max_error((*lenet.model)(lenet.images, pass), Tensor::zeros({3, 10})) == 0);
}

TEST_CASE("onnx model: multiply-adds, gradients of any order and Grad-CAM as in limpid") {
  const Lenet lenet;
  const auto costs = [&](Module& module) {
    int64_t macs = 0;
    Pass pass;
    pass.observer = [&](const Module& layer, const Tensor& in, const Tensor& out) {
      macs += layer.macs(in.shape(), out.shape());
    };
    module(lenet.images, pass);
    return macs;
  };
  CHECK(costs(*lenet.model) == costs(*lenet.net));

  // d |d loss / dx|^2 / dw
  const auto second_order = [&](Module& module) {
    Tensor x = lenet.images.clone().require_gradient();
    Pass pass;
    const Tensor loss = cross_entropy(module(x, pass), Tensor::of_integers({3}, {1, 2, 3}));
    const Tensor slope = grad(loss, x, {.create_graph = true});
    return grad(sum(slope * slope), parameters(module).front().second);
  };
  CHECK(close(second_order(*lenet.model), second_order(*lenet.net), 1e-6));

  const std::array<int64_t, 3> classes = {1, 2, 3};
  const auto map = [&](Module& module) {
    return interpret::grad_cam(module, find_layer(module, "conv2"), lenet.images, classes);
  };
  CHECK(close(map(*lenet.model), map(*lenet.net), 1e-6));
}

TEST_CASE("onnx model: a converted model runs in double precision") {
  const Lenet lenet;
  convert(*lenet.model, DType::f64);
  convert(*lenet.net, DType::f64);
  Pass one;
  Pass other;
  const Tensor x = to(lenet.images, DType::f64);
  CHECK(bitwise_equal((*lenet.model)(x, one), (*lenet.net)(x, other)));
}

TEST_CASE("onnx model: inputs are checked, all but the batch") {
  const Lenet lenet;
  Pass pass;
  CHECK_THROWS_WITH_AS(
      (*lenet.model)(Tensor::zeros({1, 1, 27, 28}), pass),
      "onnx: input \"x\" is [1, 1, 27, 28], not [?, 1, 28, 28]", ShapeError);
  CHECK_THROWS_AS((*lenet.model)(Tensor::zeros({28, 28}), pass), ShapeError);
  CHECK_THROWS_WITH_AS(lenet.model->run({}, pass), "onnx: input \"x\" is not given", ValueError);
  CHECK_THROWS_WITH_AS(
      lenet.model->run({{"x", lenet.images}, {"z", lenet.images}}, pass),
      "onnx: the model has no input \"z\"", ValueError);
  CHECK_THROWS_WITH_AS(
      (*lenet.model)(to(lenet.images, DType::f64), pass),
      doctest::Contains("m.onnx: Conv \"conv1\": conv2d: mixes f64 with f32"), FormatError);

  // A file that is made for one example at a time says so
  const auto fixed = load(
      {.nodes = {node("Reshape", {"x", "s"}, {"y"})},
       .initializers = {{"s", Tensor::of_integers({2}, {1, -1})}},
       .inputs = {write::value("x", {1, 4})},
       .outputs = {write::value("y", {1, 4})}});
  CHECK((*fixed)(Tensor::zeros({1, 4}), pass).shape() == Shape{1, 4});
  CHECK_THROWS_WITH_AS(
      (*fixed)(Tensor::zeros({2, 4}), pass), doctest::Contains("batches of this size"), ShapeError);
}

TEST_CASE("onnx model: joins, shared weights, constants and statistics are listed once") {
  // y = BN(x w) + BN(x w) * 0.5, where the shape of x goes through a Reshape
  const auto model = load(
      {.nodes =
           {node("Constant", {}, {"half"}, {write::tensor("value", Tensor::scalar(0.5))}),
            node("Shape", {"x"}, {"s"}), node("Reshape", {"x", "s"}, {"same"}, {}, "reshape"),
            node("MatMul", {"same", "w"}, {"a"}, {}, "first"),
            node("MatMul", {"same", "w"}, {"b"}, {}, "second"),
            node("BatchNormalization", {"a", "g", "g", "m", "v"}, {"n"}, {}, "norm"),
            node("Mul", {"b", "half"}, {"h"}, {}, "scale"),
            node("Add", {"n", "h"}, {"y"}, {}, "join")},
       .initializers =
           {{"w", Tensor::of({2, 2}, {1, 2, 3, 4})},
            {"g", Tensor::of({2}, {1, 1})},
            {"m", Tensor::of({2}, {1, 0})},
            {"v", Tensor::of({2}, {4, 1})},
            {"unused", Tensor::ones({9})}},
       .inputs = {write::value("x", {-1, 2})},
       .outputs = {write::value("y", {-1, 2})}});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : parameters(*model)) names.push_back(name);
  CHECK(names == std::vector<std::string>{"first.weight", "norm.weight"});
  names.clear();
  for (const auto& [name, tensor] : buffers(*model)) {
    names.push_back(name);
    CHECK_FALSE(tensor.requires_gradient());
  }
  CHECK(names == std::vector<std::string>{"norm.running_mean", "norm.running_var", "scale.half"});
  names.clear();
  for (const auto& [name, layer] : layers(*model)) names.push_back(name);
  CHECK(names == std::vector<std::string>{"reshape", "first", "second", "norm", "scale", "join"});

  // x w = [7, 10]; BN = [(7 - 1) / 2 + 1, 10 + 1]; + [3.5, 5]. The join is seen by the pass.
  Module& join = find_layer(*model, "join");
  Pass pass;
  pass.watch(join);
  const Tensor y = (*model)(Tensor::of({1, 2}, {1, 2}), pass);
  CHECK(close(y, Tensor::of({1, 2}, {7.5, 16}), 1e-4));
  CHECK(pass.activation(join).is(y));
}

TEST_CASE("onnx model: a weight that only a constant expression uses is still a parameter") {
  const auto model = load(
      {.nodes = {node("Transpose", {"w"}, {"t"}), node("MatMul", {"x", "t"}, {"y"}, {}, "product")},
       .initializers = {{"w", Tensor::of({1, 2}, {3, 4})}},
       .inputs = {write::value("x", {-1, 2})},
       .outputs = {write::value("y", {-1, 1})}});
  const NamedTensors found = parameters(*model);
  REQUIRE(found.size() == 1);
  CHECK(found[0].first == "w");
  CHECK(layers(*model).size() == 1);
  Pass pass;
  const Tensor y = (*model)(Tensor::of({1, 2}, {1, 10}), pass);
  CHECK(y.item() == 43);
  CHECK(close(grad(sum(y), found[0].second), Tensor::of({1, 2}, {1, 10})));
}

TEST_CASE("onnx model: nodes without a name, or with one that is taken, get one") {
  const auto model = load(
      {.nodes =
           {node("Relu", {"x"}, {"a"}, {}, "r"), node("Relu", {"a"}, {"b"}, {}, "r"),
            node("Relu", {"b"}, {"y"})},
       .inputs = {write::value("x", {-1, 2})},
       .outputs = {write::value("y", {-1, 2})}});
  std::set<std::string> names;
  for (const auto& [name, layer] : layers(*model)) names.insert(name);
  CHECK(names.size() == 3);
  CHECK(names.contains("r"));
  CHECK(names.contains("Relu_3"));
}

TEST_CASE("onnx model: several inputs and outputs, by name") {
  const auto model = load(
      {.nodes = {node("Sub", {"a", "b"}, {"d"}), node("Mul", {"a", "b"}, {"p"})},
       .inputs = {write::value("a", {2}), write::value("b", {2})},
       .outputs = {write::value("p", {2}), write::value("d", {2}), write::value("a", {2})}});
  const Tensor a = Tensor::of({2}, {5, 6});
  const Tensor b = Tensor::of({2}, {1, 2});
  Pass pass;
  const auto results = model->run({{"a", a}, {"b", b}}, pass);
  REQUIRE(results.size() == 3);
  CHECK(bitwise_equal(results[0], a * b));
  CHECK(bitwise_equal(results[1], a - b));
  CHECK(bitwise_equal(results[2], a));
  CHECK_THROWS_WITH_AS((*model)(a, pass), doctest::Contains("has 2 inputs"), ValueError);
  CHECK_THROWS_WITH_AS(model->shape(), doctest::Contains("has 2 inputs"), FormatError);
}

TEST_CASE("onnx model: classes that the file does not state are seen in a run") {
  const auto pooled = load(
      {.nodes = {node("GlobalAveragePool", {"x"}, {"y"})},
       .inputs = {write::value("x", {-1, 5, 4, 4})},
       .outputs = {write::value("y", {-1, -1, 1, 1})}});
  CHECK(pooled->shape().classes == 5);
  Pass pass;
  CHECK((*pooled)(Tensor::zeros({2, 5, 4, 4}), pass).shape() == Shape{2, 5});

  const auto images = load(
      {.nodes = {node("Relu", {"x"}, {"y"})},
       .inputs = {write::value("x", {-1, 5, 4, 4})},
       .outputs = {write::value("y", {-1, 5, 4, 4})}});
  CHECK_THROWS_WITH_AS(images->shape(), doctest::Contains("not a row of classes"), FormatError);
  const auto open = load(
      {.nodes = {node("Relu", {"x"}, {"y"})},
       .inputs = {write::value("x", {-1, 5, -1, 4})},
       .outputs = {write::value("y", {-1, 5})}});
  CHECK_THROWS_WITH_AS(
      open->shape(), doctest::Contains("leaves a size of the example open"), FormatError);
}

TEST_CASE("onnx model: shapes may be computed from shapes") {
  // x.view(x.size(0), x.size(1) / 2, -1), as exporters write it
  const auto model = load(
      {.nodes =
           {node("Shape", {"x"}, {"s"}), node("Gather", {"s", "zero"}, {"n"}),
            node("Gather", {"s", "one"}, {"c"}), node("Div", {"c", "two"}, {"half"}),
            node("Unsqueeze", {"n", "zeros"}, {"n1"}), node("Unsqueeze", {"half", "zeros"}, {"h1"}),
            node("Concat", {"n1", "h1", "rest"}, {"sizes"}, {integer("axis", 0)}),
            node("Reshape", {"x", "sizes"}, {"y"}, {}, "view")},
       .initializers =
           {{"zero", Tensor::of_integers({}, {0})},
            {"one", Tensor::of_integers({}, {1})},
            {"two", Tensor::of_integers({}, {2})},
            {"zeros", Tensor::of_integers({1}, {0})},
            {"rest", Tensor::of_integers({1}, {-1})}},
       .inputs = {write::value("x", {-1, 7, 3})},
       .outputs = {write::value("y", {-1, 3, 7})}});
  Pass pass;
  CHECK((*model)(Tensor::zeros({4, 7, 3}), pass).shape() == Shape{4, 3, 7});
  CHECK(layers(*model).size() == 1);
  CHECK(state(*model).empty());
}
