// tests/import/onnx_errors_test.cpp: damaged and unsupported files are refused, and say why.
#include "framework/core/buffer.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/import/onnx.h"
#include "framework/io/files.h"
#include "tests/import/onnx_writer.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>

using namespace limpid;
using write::Message;
using write::node;

namespace {

const Message kInput = write::value("x", {-1, 2});
const Message kOutput = write::value("y", {-1, 2});

/// The error of reading; empty if there is none.
std::string error_of(const std::string& bytes) {
  return failure([&] { load_onnx(as_bytes(bytes), "m.onnx"); });
}

std::string error_of_nodes(const std::vector<Message>& nodes, int64_t opset = 13) {
  return error_of(write::model(write::Graph{
      .nodes = nodes,
      .initializers = {{"w", Tensor::ones({2})}},
      .inputs = {kInput},
      .outputs = {kOutput},
      .opset = opset}));
}

/// The error of a model whose weight is this TensorProto.
std::string error_of_tensor(const Message& tensor) {
  return error_of(write::model(Message()
                                   .message(1, node("Add", {"x", "w"}, {"y"}, {}, "sum"))
                                   .message(5, tensor)
                                   .message(11, kInput)
                                   .message(12, kOutput)));
}

void check_says(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(contains(text, part));
}

/// A convolution, a rectifier, a reshape and a product: all kinds of fields in little space.
std::string small_model() {
  return write::model(write::Graph{
      .nodes =
          {node(
               "Conv", {"x", "w", "b"}, {"c"},
               {write::integers("strides", {2, 2}), write::integers("pads", {1, 1, 1, 1}),
                write::text("auto_pad", "NOTSET")},
               "conv"),
           node("LeakyRelu", {"c"}, {"r"}, {write::real("alpha", 0.1)}),
           node("Constant", {}, {"s"}, {write::tensor("value", Tensor::of_integers({2}, {0, -1}))}),
           node("Reshape", {"r", "s"}, {"f"}), node("MatMul", {"f", "v"}, {"y"})},
      .initializers =
          {{"w", Tensor::ones({2, 1, 3, 3})},
           {"b", Tensor::ones({2})},
           {"v", Tensor::ones({8, 3})}},
      .inputs = {write::value("x", {-1, 1, 4, 4})},
      .outputs = {write::value("y", {-1, 3})}});
}

}  // namespace

TEST_CASE("onnx errors: what is not a model (bad input 17)") {
  CHECK(error_of("") == "m.onnx: no graph: not an ONNX model");
  check_says(
      error_of("\x7F"
               "ELF"),
      "m.onnx: byte 0");
  check_says(error_of(Message().message(7, Message()).bytes), "no operator set");
  check_says(error_of(write::model(Message(), 13)), "graph: no output");
  check_says(error_of_nodes({node("Relu", {"x"}, {"y"})}, 99), "operator set 99 is not supported");
  check_says(
      error_of(write::model(Message()) + Message().message(7, Message()).bytes), "second graph");
}

