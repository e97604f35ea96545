// framework/import/onnx_plan.cpp: resolving names, ordering nodes, handing out weights.
#include "framework/import/onnx_plan.h"

#include "framework/core/error.h"
#include "framework/io/json.h"

#include <algorithm>
#include <queue>
#include <set>
#include <utility>

namespace limpid::onnx {

// ---- Layer ----

Layer::Layer(
    const Operator& op, Function function, std::vector<Operand> operands, std::string where,
    const std::string& file)
    : operator_(op),
      function_(std::move(function)),
      operands_(std::move(operands)),
      where_(std::move(where)),
      file_(file) {
  const auto is_computed = [](const Operand& operand) { return operand.slot >= 0; };
  if (std::ranges::count_if(operands_, is_computed) == 1) {
    only_slot_ = std::ranges::find_if(operands_, is_computed)->slot;
  }
}

std::string Layer::role(size_t k) const {
  return k >= 1 && k <= operator_.roles.size() ? operator_.roles[k - 1] : "";
}

void Layer::mark_used() const {
  for (size_t k = 0; k < operands_.size(); ++k) {
    Constant* constant = operands_[k].constant;
    if (constant != nullptr && is_float(constant->value.dtype()) && role(k) != kNumbers) {
      constant->is_used = true;
    }
  }
}

void Layer::own_weights(const std::vector<std::string_view>& names) {
  for (size_t k = 0; k < operands_.size(); ++k) {
    Constant* constant = operands_[k].constant;
    if (constant == nullptr || role(k) == kNumbers || constant->is_owned || !constant->is_used) {
      continue;
    }
    const std::string wanted = role(k).empty() ? std::string(names[k]) : role(k);
    const bool is_buffer = !constant->is_initializer || wanted.starts_with("running_");
    weights_.push_back({wanted, constant, is_buffer});
    constant->is_owned = true;
    if (!is_buffer) constant->value.require_gradient();
  }
}

void Layer::visit(Visitor& v) {
  for (Weight& weight : weights_) {
    if (weight.is_buffer) {
      v.buffer(weight.name, weight.constant->value);
    } else {
      v.parameter(weight.name, weight.constant->value);
    }
  }
}

int64_t Layer::macs(const Shape&, const Shape& output) const {
  // Of products with a weight: each output adds up as many terms as the weight has per output
  const bool has_weight = operands_.size() > 1 && role(1) == "weight" &&
                          operands_[1].constant != nullptr &&
                          operands_[1].constant->value.rank() >= 2 && output.rank() >= 1;
  if (!has_weight) return 0;
  const Tensor& weight = operands_[1].constant->value;
  const int64_t outputs = weight.rank() == 4 ? weight.size(0) : output[output.rank() - 1];
  return outputs == 0 ? 0 : output.numel() / outputs * weight.numel();
}

Tensor Layer::apply(Operands operands) const {
  try {
    return function_(operands);
  } catch (const Error& error) {
    throw FormatError(file_, where_, error.what());
  }
}

Tensor Layer::forward(const Tensor& x, Pass&) {
  if (only_slot_ < 0) return x;
  std::vector<Tensor> operands;
  for (const Operand& operand : operands_) {
    operands.push_back(
        operand.slot >= 0             ? x
        : operand.constant != nullptr ? operand.constant->value
                                      : Tensor());
  }
  return apply(operands);
}

// ---- make_plan ----

namespace {

/// Collects a plan from a graph.
class Planner {
 public:
  Planner(const Graph& graph, const std::string& file) : graph_(graph), file_(file) {}

  std::unique_ptr<Plan> make() {
    plan_->inputs = graph_.inputs;
    plan_->outputs = graph_.outputs;
    check_nodes();
    add_constants();
    for (const OnnxValue& input : graph_.inputs) {
      const std::string where = "input " + excerpt(input.name);
      plan_->input_slots.push_back(add_slot(input.name, where, true));
    }
    for (const size_t index : running_order()) add_step(graph_.nodes[index]);
    for (const OnnxValue& output : graph_.outputs) {
      plan_->results.push_back(find(output.name, "output " + excerpt(output.name)));
    }
    find_spent();
    for (Step& step : plan_->steps) {
      if (step.is_visible) step.layer->own_weights(*operand_names_[step.result]);
    }
    for (auto& [name, constant] : plan_->constants) {
      const bool is_loose = constant.is_used && !constant.is_owned;
      if (is_loose && constant.is_initializer) constant.value.require_gradient();
    }
    return std::move(plan_);
  }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& why) const {
    throw FormatError(file_, where, why);
  }

  void check_nodes() const {
    for (const Node& node : graph_.nodes) {
      if (node.type != "Constant" && find_operator(node.type) == nullptr) {
        fail(node.where, "unknown operator");
      }
      if (node.outputs.empty() || node.outputs[0].empty()) fail(node.where, "no output");
    }
  }

  void check_new(std::string_view name, const std::string& where) const {
    if (plan_->constants.contains(name) || slots_.contains(name)) {
      fail(where, "value " + excerpt(name) + " is made twice");
    }
  }

  int add_slot(std::string_view name, const std::string& where, bool is_data) {
    check_new(name, where);
    slots_.emplace(name, plan_->slots);
    is_data_.push_back(is_data);
    return plan_->slots++;
  }

  /// Initializers, and Constant nodes, which are the same in another place.
  void add_constants() {
    for (const auto& [name, value] : graph_.initializers) {
      plan_->constants.emplace(name, Constant{.value = value, .is_initializer = true});
    }
    for (const Node& node : graph_.nodes) {
      if (node.type != "Constant") continue;
      Attributes attributes(node, graph_.opset, file_);
      check_new(node.outputs[0], node.where);
      plan_->constants.emplace(node.outputs[0], Constant{.value = attributes.constant()});
      attributes.check_all_read();
    }
  }

