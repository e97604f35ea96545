// framework/import/onnx_operators.h: what each ONNX operator means in terms of limpid's ops.
//
// An operator is made from a node once, when the model is read: its attributes are checked and
// become options captured by a function. Running the node is calling that function.
// The operators and their forms by version:
// https://github.com/onnx/onnx/blob/main/docs/Operators.md
#pragma once

#include "framework/import/onnx_graph.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpid::onnx {

/// The attributes of one node, asked for by name. An attribute that nobody asked for could change
/// the meaning of the node, so check_all_read() refuses it.
class Attributes {
 public:
  Attributes(const Node& node, int64_t opset, const std::string& file);

  /// The version of the operators, since forms change with it.
  int64_t opset() const { return opset_; }
  /// How many inputs the node names, left-out ones among them.
  size_t input_count() const { return node_.inputs.size(); }

  // Each throws FormatError if the attribute is there with another kind of value.
  bool has(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t fallback);
  double real(std::string_view name, double fallback);
  std::string_view text(std::string_view name, std::string_view fallback);
  std::vector<int64_t> integers(std::string_view name, const std::vector<int64_t>& fallback = {});
  /// The value of a Constant node: a tensor, or numbers given directly.
  Tensor constant();

  void check_all_read() const;
  /// Throws FormatError naming the file, the operator and the node.
  [[noreturn]] void fail(const std::string& why) const;

 private:
  const Attribute* find(std::string_view name, Attribute::Kind kind);

  const Node& node_;
  int64_t opset_;
  const std::string& file_;
  std::vector<bool> is_read_;
};

/// Inputs in the order of the node; undefined where an optional one is left out.
using Operands = std::span<const Tensor>;
using Function = std::function<Tensor(Operands)>;

struct Operator {
  const char* type;
  size_t least_inputs;
  size_t most_inputs;
  Function (*make)(Attributes&);

  /// What the inputs from the second on are for: names of a layer's state as PyTorch has them, or
  /// kNumbers for operands that are read as numbers, such as a shape or a limit.
  std::vector<const char*> roles = {};
};

inline constexpr const char* kNumbers = "#";
inline constexpr size_t kAnyCount = std::numeric_limits<size_t>::max();

// One table per file. `Constant` is in none of them: it is a value and never runs.
const std::vector<Operator>& pointwise_operators();  // onnx_pointwise.cpp
const std::vector<Operator>& window_operators();     // onnx_windows.cpp
const std::vector<Operator>& row_operators();        // onnx_rows.cpp
const std::vector<Operator>& shape_operators();      // onnx_shapes.cpp

/// The operator of that type, or null.
const Operator* find_operator(std::string_view type);

/// The numbers in an operand: a shape or axes; [] if it is left out.
std::vector<int64_t> integers_of(const Tensor& operand);
/// The one number in an operand; `fallback` if it is left out.
double number_of(const Tensor& operand, double fallback);

/// `before` and `after` cells of one value around a dimension.
Tensor pad_with(const Tensor& x, int64_t axis, int64_t before, int64_t after, double value);

}  // namespace limpid::onnx