TEST_CASE("onnx errors: operators and attributes name the node (bad input 17)") {
  CHECK(error_of_nodes({node("Relu", {"x"}, {"y"})}) == "");
  CHECK(
      error_of_nodes({node("Einsum", {"x"}, {"y"}, {}, "mix")}) ==
      "m.onnx: Einsum \"mix\": unknown operator");
  CHECK(
      error_of_nodes({node("Relu", {"x"}, {"a"}), node("Einsum", {"a"}, {"y"})}) ==
      "m.onnx: Einsum (node 1): unknown operator");
  check_says(
      error_of_nodes({node("Relu", {"x"}, {"y"}).text(7, "com.microsoft")}), "com.microsoft");
  check_says(
      error_of_nodes({node("Relu\n\x01", {"x"}, {"y"})}), "Relu\\n\\u0001 (node 0)");  // one line
  check_says(error_of_nodes({node("\xFF", {"x"}, {"y"}, {}, "\xC0\n")}), "unknown operator");
  check_says(
      error_of_nodes({node("Relu", {"x"}, {"y"}, {write::integer("beta", 1)}, "r")}),
      "m.onnx: Relu \"r\": attribute \"beta\" is not supported");
  check_says(
      error_of_nodes({node("LeakyRelu", {"x"}, {"y"}, {write::integer("alpha", 1)})}),
      "attribute \"alpha\" is of a wrong type");
  check_says(
      error_of_nodes(
          {node("LeakyRelu", {"x"}, {"y"}, {write::real("alpha", 1), write::real("alpha", 2)})}),
      "occurs twice");
  check_says(error_of_nodes({node("Relu", {"x", "x"}, {"y"})}), "cannot have 2 inputs");
  check_says(error_of_nodes({node("Add", {"x", ""}, {"y"})}), "input 1 is missing");
  check_says(error_of_nodes({node("Relu", {"x"}, {})}), "no output");
  check_says(error_of_nodes({node("Relu", {"x"}, {""})}), "no output");
  check_says(error_of_nodes({node("Concat", {"x"}, {"y"})}), "attribute \"axis\" is missing");
  check_says(error_of_nodes({node("Constant", {}, {"y"})}), "no value");

  // Attributes that are graphs, are empty, or contradict themselves
  const auto with = [](const Message& attribute) {
    return error_of_nodes({node("Relu", {"x"}, {"y"}, {attribute}, "r")});
  };
  check_says(
      with(Message().text(1, "body").message(6, Message()).integer(20, 5)),
      "Relu \"r\": attribute \"body\": subgraphs are not supported");
  check_says(with(Message().text(1, "body").message(11, Message())), "subgraphs are not supported");
  check_says(with(Message().text(1, "a")), "type UNDEFINED is not supported");
  check_says(with(Message().text(1, "a").integer(20, 77)), "unknown type 77");
  check_says(with(Message().text(1, "a").integer(20, 11)), "SPARSE_TENSOR");
  check_says(with(Message().text(1, "a").integer(3, 1).integer(20, 1)), "another type than stated");
  check_says(with(Message().text(1, "a").integer(20, 4)), "no tensor");
  check_says(with(Message().text(1, "a").text(21, "b")), "refers to a function");
  std::vector<Message> many;
  for (int k = 0; k < 65; ++k) many.push_back(write::integer("a" + std::to_string(k), 1));
  check_says(error_of_nodes({node("Relu", {"x"}, {"y"}, many)}), "more than 64 attributes");
}

