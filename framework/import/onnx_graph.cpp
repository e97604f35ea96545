// framework/import/onnx_graph.cpp: decoding, message by message, from the inside out.
#include "framework/import/onnx_graph.h"

#include "framework/core/error.h"
#include "framework/io/elements.h"
#include "framework/io/json.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace limpid::onnx {

namespace {

constexpr size_t kMaxMessages = 20'000;  // nodes, initializers, inputs, outputs: each
constexpr size_t kMaxAttributes = 64;    // of one node

// Versions of the operators. Where a form differs, it differs in attributes or inputs, which are
// checked one by one, or in a default, and then the operator asks for the version.
constexpr int64_t kOldestOpset = 1;
constexpr int64_t kNewestOpset = 21;

// TensorProto.DataType
constexpr int64_t kFloat = 1, kInt32 = 6, kInt64 = 7, kDouble = 11;
constexpr std::array<const char*, 17> kDataTypes = {
    "UNDEFINED", "FLOAT",  "UINT8",     "INT8",       "UINT16",  "INT16",
    "INT32",     "INT64",  "STRING",    "BOOL",       "FLOAT16", "DOUBLE",
    "UINT32",    "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16"};

[[noreturn]] void fail(const std::string& file, const std::string& where, const std::string& why) {
  throw FormatError(file, where, why);
}

void check_count(const WireReader& reader, size_t count, size_t limit, const char* what) {
  if (count >= limit) reader.fail(join_text("more than ", limit, " ", what));
}

// ---- TensorProto ----

/// Where the values of a tensor stand: in raw_data or in the list of their type.
struct TensorData {
  std::string_view name;
  int64_t data_type = 0;
  std::vector<int64_t> dims;
  std::optional<std::span<const std::byte>> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> integers32, integers64;
};

TensorData read_tensor_data(WireReader reader, const std::string& file, const std::string& where) {
  TensorData data;
  bool is_external = false;
  while (reader.next()) {
    switch (reader.number()) {
      case 1: reader.append_to(data.dims); break;
      case 2: data.data_type = reader.integer(); break;
      case 3: fail(file, where, "tensor in segments"); break;
      case 4: reader.append_to(data.floats); break;
      case 5: reader.append_to(data.integers32); break;
      case 7: reader.append_to(data.integers64); break;
      case 8: data.name = reader.text(); break;
      case 9: data.raw = reader.bytes(); break;
      case 10: reader.append_to(data.doubles); break;
      case 13: is_external = true; break;
      case 14: is_external |= reader.integer() != 0; break;
      default: break;  // string_data and uint64_data belong to types that are refused
    }
  }
  if (is_external) {
    fail(file, where, "tensor " + excerpt(data.name) + ": data in another file is not read");
  }
  return data;
}

Tensor make_tensor(const TensorData& data, const std::string& file, const std::string& where) {
  const std::string place =
      where.empty() ? "tensor " + excerpt(data.name) : where + ": tensor " + excerpt(data.name);
  dtype_from(data.data_type, file, place);

  // Sizes: few, not negative, and their product in range
  if (data.dims.size() > static_cast<size_t>(kMaxRank)) {
    fail(file, place, join_text("rank ", data.dims.size(), " is over ", kMaxRank));
  }
  if (std::ranges::any_of(data.dims, [](int64_t size) { return size < 0; })) {
    fail(file, place, "negative size");
  }
  const Stored type = data.data_type == kFloat    ? Stored::f32
                      : data.data_type == kDouble ? Stored::f64
                      : data.data_type == kInt64  ? Stored::i64
                                                  : Stored::i32;
  const std::optional<int64_t> needed = stored_bytes(data.dims, type);
  if (!needed) fail(file, place, "shape overflow: the product of the sizes is too large");

  // Data: raw, or the list of this type, and nothing besides
  const size_t listed =
      data.floats.size() + data.doubles.size() + data.integers32.size() + data.integers64.size();
  if (data.raw && listed > 0) fail(file, place, "both raw and typed data");
  const auto check_size = [&](size_t bytes) {
    if (static_cast<uint64_t>(*needed) != bytes) {
      fail(file, place, join_text("sizes need ", *needed, " bytes, the data has ", bytes));
    }
  };
  if (data.raw) {
    check_size(data.raw->size());
    return tensor_from(*data.raw, Shape(data.dims), type);
  }
  if (type == Stored::f32 || type == Stored::f64) {
    const auto bytes = type == Stored::f32 ? std::as_bytes(std::span(data.floats))
                                           : std::as_bytes(std::span(data.doubles));
    check_size(bytes.size());
    return tensor_from(bytes, Shape(data.dims), type);
  }
  const auto& integers = type == Stored::i64 ? data.integers64 : data.integers32;
  check_size(integers.size() * static_cast<size_t>(size_of(type)));
  return Tensor::of_integers(Shape(data.dims), integers);
}

// ---- AttributeProto and NodeProto ----

constexpr std::array<const char*, 15> kAttributeTypes = {
    "UNDEFINED",      "FLOAT",      "INT",        "STRING",  "TENSOR", "GRAPH",
    "FLOATS",         "INTS",       "STRINGS",    "TENSORS", "GRAPHS", "SPARSE_TENSOR",
    "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS"};

/// The kind for AttributeProto.AttributeType; `none` for what is refused.
Attribute::Kind kind_from(int64_t type) {
  switch (type) {
    case 1: return Attribute::Kind::real;
    case 2: return Attribute::Kind::integer;
    case 3: return Attribute::Kind::text;
    case 4: return Attribute::Kind::tensor;
    case 6: return Attribute::Kind::reals;
    case 7: return Attribute::Kind::integers;
    case 8: return Attribute::Kind::texts;
    default: return Attribute::Kind::none;
  }
}

Attribute read_attribute(WireReader reader, const std::string& file, const std::string& where) {
  Attribute a;
  int64_t type = 0;     // as stated, or else
  int64_t implied = 0;  // by the field that is there
  while (reader.next()) {
    switch (reader.number()) {
      case 1: a.name = reader.text(); break;
      case 2: a.real = reader.f32(), implied = 1; break;
      case 3: a.integer = reader.integer(), implied = 2; break;
      case 4: a.text = reader.text(), implied = 3; break;
      case 5:
        a.tensor = make_tensor(read_tensor_data(reader.message(), file, where), file, where);
        implied = 4;
        break;
      case 6: implied = 5; break;
      case 7: reader.append_to(a.reals), implied = 6; break;
      case 8: reader.append_to(a.integers), implied = 7; break;
      case 9: implied = 8; break;
      case 10: implied = 9; break;
      case 11: implied = 10; break;
      case 20: type = reader.integer(); break;
      case 21: fail(file, where, "attribute " + excerpt(a.name) + " refers to a function's"); break;
      default: break;
    }
  }
  const std::string place = where + ": attribute " + excerpt(a.name);
  if (implied == 5 || implied == 10 || type == 5 || type == 10) {
    fail(file, place, "subgraphs are not supported");
  }
  if (type == 0) type = implied;
  a.kind = kind_from(type);
  if (a.kind == Attribute::Kind::none) {
    const bool is_named = type >= 0 && type < std::ssize(kAttributeTypes);
    fail(
        file, place,
        is_named
            ? join_text("type ", kAttributeTypes[static_cast<size_t>(type)], " is not supported")
            : join_text("unknown type ", type));
  }
  if (implied != 0 && implied != type) fail(file, place, "value of another type than stated");
  if (a.kind == Attribute::Kind::tensor && !a.tensor.defined()) fail(file, place, "no tensor");
  return a;
}

Node read_node(WireReader reader, const std::string& file, size_t index) {
  Node node;
  std::string_view domain;
  std::vector<WireReader> attributes;  // read when the type is known, for their messages
  while (reader.next()) {
    switch (reader.number()) {
      case 1: node.inputs.push_back(reader.text()); break;
      case 2: node.outputs.push_back(reader.text()); break;
      case 3: node.name = reader.text(); break;
      case 4: node.type = reader.text(); break;
      case 5:
        check_count(reader, attributes.size(), kMaxAttributes, "attributes of one node");
        attributes.push_back(reader.message());
        break;
      case 7: domain = reader.text(); break;
      default: break;
    }
  }
  const std::string type = excerpt(node.type);
  node.where = type.substr(1, type.size() - 2) + " " +
               (node.name.empty() ? join_text("(node ", index, ")") : excerpt(node.name));
  if (!domain.empty() && domain != "ai.onnx") {
    fail(file, node.where, "unknown operator: domain " + excerpt(domain));
  }
  for (const WireReader& attribute : attributes) {
    node.attributes.push_back(read_attribute(attribute, file, node.where));
    const std::string_view name = node.attributes.back().name;
    if (std::ranges::count(node.attributes, name, &Attribute::name) > 1) {
      fail(file, node.where, "attribute " + excerpt(name) + " occurs twice");
    }
  }
  return node;
}

// ---- ValueInfoProto ----

/// TensorShapeProto: sizes, -1 where open.
std::vector<int64_t> read_sizes(
    WireReader reader, const std::string& file, const std::string& place) {
  std::vector<int64_t> sizes;
  while (reader.next()) {
    if (reader.number() != 1) continue;
    check_count(reader, sizes.size(), kMaxRank, "dimensions");
    int64_t size = -1;
    WireReader dimension = reader.message();
    while (dimension.next()) {
      if (dimension.number() != 1) continue;
      size = dimension.integer();
      if (size < 0) fail(file, place, join_text("negative size ", size));
      if (size == 0) size = -1;  // some exporters write an open size so
    }
    sizes.push_back(size);
  }
  return sizes;
}

OnnxValue read_value(WireReader reader, const std::string& file) {
  OnnxValue value;
  std::optional<WireReader> type;
  while (reader.next()) {
    if (reader.number() == 1) value.name = std::string(reader.text());
    if (reader.number() == 2) type = reader.message();
  }
  const std::string place = "value " + excerpt(value.name);

  // TypeProto: a tensor, or one of the kinds that are refused
  std::optional<WireReader> tensor;
  while (type && type->next()) {
    if (type->number() == 1) tensor = type->message();
  }
  if (!tensor) fail(file, place, "is not a tensor");
  int64_t data_type = 0;
  while (tensor->next()) {
    if (tensor->number() == 1) data_type = tensor->integer();
    if (tensor->number() == 2) {
      value.has_shape = true;
      value.sizes = read_sizes(tensor->message(), file, place);
    }
  }
  value.dtype = dtype_from(data_type, file, place);
  return value;
}

// ---- GraphProto and ModelProto ----

Graph read_graph(WireReader reader, const std::string& file) {
  Graph graph;
  std::vector<WireReader> inputs;
  std::set<std::string_view> initialized;
  const auto add_initializer = [&](const WireReader& tensor) {
    const TensorData data = read_tensor_data(tensor, file, "");
    if (!initialized.insert(data.name).second) {
      fail(file, "tensor " + excerpt(data.name), "occurs twice");
    }
    graph.initializers.emplace_back(data.name, make_tensor(data, file, ""));
  };
  while (reader.next()) {
    switch (reader.number()) {
      case 1:
        check_count(reader, graph.nodes.size(), kMaxMessages, "nodes");
        graph.nodes.push_back(read_node(reader.message(), file, graph.nodes.size()));
        break;
      case 5:
        check_count(reader, initialized.size(), kMaxMessages, "initializers");
        add_initializer(reader.message());
        break;
      case 11:
        check_count(reader, inputs.size(), kMaxMessages, "inputs");
        inputs.push_back(reader.message());
        break;
      case 12:
        check_count(reader, graph.outputs.size(), kMaxMessages, "outputs");
        graph.outputs.push_back(read_value(reader.message(), file));
        break;
      case 15: fail(file, "graph", "sparse initializers are not supported"); break;
      default: break;
    }
  }

  // Old files list the initializers among the inputs; those are not asked for
  for (const WireReader& input : inputs) {
    OnnxValue value = read_value(input, file);
    if (!initialized.contains(value.name)) graph.inputs.push_back(std::move(value));
  }
  return graph;
}

/// OperatorSetIdProto: the version if it is for the standard operators.
std::optional<int64_t> read_opset(WireReader reader) {
  std::string_view domain;
  int64_t version = 0;
  while (reader.next()) {
    if (reader.number() == 1) domain = reader.text();
    if (reader.number() == 2) version = reader.integer();
  }
  return domain.empty() || domain == "ai.onnx" ? std::optional(version) : std::nullopt;
}

}  // namespace

