// tests/import/onnx_operators_test.cpp: each operator against limpid's ops or typed-in numbers.
#include "framework/core/error.h"
#include "framework/ops/ops.h"
#include "tests/import/onnx_writer.h"
#include "tests/import/run_node.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <limits>

using namespace limpid;
using write::integer;
using write::integers;
using write::real;

namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("onnx operators: functions of one value") {
  const Tensor x = random({2, 3});
  const Tensor positive = abs(x) + 0.5;
  CHECK(bitwise_equal(run_node("Abs", {x}), abs(x)));
  CHECK(bitwise_equal(run_node("Neg", {x}), neg(x)));
  CHECK(bitwise_equal(run_node("Exp", {x}), exp(x)));
  CHECK(bitwise_equal(run_node("Log", {positive}), log(positive)));
  CHECK(bitwise_equal(run_node("Sqrt", {positive}), sqrt(positive)));
  CHECK(bitwise_equal(run_node("Erf", {x}), erf(x)));
  CHECK(bitwise_equal(run_node("Sigmoid", {x}), sigmoid(x)));
  CHECK(bitwise_equal(run_node("Tanh", {x}), tanh(x)));
  CHECK(bitwise_equal(run_node("Softplus", {x}), softplus(x)));
  CHECK(bitwise_equal(run_node("Sin", {x}), sin(x)));
  CHECK(bitwise_equal(run_node("Cos", {x}), cos(x)));
  CHECK(bitwise_equal(run_node("Sign", {x}), sign(x)));
  CHECK(bitwise_equal(run_node("Relu", {x}), relu(x)));
  CHECK(bitwise_equal(run_node("Identity", {x}), x));
  CHECK(close(run_node("Reciprocal", {Tensor::of({2}, {2, -4})}), Tensor::of({2}, {0.5, -0.25})));
  CHECK(bitwise_equal(run_node("LeakyRelu", {x}, {real("alpha", 0.25)}), leaky_relu(x, 0.25)));
  CHECK(close(run_node("LeakyRelu", {x}), leaky_relu(x, 0.01)));
  CHECK(close(run_node("Elu", {x}, {real("alpha", 2)}), elu(x, 2)));
  const Tensor wide = Tensor::of({4}, {-4, -1, 1, 4});
  CHECK(close(run_node("HardSigmoid", {wide}), Tensor::of({4}, {0, 0.3, 0.7, 1}), 1e-6));
  CHECK(close(
      run_node("HardSwish", {wide}, {}, 14), Tensor::of({4}, {0, -1.0 / 3, 2.0 / 3, 4}), 1e-6));
}

TEST_CASE("onnx operators: arithmetic broadcasts, and takes any number of inputs where it may") {
  const Tensor a = random({2, 1, 3}, 1);
  const Tensor b = random({4, 1}, 2);
  CHECK(bitwise_equal(run_node("Add", {a, b}), a + b));
  CHECK(bitwise_equal(run_node("Sub", {a, b}), a - b));
  CHECK(bitwise_equal(run_node("Mul", {a, b}), a * b));
  CHECK(bitwise_equal(run_node("Div", {a, b}), a / b));
  CHECK(bitwise_equal(run_node("Sum", {a, b, a}), a + b + a));
  CHECK(close(run_node("Mean", {a, b}), (a + b) / 2, 1e-6));
  CHECK(bitwise_equal(run_node("Max", {a, b}), maximum(a, b)));
  CHECK(bitwise_equal(run_node("Min", {a, b, a}), minimum(minimum(a, b), a)));
  CHECK(bitwise_equal(run_node("Sum", {a}), a));
  CHECK(bitwise_equal(run_node("Pow", {a, Tensor::scalar(2)}), pow(a, 2)));
  CHECK(bitwise_equal(run_node("Pow", {a, list({3})}), pow(a, 3)));
  CHECK_THROWS_WITH_AS(
      run_node("Pow", {a, Tensor::ones({3})}), doctest::Contains("differ by element"), FormatError);
  const Tensor image = Tensor::of({1, 2, 1, 2}, {-1, 2, -3, 4});
  CHECK(close(
      run_node("PRelu", {image, Tensor::of({2, 1, 1}, {0.5, 10})}),
      Tensor::of({1, 2, 1, 2}, {-0.5, 2, -30, 4})));
}

