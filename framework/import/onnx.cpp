// framework/import/onnx.cpp: running a plan as a module.
#include "framework/import/onnx.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/import/onnx_plan.h"
#include "framework/io/json.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <utility>

namespace limpid {

namespace {

/// The value must have the declared rank and sizes; the first one, the batch, is free.
void check_input(const OnnxValue& declared, const Tensor& value) {
  if (!declared.has_shape) return;
  const Shape& shape = value.shape();
  bool fits = shape.rank() == std::ssize(declared.sizes);
  for (int d = 1; fits && d < shape.rank(); ++d) {
    const int64_t size = declared.sizes[static_cast<size_t>(d)];
    fits = size < 0 || size == shape[d];
  }
  if (fits) return;
  const std::string wanted = joined(declared.sizes, ", ", [](int64_t size) {
    return size < 0 ? std::string("?") : std::to_string(size);
  });
  raise<ShapeError>(
      "onnx", "input ", excerpt(declared.name), " is ", shape, ", not [", wanted, "]");
}

/// [N, K, 1, 1] as [N, K].
Tensor without_trailing_ones(const Tensor& x) {
  auto sizes = x.shape().sizes();
  while (sizes.size() > 2 && sizes.back() == 1) sizes = sizes.first(sizes.size() - 1);
  return std::ssize(sizes) == x.rank() ? x : reshape(x, Shape(sizes));
}

}  // namespace

OnnxModel::OnnxModel(std::unique_ptr<onnx::Plan> plan, const std::string& file)
    : plan_(std::move(plan)), file_(file) {}

OnnxModel::~OnnxModel() = default;

const std::vector<OnnxValue>& OnnxModel::inputs() const { return plan_->inputs; }

const std::vector<OnnxValue>& OnnxModel::outputs() const { return plan_->outputs; }

void OnnxModel::visit(Visitor& v) {
  // Weights that no layer owns, such as those that a node transposes before use
  for (auto& [name, constant] : plan_->constants) {
    if (!constant.is_used || constant.is_owned) continue;
    if (constant.is_initializer) {
      v.parameter(name, constant.value);
    } else {
      v.buffer(name, constant.value);
    }
  }
  for (onnx::Step& step : plan_->steps) {
    if (step.is_visible) v.child(step.name, *step.layer);
  }
}

std::vector<Tensor> OnnxModel::run(const std::map<std::string, Tensor>& inputs, Pass& pass) {
  // Put the inputs into their slots
  std::vector<Tensor> slots(static_cast<size_t>(plan_->slots));
  for (size_t k = 0; k < plan_->inputs.size(); ++k) {
    const OnnxValue& declared = plan_->inputs[k];
    const auto given = inputs.find(declared.name);
    check_value(given != inputs.end(), "onnx", "input ", excerpt(declared.name), " is not given");
    check_input(declared, given->second);
    slots[static_cast<size_t>(plan_->input_slots[k])] = given->second;
  }
  for (const auto& [name, value] : inputs) {
    const bool is_known =
        std::ranges::find(plan_->inputs, name, &OnnxValue::name) != plan_->inputs.end();
    check_value(is_known, "onnx", "the model has no input ", excerpt(name));
  }

  // Run the steps; a value is dropped after its last reader
  const auto value_of = [&](const onnx::Operand& operand) {
    if (operand.slot >= 0) return slots[static_cast<size_t>(operand.slot)];
    return operand.constant != nullptr ? operand.constant->value : Tensor();
  };
  std::vector<Tensor> operands;
  for (const onnx::Step& step : plan_->steps) {
    onnx::Layer& layer = *step.layer;
    Tensor& result = slots[static_cast<size_t>(step.result)];
    if (step.is_visible && layer.only_slot() >= 0) {
      result = layer(slots[static_cast<size_t>(layer.only_slot())], pass);
    } else {
      operands.clear();
      for (const onnx::Operand& operand : layer.operands()) operands.push_back(value_of(operand));
      result = layer.apply(operands);
      if (step.is_visible) result = layer(result, pass);
    }
    for (const int slot : step.spent) slots[static_cast<size_t>(slot)] = Tensor();
  }
  operands.clear();

  std::vector<Tensor> results;
  for (const onnx::Operand& operand : plan_->results) results.push_back(value_of(operand));
  return results;
}

Tensor OnnxModel::forward(const Tensor& x, Pass& pass) {
  check_value(
      plan_->inputs.size() == 1, "onnx", file_, " has ", plan_->inputs.size(),
      " inputs; use run() to give all");
  const Tensor y = run({{plan_->inputs[0].name, x}}, pass).front();
  check_shape(
      x.rank() >= 1 && y.rank() >= 1 && y.size(0) == x.size(0), "onnx", file_,
      " does not take batches of this size (input ", x.shape(), ", output ", y.shape(), ")");
  return without_trailing_ones(y);
}

ModelShape OnnxModel::shape() {
  // One example: the declared sizes behind the batch, all stated
  if (plan_->inputs.size() != 1) {
    throw FormatError(file_, "", join_text("has ", plan_->inputs.size(), " inputs, not one"));
  }
  const OnnxValue& input = plan_->inputs[0];
  const std::string where = "input " + excerpt(input.name);
  if (!input.has_shape || input.sizes.size() < 2 || !is_float(input.dtype)) {
    throw FormatError(file_, where, "is not declared as a batch of numbers [N, ...]");
  }
  const std::span<const int64_t> example = std::span(input.sizes).subspan(1);
  if (std::ranges::count(example, -1) > 0) {
    throw FormatError(file_, where, "leaves a size of the example open");
  }
  ModelShape shape{.input = Shape(example)};

  // Classes: declared, or else seen
  const OnnxValue& output = plan_->outputs[0];
  if (output.has_shape && output.sizes.size() == 2 && output.sizes[1] > 0) {
    shape.classes = output.sizes[1];
    return shape;
  }
  std::vector<int64_t> sizes(input.sizes);
  sizes[0] = 1;
  const Recording off(false);
  Pass pass;
  const Tensor y = (*this)(Tensor::zeros(Shape(sizes), input.dtype), pass);
  if (y.rank() != 2) {
    throw FormatError(
        file_, "output " + excerpt(output.name),
        join_text("is not a row of classes but ", y.shape()));
  }
  shape.classes = y.size(1);
  return shape;
}

std::unique_ptr<OnnxModel> load_onnx(std::span<const std::byte> bytes, const std::string& file) {
  return std::make_unique<OnnxModel>(onnx::make_plan(onnx::decode_model(bytes, file), file), file);
}

Tensor load_onnx_tensor(std::span<const std::byte> bytes, const std::string& file) {
  return onnx::decode_tensor(bytes, file);
}

bool knows_onnx_operator(const std::string& type) {
  return type == "Constant" || onnx::find_operator(type) != nullptr;
}

}  // namespace limpid
