// framework/import/onnx_plan.h: a graph made ready to run, step by step.
//
// Values that are computed live in numbered slots during a run. Each step reads slots and constants
// and fills one slot. All names are resolved here, so that running looks nothing up.
#pragma once

#include "framework/import/onnx_operators.h"
#include "framework/nn/module.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace limpid::onnx {

/// A tensor of the file, and how visit() lists it.
struct Constant {
  Tensor value;
  bool is_initializer = false;  // else the value of a Constant node: a buffer, not a parameter
  bool is_used = false;         // by an operator, and for more than its numbers
  bool is_owned = false;        // by a layer
};

/// Where an operand comes from: a slot, a constant, or neither if it is left out.
struct Operand {
  int slot = -1;
  Constant* constant = nullptr;
};

/// One node as a layer. A Module has one input; so if several operands of the node are computed,
/// the model computes the result with apply() and the layer only shows it to the pass.
class Layer : public Module {
 public:
  Layer(
      const Operator& op, Function function, std::vector<Operand> operands, std::string where,
      const std::string& file);

  const char* type() const override { return operator_.type; }
  void visit(Visitor& v) override;
  int64_t macs(const Shape& input, const Shape& output) const override;

  const std::vector<Operand>& operands() const { return operands_; }
  /// The slot of the one operand that is computed; -1 if there are several or none.
  int only_slot() const { return only_slot_; }
  /// The result, from all operands. Throws FormatError naming the node if they do not fit.
  Tensor apply(Operands operands) const;
  /// Takes the weights among the operands that no layer before has taken, to list them; `names`
  /// are those of the operands in the file.
  void own_weights(const std::vector<std::string_view>& names);
  /// Marks constants that are more than numbers.
  void mark_used() const;

 private:
  struct Weight {
    std::string name;
    Constant* constant;
    bool is_buffer;
  };
  Tensor forward(const Tensor& x, Pass&) override;
  /// The role of operand k, or "".
  std::string role(size_t k) const;

  const Operator& operator_;
  Function function_;
  std::vector<Operand> operands_;
  std::string where_, file_;
  int only_slot_ = -1;
  std::vector<Weight> weights_;
};

struct Step {
  std::string name;  // of the layer
  std::unique_ptr<Layer> layer;
  bool is_visible = false;  // depends on an input: listed and shown to the pass
  int result = -1;          // its slot
  std::vector<int> spent;   // slots that nothing reads after this step
};

struct Plan {
  std::vector<OnnxValue> inputs, outputs;
  std::vector<int> input_slots;
  std::vector<Operand> results;                            // where the outputs come from
  std::map<std::string, Constant, std::less<>> constants;  // by name; steps point to them
  std::vector<Step> steps;                                 // in an order in which they can run
  int slots = 0;
};

/// Throws FormatError naming the file and the node for an operator, attribute or connection that
/// is not right.
std::unique_ptr<Plan> make_plan(const Graph& graph, const std::string& file);

}  // namespace limpid::onnx