TEST_CASE("onnx operators: Clip in both forms; a rectifier's limits make a rectifier") {
  const Tensor x = Tensor::of({4}, {-9, -1, 3, 9});
  const Tensor low = Tensor::scalar(-2);
  const Tensor high = Tensor::scalar(5);
  CHECK(close(run_node("Clip", {x, low, high}), Tensor::of({4}, {-2, -1, 3, 5})));
  CHECK(close(run_node("Clip", {x, Tensor(), high}), Tensor::of({4}, {-9, -1, 3, 5})));
  CHECK(close(run_node("Clip", {x}), x));
  CHECK(close(
      run_node("Clip", {x}, {real("min", -2), real("max", 5)}, 10),
      Tensor::of({4}, {-2, -1, 3, 5})));
  CHECK(bitwise_equal(run_node("Clip", {x, Tensor::scalar(0), Tensor::scalar(6)}), relu6(x)));
  CHECK(bitwise_equal(run_node("Clip", {x, Tensor::scalar(0)}), relu(x)));
  CHECK_THROWS_AS(run_node("Clip", {x}, {real("min", -2)}, 11), FormatError);  // no longer there
}

TEST_CASE("onnx operators: Gemm and MatMul") {
  const Tensor a = random({3, 4}, 1);
  const Tensor b = random({4, 2}, 2);
  const Tensor c = random({2}, 3);
  CHECK(close(run_node("Gemm", {a, b}), matmul(a, b)));
  CHECK(close(run_node("Gemm", {a, b, c}), matmul(a, b) + c));
  CHECK(close(
      run_node(
          "Gemm", {transpose(a), transpose(b), c},
          {integer("transA", 1), integer("transB", 1), real("alpha", 0.5), real("beta", 2)}),
      0.5 * matmul(a, b) + 2 * c, 1e-6));
  CHECK_THROWS_AS(run_node("Gemm", {a, a}), FormatError);

  // Stacks broadcast, vectors lose their extra dimension
  const Tensor stack = random({5, 1, 3, 4}, 4);
  const Tensor other = random({6, 4, 2}, 5);
  const Tensor product = run_node("MatMul", {stack, other});
  REQUIRE(product.shape() == Shape{5, 6, 3, 2});
  CHECK(close(
      reshape(slice(slice(product, 0, 2, 3), 1, 4, 5), {3, 2}),
      matmul(reshape(slice(stack, 0, 2, 3), {3, 4}), reshape(slice(other, 0, 4, 5), {4, 2})),
      1e-6));
  CHECK(close(run_node("MatMul", {stack, b}), matmul(stack, b), 1e-6));
  const Tensor v = random({4}, 6);
  CHECK(run_node("MatMul", {v, b}).shape() == Shape{2});
  CHECK(run_node("MatMul", {a, v}).shape() == Shape{3});
  CHECK(close(run_node("MatMul", {v, v}), sum(v * v), 1e-6));
  CHECK(run_node("MatMul", {v, other}).shape() == Shape{6, 2});
}

TEST_CASE("onnx operators: BatchNormalization and Dropout as in inference") {
  const Tensor x = random({2, 3, 4, 4});
  const Tensor gamma = random({3}, 2), beta = random({3}, 3), mean_value = random({3}, 4);
  const Tensor variance_value = abs(random({3}, 5)) + 0.5;
  CHECK(close(
      run_node(
          "BatchNormalization", {x, gamma, beta, mean_value, variance_value},
          {real("epsilon", 0.25), real("momentum", 0.5)}),
      normalize(x, mean_value, variance_value, gamma, beta, 0.25), 1e-6));
  CHECK_THROWS_WITH_AS(
      run_node(
          "BatchNormalization", {x, gamma, beta, mean_value, variance_value},
          {integer("training_mode", 1)}, 14),
      doctest::Contains("training mode"), FormatError);
  CHECK_THROWS_AS(
      run_node("BatchNormalization", {x, gamma, beta, mean_value, variance_value}, {}, 6),
      FormatError);
  CHECK(bitwise_equal(run_node("Dropout", {x, Tensor::scalar(0.5)}), x));
  CHECK(bitwise_equal(run_node("Dropout", {x}, {real("ratio", 0.5)}, 10), x));
}

TEST_CASE("onnx operators: LayerNormalization over the dimensions from an axis on") {
  const Tensor x = random({2, 3, 4});
  const Tensor gamma = random({4}, 2), beta = random({4}, 3);
  CHECK(close(
      run_node("LayerNormalization", {x, gamma, beta}, {real("epsilon", 0.25)}, 17),
      layer_norm(x, gamma, beta, 0.25), 1e-6));
  const Tensor wide = random({3, 4}, 4);
  CHECK(close(
      run_node("LayerNormalization", {x, wide}, {integer("axis", 1)}, 17),
      reshape(layer_norm(reshape(x, {2, 12}), reshape(wide, {12}), Tensor()), {2, 3, 4}), 1e-6));
}