std::string data_type_name(int64_t data_type) {
  const bool is_named = data_type >= 0 && data_type < std::ssize(kDataTypes);
  return is_named ? kDataTypes[static_cast<size_t>(data_type)] : join_text("number ", data_type);
}

DType dtype_from(int64_t data_type, const std::string& file, const std::string& where) {
  switch (data_type) {
    case kFloat: return DType::f32;
    case kDouble: return DType::f64;
    case kInt32:
    case kInt64: return DType::i64;
    default:
      fail(
          file, where,
          "element type " + data_type_name(data_type) +
              " is not supported; there are FLOAT, DOUBLE, INT64, INT32");
  }
}

Graph decode_model(std::span<const std::byte> bytes, const std::string& file) {
  WireReader reader(bytes, file);
  std::optional<WireReader> graph_message;
  std::optional<int64_t> opset;
  while (reader.next()) {
    if (reader.number() == 7) {
      if (graph_message) reader.fail("second graph");
      graph_message = reader.message();
    }
    if (reader.number() == 8) {
      if (const std::optional<int64_t> version = read_opset(reader.message())) opset = version;
    }
  }
  if (!graph_message) fail(file, "", "no graph: not an ONNX model");
  if (!opset) fail(file, "", "no operator set: not an ONNX model");
  if (*opset < kOldestOpset || *opset > kNewestOpset) {
    fail(
        file, "",
        join_text(
            "operator set ", *opset, " is not supported; there are ", kOldestOpset, " to ",
            kNewestOpset));
  }
  Graph graph = read_graph(*graph_message, file);
  graph.opset = *opset;
  if (graph.outputs.empty()) fail(file, "graph", "no output");
  return graph;
}

Tensor decode_tensor(std::span<const std::byte> bytes, const std::string& file) {
  return make_tensor(read_tensor_data(WireReader(bytes, file), file, ""), file, "");
}

}  // namespace limpid::onnx
