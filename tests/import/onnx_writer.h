// tests/import/onnx_writer.h: just enough of the ONNX format, written by hand, to build models.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace limpid::write {

/// A message under construction: fields one after the other.
class Message {
 public:
  Message& integer(uint64_t field, int64_t value);
  Message& f32(uint64_t field, float value);
  Message& text(uint64_t field, const std::string& value);  // also bytes
  Message& message(uint64_t field, const Message& value) { return text(field, value.bytes); }

  std::string bytes;
};

std::string varint(uint64_t value);

// ---- Attributes ----
Message integer(const std::string& name, int64_t value);
Message real(const std::string& name, double value);
Message text(const std::string& name, const std::string& value);
Message integers(const std::string& name, const std::vector<int64_t>& values);
Message tensor(const std::string& name, const Tensor& value);

/// TensorProto with raw data.
Message tensor_proto(const std::string& name, const Tensor& value);

using Names = std::vector<std::string>;
Message node(
    const std::string& type, const Names& inputs, const Names& outputs,
    const std::vector<Message>& attributes = {}, const std::string& name = "");

/// ValueInfoProto of FLOAT or another type; -1 is written as a symbol.
Message value(const std::string& name, const std::vector<int64_t>& sizes, int64_t data_type = 1);

struct Graph {
  std::vector<Message> nodes;
  std::vector<std::pair<std::string, Tensor>> initializers = {};
  std::vector<Message> inputs = {};
  std::vector<Message> outputs = {};
  int64_t opset = 13;
};
/// A ModelProto: version of the format, graph, version of the operators.
std::string model(const Graph& graph);
std::string model(const Message& graph, int64_t opset = 13);

}  // namespace limpid::write