TEST_CASE("onnx operators: integers add up to shapes, exactly or not at all") {
  CHECK(run_node("Add", {list({1, 2}), list({3})}).data<int64_t>()[1] == 5);
  CHECK(run_node("Div", {list({7, -7}), list({2})}).to_vector() == std::vector<double>{3, -3});
  CHECK(run_node("Max", {list({7, -7}), list({2})}).to_vector() == std::vector<double>{7, 2});
  CHECK(
      run_node("Cast", {Tensor::of({2}, {2.9, -2.9})}, {integer("to", 7)}).to_vector() ==
      std::vector<double>{2, -2});
  CHECK_THROWS_WITH_AS(
      run_node("Div", {list({1}), list({0})}), doctest::Contains("not within 2^53"), FormatError);
  CHECK_THROWS_AS(run_node("Mul", {list({int64_t{1} << 40}), list({1 << 20})}), FormatError);
  CHECK_THROWS_AS(run_node("Cast", {Tensor::of({1}, {1e30})}, {integer("to", 6)}), FormatError);
  CHECK_THROWS_AS(run_node("Add", {list({1}), Tensor::ones({1})}), FormatError);
}

TEST_CASE("onnx operators: softmax flattens in old versions and takes one axis in new ones") {
  const Tensor x = random({2, 3, 4});
  CHECK(close(run_node("Softmax", {x}), softmax(x), 1e-6));
  CHECK(close(run_node("LogSoftmax", {x}), log_softmax(x), 1e-6));
  CHECK(close(
      run_node("Softmax", {x}, {integer("axis", 0)}),
      permute(softmax(permute(x, {2, 1, 0})), {2, 1, 0}), 1e-6));
  CHECK(close(
      run_node("Softmax", {x}, {}, 12), reshape(softmax(reshape(x, {2, 12})), {2, 3, 4}), 1e-6));
  CHECK(close(
      run_node("LogSoftmax", {x}, {integer("axis", 2)}, 11),
      reshape(log_softmax(reshape(x, {6, 4})), {2, 3, 4}), 1e-6));
}

TEST_CASE("onnx operators: reductions name their axes in two ways") {
  const Tensor x = random({2, 3, 4});
  CHECK(close(run_node("ReduceMean", {x}, {integers("axes", {1, -1})}), mean(x, {1, 2}), 1e-6));
  CHECK(
      run_node("ReduceMean", {x}, {integers("axes", {1}), integer("keepdims", 0)}).shape() ==
      Shape{2, 4});
  CHECK(run_node("ReduceMean", {x}).shape() == Shape{1, 1, 1});
  CHECK(close(run_node("ReduceMean", {x, list({2})}, {}, 18), mean(x, {2}), 1e-6));
  CHECK(close(run_node("ReduceSum", {x, list({0})}), sum(x, {0}), 1e-6));
  CHECK(close(run_node("ReduceSum", {x}, {integers("axes", {0})}, 11), sum(x, {0}), 1e-6));
  CHECK(bitwise_equal(run_node("ReduceSum", {x}, {integer("noop_with_empty_axes", 1)}), x));
  CHECK(close(run_node("ReduceMax", {x}, {integers("axes", {1})}), max(x, 1)));
}

TEST_CASE("onnx operators: shapes") {
  const Tensor x = random({2, 3, 1, 4});
  const auto shape_of = [&](const char* type, std::vector<Tensor> more, Attributes a = {},
                            int64_t opset = 13) {
    more.insert(more.begin(), x);
    const Tensor y = run_node(type, more, a, opset);
    CHECK(std::equal(x.bytes().begin(), x.bytes().end(), y.bytes().begin()));
    return y.shape();
  };
  CHECK(shape_of("Flatten", {}) == Shape{2, 12});
  CHECK(shape_of("Flatten", {}, {integer("axis", 0)}) == Shape{1, 24});
  CHECK(shape_of("Flatten", {}, {integer("axis", 4)}) == Shape{24, 1});
  CHECK(shape_of("Flatten", {}, {integer("axis", -2)}) == Shape{6, 4});
  CHECK(shape_of("Reshape", {list({0, -1})}) == Shape{2, 12});
  CHECK(shape_of("Reshape", {list({4, 3, 2})}) == Shape{4, 3, 2});
  CHECK(shape_of("Squeeze", {list({2})}) == Shape{2, 3, 4});
  CHECK(shape_of("Squeeze", {}) == Shape{2, 3, 4});
  CHECK(shape_of("Squeeze", {}, {integers("axes", {-2})}, 11) == Shape{2, 3, 4});
  CHECK(shape_of("Unsqueeze", {list({0, -1})}) == Shape{1, 2, 3, 1, 4, 1});
  CHECK(shape_of("Unsqueeze", {}, {integers("axes", {1})}, 11) == Shape{2, 1, 3, 1, 4});
  CHECK(
      run_node("Reshape", {Tensor::zeros({0, 2}), list({2, 0})}, {integer("allowzero", 1)}, 14)
          .shape() == Shape{2, 0});

  CHECK_THROWS_AS(run_node("Reshape", {x, list({-1, -1})}), FormatError);
  CHECK_THROWS_AS(run_node("Reshape", {x, list({5, -1})}), FormatError);
  CHECK_THROWS_AS(run_node("Reshape", {x, list({-2, 12})}), FormatError);
  CHECK_THROWS_AS(run_node("Reshape", {x, list({1, 1, 1, 1, 0})}), FormatError);
  CHECK_THROWS_WITH_AS(
      run_node("Reshape", {x, list({int64_t{1} << 62, 4, -1})}),
      doctest::Contains("shape overflow"), FormatError);
  CHECK_THROWS_AS(run_node("Squeeze", {x, list({1})}), FormatError);
  CHECK_THROWS_AS(run_node("Unsqueeze", {x, list({0, 0})}), FormatError);
  CHECK_THROWS_AS(run_node("Unsqueeze", {x, list({0, 1, 2})}), FormatError);
  CHECK_THROWS_AS(run_node("Flatten", {x}, {integer("axis", 5)}), FormatError);
}