  /// The nodes without Constants, each after those it reads from; otherwise in the file's order.
  /// (Kahn 1962, with the smallest index first.)
  std::vector<size_t> running_order() const {
    std::map<std::string_view, size_t> maker;  // first outputs only: others are not offered
    for (size_t k = 0; k < graph_.nodes.size(); ++k) {
      const Node& node = graph_.nodes[k];
      if (node.type == "Constant") continue;
      if (!maker.emplace(node.outputs[0], k).second) {
        fail(node.where, "value " + excerpt(node.outputs[0]) + " is made twice");
      }
    }

    // Count what each node waits for
    std::vector<std::vector<size_t>> readers(graph_.nodes.size());
    std::vector<size_t> waits(graph_.nodes.size(), 0);
    std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
    for (size_t k = 0; k < graph_.nodes.size(); ++k) {
      if (graph_.nodes[k].type == "Constant") continue;
      for (const std::string_view input : graph_.nodes[k].inputs) {
        const auto found = maker.find(input);
        if (found == maker.end()) continue;
        readers[found->second].push_back(k);
        ++waits[k];
      }
      if (waits[k] == 0) ready.push(k);
    }

    // Take a node that waits for nothing; its readers wait for one less
    std::vector<size_t> order;
    while (!ready.empty()) {
      const size_t next = ready.top();
      ready.pop();
      order.push_back(next);
      for (const size_t reader : readers[next]) {
        if (--waits[reader] == 0) ready.push(reader);
      }
    }
    for (size_t k = 0; k < waits.size(); ++k) {
      if (waits[k] > 0) fail(graph_.nodes[k].where, "waits for its own result: a cycle");
    }
    return order;
  }

  Operand find(std::string_view name, const std::string& where) const {
    if (name.empty()) return {};
    if (const auto found = plan_->constants.find(name); found != plan_->constants.end()) {
      return {.constant = &found->second};
    }
    if (const auto found = slots_.find(name); found != slots_.end()) return {.slot = found->second};
    for (const Node& node : graph_.nodes) {
      if (std::ranges::find(node.outputs, name) != node.outputs.end()) {
        fail(
            where, "reads " + excerpt(name) + ", a further output of " + node.where +
                       " that is not supported");
      }
    }
    fail(where, "reads " + excerpt(name) + ", which nothing makes");
  }

  void add_step(const Node& node) {
    // The operator, with attributes and number of inputs
    const Operator* op = find_operator(node.type);
    if (node.inputs.size() < op->least_inputs || node.inputs.size() > op->most_inputs) {
      fail(node.where, join_text("cannot have ", node.inputs.size(), " inputs"));
    }
    Attributes attributes(node, graph_.opset, file_);
    Function function = op->make(attributes);
    attributes.check_all_read();

    // The operands, and whether one depends on an input; a shape does not
    std::vector<Operand> operands;
    bool is_data = false;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      operands.push_back(find(node.inputs[k], node.where));
      const Operand& operand = operands.back();
      if (operand.slot < 0 && operand.constant == nullptr && k < op->least_inputs) {
        fail(node.where, join_text("input ", k, " is missing"));
      }
      is_data |= operand.slot >= 0 && is_data_[static_cast<size_t>(operand.slot)];
    }
    is_data &= node.type != "Shape";

    Step step;
    step.layer =
        std::make_unique<Layer>(*op, std::move(function), std::move(operands), node.where, file_);
    step.layer->mark_used();
    step.is_visible = is_data;
    step.result = add_slot(node.outputs[0], node.where, is_data);
    step.name = unique_name(node, step.result);
    operand_names_[step.result] = &node.inputs;
    plan_->steps.push_back(std::move(step));
  }

  /// The node's name, or its type and a number if that is empty or taken.
  std::string unique_name(const Node& node, int number) {
    std::string name(node.name);
    if (name.empty()) name = join_text(node.type, "_", number);
    while (!names_.insert(name).second) name += join_text("_", number);
    return name;
  }

  /// The last step that reads a slot may drop it, unless it is an output.
  void find_spent() {
    std::vector<bool> is_read(static_cast<size_t>(plan_->slots), false);
    for (const Operand& operand : plan_->results) {
      if (operand.slot >= 0) is_read[static_cast<size_t>(operand.slot)] = true;
    }
    for (auto step = plan_->steps.rbegin(); step != plan_->steps.rend(); ++step) {
      const auto note = [&](int slot) {
        if (slot < 0 || is_read[static_cast<size_t>(slot)]) return;
        is_read[static_cast<size_t>(slot)] = true;
        step->spent.push_back(slot);
      };
      note(step->result);  // nothing reads it at all
      for (const Operand& operand : step->layer->operands()) note(operand.slot);
    }
  }

  const Graph& graph_;
  const std::string& file_;
  std::unique_ptr<Plan> plan_ = std::make_unique<Plan>();
  std::map<std::string_view, int> slots_;  // by the name of a value
  std::vector<bool> is_data_;              // by slot: depends on an input's values
  std::map<int, const std::vector<std::string_view>*> operand_names_;  // by the step's result
  std::set<std::string> names_;                                        // of layers
};

}  // namespace

std::unique_ptr<Plan> make_plan(const Graph& graph, const std::string& file) {
  return Planner(graph, file).make();
}

}  // namespace limpid::onnx
