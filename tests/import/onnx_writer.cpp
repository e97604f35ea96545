// tests/import/onnx_writer.cpp: varints and the few messages that models are made of.
#include "tests/import/onnx_writer.h"

#include <cstring>

namespace limpid::write {

std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7F) | 0x80);
  return bytes + static_cast<char>(value);
}

Message& Message::integer(uint64_t field, int64_t value) {
  bytes += varint(field << 3) + varint(static_cast<uint64_t>(value));
  return *this;
}

Message& Message::f32(uint64_t field, float value) {
  std::string number(4, '\0');
  std::memcpy(number.data(), &value, 4);
  bytes += varint(field << 3 | 5) + number;
  return *this;
}

Message& Message::text(uint64_t field, const std::string& value) {
  bytes += varint(field << 3 | 2) + varint(value.size()) + value;
  return *this;
}

Message integer(const std::string& name, int64_t value) {
  return Message().text(1, name).integer(3, value).integer(20, 2);
}

Message real(const std::string& name, double value) {
  return Message().text(1, name).f32(2, static_cast<float>(value)).integer(20, 1);
}

Message text(const std::string& name, const std::string& value) {
  return Message().text(1, name).text(4, value).integer(20, 3);
}

Message integers(const std::string& name, const std::vector<int64_t>& values) {
  Message attribute = Message().text(1, name);
  for (const int64_t value : values) attribute.integer(8, value);
  return attribute.integer(20, 7);
}

Message tensor(const std::string& name, const Tensor& value) {
  return Message().text(1, name).message(5, tensor_proto("", value)).integer(20, 4);
}

Message tensor_proto(const std::string& name, const Tensor& value) {
  Message proto;
  for (const int64_t size : value.shape().sizes()) proto.integer(1, size);
  const DType dtype = value.dtype();
  proto.integer(2, dtype == DType::f32 ? 1 : dtype == DType::f64 ? 11 : 7);
  const auto bytes = value.bytes();
  const std::string raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return proto.text(8, name).text(9, raw);
}

Message node(
    const std::string& type, const Names& inputs, const Names& outputs,
    const std::vector<Message>& attributes, const std::string& name) {
  Message proto;
  for (const std::string& input : inputs) proto.text(1, input);
  for (const std::string& output : outputs) proto.text(2, output);
  if (!name.empty()) proto.text(3, name);
  proto.text(4, type);
  for (const Message& attribute : attributes) proto.message(5, attribute);
  return proto;
}

Message value(const std::string& name, const std::vector<int64_t>& sizes, int64_t data_type) {
  Message shape;
  for (const int64_t size : sizes) {
    shape.message(1, size < 0 ? Message().text(2, "batch") : Message().integer(1, size));
  }
  const Message tensor_type = Message().integer(1, data_type).message(2, shape);
  return Message().text(1, name).message(2, Message().message(1, tensor_type));
}

std::string model(const Message& graph, int64_t opset) {
  return Message()
      .integer(1, 8)
      .message(7, graph)
      .message(8, Message().text(1, "").integer(2, opset))
      .bytes;
}

std::string model(const Graph& graph) {
  Message proto;
  for (const Message& node : graph.nodes) proto.message(1, node);
  proto.text(2, "graph");
  for (const auto& [name, tensor] : graph.initializers) {
    proto.message(5, tensor_proto(name, tensor));
  }
  for (const Message& input : graph.inputs) proto.message(11, input);
  for (const Message& output : graph.outputs) proto.message(12, output);
  return model(proto, graph.opset);
}

}  // namespace limpid::write