TEST_CASE("onnx operators: rearranging") {
  const Tensor x = random({2, 3, 4});
  CHECK(bitwise_equal(run_node("Transpose", {x}), permute(x, {2, 1, 0})));
  CHECK(bitwise_equal(
      run_node("Transpose", {x}, {integers("perm", {1, 0, 2})}), permute(x, {1, 0, 2})));
  CHECK(bitwise_equal(run_node("Concat", {x, x, x}, {integer("axis", -2)}), concat({x, x, x}, 1)));
  CHECK(bitwise_equal(
      run_node("Slice", {x, list({1, -3}), list({100, -1}), list({0, 2})}),
      slice(slice(x, 0, 1, 2), 2, 1, 3)));
  CHECK(bitwise_equal(
      run_node("Slice", {x}, {integers("starts", {1}), integers("ends", {2})}, 9),
      slice(x, 0, 1, 2)));
  CHECK_THROWS_WITH_AS(
      run_node("Slice", {x, list({0}), list({2}), list({0}), list({2})}),
      doctest::Contains("step 2"), FormatError);
  CHECK(bitwise_equal(
      run_node("Gather", {x, Tensor::of_integers({2, 1}, {2, -3})}, {integer("axis", 1)}),
      reshape(concat({slice(x, 1, 2, 3), slice(x, 1, 0, 1)}, 1), {2, 2, 1, 4})));
  CHECK(run_node("Gather", {x, Tensor::of_integers({}, {1})}).shape() == Shape{3, 4});
  CHECK_THROWS_AS(run_node("Gather", {x, list({2})}), FormatError);
  CHECK(run_node("Shape", {x}).to_vector() == std::vector<double>{2, 3, 4});
  CHECK(
      run_node("Shape", {x}, {integer("start", -2)}, 15).to_vector() == std::vector<double>{3, 4});
  CHECK(run_node("Cast", {x}, {integer("to", 11)}).dtype() == DType::f64);
  CHECK_THROWS_WITH_AS(
      run_node("Cast", {x}, {integer("to", 10)}), doctest::Contains("FLOAT16"), FormatError);
}

TEST_CASE("onnx operators: Pad adds a value or cuts") {
  const Tensor x = Tensor::of({1, 2}, {1, 2});
  const Tensor pads = list({1, 0, 0, 2});
  CHECK(close(run_node("Pad", {x, pads}), pad(pad(x, 0, 1, 0), 1, 0, 2)));
  CHECK(close(
      run_node("Pad", {x, pads, Tensor::scalar(7)}), Tensor::of({2, 4}, {7, 7, 7, 7, 1, 2, 7, 7})));
  CHECK(close(
      run_node("Pad", {x, pads, Tensor::scalar(-kInfinity)}),
      Tensor::of(
          {2, 4}, {-kInfinity, -kInfinity, -kInfinity, -kInfinity, 1, 2, -kInfinity, -kInfinity})));
  CHECK(close(run_node("Pad", {x, list({0, -1, 0, 1})}), Tensor::of({1, 2}, {2, 0})));
  CHECK(close(
      run_node("Pad", {x}, {integers("pads", {1, 0, 0, 0}), real("value", 3)}, 9),
      Tensor::of({2, 2}, {3, 3, 1, 2})));
  CHECK(close(
      run_node("Pad", {x, list({1, 1}), Tensor(), list({1})}, {}, 18),
      Tensor::of({1, 4}, {0, 1, 2, 0})));
  CHECK_THROWS_WITH_AS(
      run_node("Pad", {x, pads}, {write::text("mode", "reflect")}),
      doctest::Contains("only constant"), FormatError);
  CHECK_THROWS_AS(run_node("Pad", {x, list({1})}), FormatError);
  CHECK_THROWS_AS(run_node("Pad", {x, list({0, 0, 0, int64_t{1} << 40})}), FormatError);
}