TEST_CASE("onnx errors: more nodes than any network has") {
  Message graph;
  for (int k = 0; k <= 20'000; ++k) graph.message(1, Message());
  check_says(error_of(write::model(graph)), "more than 20000 nodes");
}

TEST_CASE("onnx errors: windows that limpid does not have are refused by name") {
  const auto conv = [](const Message& attribute) {
    return error_of_nodes({node("Conv", {"x", "w"}, {"y"}, {attribute}, "c")});
  };
  CHECK(conv(write::integers("strides", {2, 2})) == "");
  CHECK(
      conv(write::integers("strides", {1, 2})) ==
      "m.onnx: Conv \"c\": strides: 1 by 2 is not supported, both must be the same");
  check_says(conv(write::integers("dilations", {1, 2})), "dilations: 1 by 2");
  check_says(conv(write::integers("strides", {1})), "only images are supported");
  check_says(conv(write::integers("strides", {0, 0})), "strides: 0 is not in 1 to 4096");
  check_says(conv(write::integers("pads", {0, 0, 0, -1})), "pads: -1");
  check_says(conv(write::integers("pads", {0, 0, 0, int64_t{1} << 62})), "pads: ");
  check_says(conv(write::integers("pads", {0, 0})), "only images");
  check_says(conv(write::integer("group", 0)), "group: 0");
  check_says(conv(write::text("auto_pad", "SAME")), "unknown rule");
  const auto pool = [](const std::vector<Message>& attributes) {
    return error_of_nodes({node("MaxPool", {"x"}, {"y"}, attributes)});
  };
  check_says(pool({}), "kernel_shape: is missing");
  check_says(pool({write::integers("kernel_shape", {2, 3})}), "kernel_shape: 2 by 3");
  check_says(
      pool({write::integers("kernel_shape", {2, 2}), write::integers("dilations", {2, 2})}),
      "dilations: 2 is not supported");
}

TEST_CASE("onnx errors: every value has one origin and no value waits for itself (bad input 17)") {
  CHECK(
      error_of_nodes({node("Add", {"x", "v"}, {"y"}, {}, "sum")}) ==
      "m.onnx: Add \"sum\": reads \"v\", which nothing makes");
  check_says(
      error_of_nodes({node("Relu", {"x"}, {"z"})}), "output \"y\": reads \"y\", which nothing");
  check_says(
      error_of_nodes({node("Relu", {"x"}, {"y"}), node("Relu", {"x"}, {"y"}, {}, "again")}),
      "Relu \"again\": value \"y\" is made twice");
  check_says(error_of_nodes({node("Relu", {"w"}, {"x"})}), "value \"x\" is made twice");
  check_says(error_of_nodes({node("Relu", {"x"}, {"w"})}), "value \"w\" is made twice");
  check_says(
      error_of_nodes(
          {node("Add", {"x", "b"}, {"a"}, {}, "first"), node("Relu", {"a"}, {"b"}, {}, "second"),
           node("Relu", {"b"}, {"y"})}),
      "Add \"first\": waits for its own result: a cycle");
  check_says(error_of_nodes({node("Relu", {"y"}, {"y"})}), "a cycle");
  check_says(
      error_of_nodes(
          {node("Dropout", {"x"}, {"d", "mask"}, {}, "drop"), node("Relu", {"mask"}, {"y"})}),
      "a further output of Dropout \"drop\" that is not supported");
  // An unsorted file is put in order; an unused further output does no harm
  CHECK(error_of_nodes({node("Relu", {"a"}, {"y"}), node("Dropout", {"x"}, {"a", "mask"})}) == "");
}

TEST_CASE("onnx errors: declared inputs and outputs") {
  const auto with_input = [](const Message& input) {
    return error_of(write::model(write::Graph{
        .nodes = {node("Relu", {"x"}, {"y"})}, .inputs = {input}, .outputs = {kOutput}}));
  };
  check_says(with_input(write::value("x", {2}, 2)), "value \"x\": element type UINT8");
  check_says(with_input(Message().text(1, "x")), "value \"x\": is not a tensor");
  check_says(
      with_input(Message().text(1, "x").message(2, Message().message(4, Message()))),
      "is not a tensor");
  check_says(with_input(write::value("x", {1, 1, 1, 1, 1, 1, 1})), "more than 6 dimensions");
  const Message shape = Message().message(1, Message().integer(1, -5));
  const Message type = Message().message(1, Message().integer(1, 1).message(2, shape));
  check_says(with_input(Message().text(1, "x").message(2, type)), "negative size -5");
}

TEST_CASE("onnx errors: tensors agree with their bytes before they are made (bad input 17)") {
  const std::string four_bytes(4, '\0');
  const auto with_dims = [&](std::initializer_list<int64_t> dims, int64_t type = 1) {
    Message tensor;
    for (const int64_t size : dims) tensor.integer(1, size);
    return error_of_tensor(tensor.integer(2, type).text(8, "w").text(9, four_bytes));
  };
  CHECK(with_dims({1}) == "");
  CHECK(with_dims({2}) == "m.onnx: tensor \"w\": sizes need 8 bytes, the data has 4");
  check_says(with_dims({-1}), "negative size");
  check_says(with_dims({0}), "sizes need 0 bytes");
  check_says(with_dims({1, 1, 1, 1, 1, 1, 1}), "rank 7 is over 6");
  check_says(with_dims({int64_t{1} << 61}), "shape overflow");
  check_says(with_dims({int64_t{1} << 32, int64_t{1} << 32}), "shape overflow");
  check_says(with_dims({0, int64_t{1} << 32, int64_t{1} << 32}), "shape overflow");
  check_says(with_dims({int64_t{1} << 40}), "sizes need 4398046511104 bytes");
  check_says(with_dims({1}, 10), "element type FLOAT16 is not supported");
  check_says(with_dims({1}, 8), "element type STRING");
  check_says(with_dims({1}, 0), "element type UNDEFINED");
  check_says(with_dims({1}, -3), "element type number -3");
  CHECK(with_dims({1}, 6) == "");
  check_says(with_dims({1}, 7), "sizes need 8 bytes");

  const Message one = Message().integer(1, 1).integer(2, 1).text(8, "w");
  CHECK(error_of_tensor(Message(one).f32(4, 2)) == "");
  check_says(error_of_tensor(Message(one).integer(7, 2)), "the data has 0");
  check_says(error_of_tensor(Message(one).f32(4, 2).text(9, four_bytes)), "both raw and typed");
  check_says(
      error_of_tensor(Message(one).integer(14, 1)),
      "tensor \"w\": data in another file is not read");
  check_says(
      error_of_tensor(Message(one).message(13, Message().text(1, "location").text(2, "/etc/x"))),
      "data in another file is not read");
  check_says(error_of_tensor(Message(one).message(3, Message())), "segments");
  CHECK(
      error_of(write::model(Message()
                                .message(5, one.bytes.empty() ? one : Message(one).f32(4, 1))
                                .message(5, Message(one).f32(4, 1)))) ==
      "m.onnx: tensor \"w\": occurs twice");
  check_says(
      error_of_nodes({node(
          "Constant", {}, {"y"},
          {Message().text(1, "value").message(5, Message(one).integer(14, 1))}, "weights")}),
      "m.onnx: Constant \"weights\": tensor \"w\": data in another file");
}

TEST_CASE("onnx errors: typed fields hold what raw data holds") {
  const auto value = [](const Message& tensor) {
    return load_onnx_tensor(as_bytes(tensor.bytes), "t").to_vector();
  };
  using V = std::vector<double>;
  CHECK(value(Message().integer(1, 2).integer(2, 1).f32(4, 1.5F).f32(4, -2)) == V{1.5, -2});
  CHECK(value(Message().integer(1, 2).integer(2, 7).integer(7, 5).integer(7, -6)) == V{5, -6});
  CHECK(value(Message().integer(1, 1).integer(2, 6).integer(5, -7)) == V{-7});
  CHECK(value(Message().integer(2, 11).text(10, std::string("\0\0\0\0\0\0\xF8\x3F", 8))) == V{1.5});
  CHECK(value(Message().text(1, std::string("\x02\x00", 2)).integer(2, 1)) == V{});
}

TEST_CASE("onnx errors: every truncation is an error (bad input 17)") {
  const std::string whole = small_model();
  REQUIRE(error_of(whole) == "");
  for (size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(load_onnx(as_bytes(whole.substr(0, n)), "m"), FormatError);
  }
}

TEST_CASE("onnx errors: damaged files give a model or an Error, nothing else, in little memory") {
  const std::string whole = small_model();
  Rng rng(20);
  const auto start = std::chrono::steady_clock::now();
  reset_peak();
  const int64_t before = memory().live_bytes;
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = whole;
    for (int64_t k = rng.integer(3); k >= 0; --k) {
      const auto at = static_cast<size_t>(rng.integer(std::ssize(damaged)));
      const auto length =
          std::min<size_t>(static_cast<size_t>(rng.integer(8)), damaged.size() - at);
      switch (rng.integer(4)) {
        case 0: damaged[at] = static_cast<char>(rng.integer(256)); break;
        case 1: damaged[at] = static_cast<char>(damaged[at] ^ (1 << rng.integer(8))); break;
        case 2: damaged.erase(at, length); break;
        default: damaged.insert(at, damaged.substr(at, length)); break;
      }
    }
    try {
      load_onnx(as_bytes(damaged), "m");
      ++read;
    } catch (const Error&) {
      // Most are refused
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("onnx mutations: %d of 20000 could be read, %.2f s\n", read, seconds.count());
  CHECK(read > 100);
  CHECK(memory().peak_bytes - before < (1 << 20));
}
