// framework/import/onnx_graph.h: the messages of an ONNX file as plain data.
//
// The schema is onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Decoding
// checks each message by itself; how the parts fit together is checked by OnnxModel (onnx.h).
// Texts are views into the file; tensors are copies.
#pragma once

#include "framework/import/onnx.h"
#include "framework/import/wire.h"
#include "framework/tensor/tensor.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limpid::onnx {

/// One attribute of a node: a named constant of one of a few kinds.
struct Attribute {
  enum class Kind : uint8_t { none, real, integer, text, tensor, reals, integers, texts };

  std::string_view name;
  Kind kind = Kind::none;
  float real = 0;
  int64_t integer = 0;
  std::string_view text;
  Tensor tensor;
  std::vector<float> reals;
  std::vector<int64_t> integers;
};

/// One operation. An empty input name stands for an optional input that is left out.
struct Node {
  std::string_view type;
  std::string_view name;  // often empty
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<Attribute> attributes;
  std::string where;  // for messages: `Conv "conv1"`
};

struct Graph {
  int64_t opset = 0;  // the version of the operators
  std::vector<Node> nodes;
  std::vector<std::pair<std::string_view, Tensor>> initializers;
  std::vector<OnnxValue> inputs;  // without those that are initializers
  std::vector<OnnxValue> outputs;
};

/// The graph of a ModelProto. Throws FormatError naming the file and the node, tensor or byte.
/// Memory stays below a small multiple of the file, plus about a kilobyte for each node, of which
/// there may be 20,000: no tensor is made before its sizes agree with the bytes that are there.
Graph decode_model(std::span<const std::byte> bytes, const std::string& file);

/// A TensorProto by itself: a whole file of the ONNX test data, for example.
Tensor decode_tensor(std::span<const std::byte> bytes, const std::string& file);

/// "FLOAT" for 1 and so on: TensorProto.DataType.
std::string data_type_name(int64_t data_type);

/// The type that stands for FLOAT, DOUBLE, INT64 or INT32; all others throw FormatError.
DType dtype_from(int64_t data_type, const std::string& file, const std::string& where);

}  // namespace limpid::onnx
