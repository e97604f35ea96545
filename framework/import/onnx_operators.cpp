// framework/import/onnx_operators.cpp: reading attributes, finding operators.
#include "framework/import/onnx_operators.h"

#include "framework/core/error.h"
#include "framework/io/json.h"
#include "framework/ops/linear_maps.h"

#include <algorithm>
#include <array>

namespace limpid::onnx {

Attributes::Attributes(const Node& node, int64_t opset, const std::string& file)
    : node_(node), opset_(opset), file_(file), is_read_(node.attributes.size(), false) {}

void Attributes::fail(const std::string& why) const { throw FormatError(file_, node_.where, why); }

bool Attributes::has(std::string_view name) const {
  return std::ranges::find(node_.attributes, name, &Attribute::name) != node_.attributes.end();
}

const Attribute* Attributes::find(std::string_view name, Attribute::Kind kind) {
  const auto found = std::ranges::find(node_.attributes, name, &Attribute::name);
  if (found == node_.attributes.end()) return nullptr;
  if (found->kind != kind) fail("attribute " + excerpt(name) + " is of a wrong type");
  is_read_[static_cast<size_t>(found - node_.attributes.begin())] = true;
  return &*found;
}

int64_t Attributes::integer(std::string_view name, int64_t fallback) {
  const Attribute* found = find(name, Attribute::Kind::integer);
  return found != nullptr ? found->integer : fallback;
}

double Attributes::real(std::string_view name, double fallback) {
  const Attribute* found = find(name, Attribute::Kind::real);
  return found != nullptr ? static_cast<double>(found->real) : fallback;
}

std::string_view Attributes::text(std::string_view name, std::string_view fallback) {
  const Attribute* found = find(name, Attribute::Kind::text);
  return found != nullptr ? found->text : fallback;
}

std::vector<int64_t> Attributes::integers(
    std::string_view name, const std::vector<int64_t>& fallback) {
  const Attribute* found = find(name, Attribute::Kind::integers);
  return found != nullptr ? found->integers : fallback;
}

Tensor Attributes::constant() {
  if (has("value")) return find("value", Attribute::Kind::tensor)->tensor;
  if (has("value_float")) return Tensor::scalar(real("value_float", 0));
  if (has("value_int")) return Tensor::of_integers({}, {integer("value_int", 0)});
  if (has("value_ints")) {
    const std::vector<int64_t> values = integers("value_ints");
    return Tensor::of_integers({std::ssize(values)}, values);
  }
  if (has("value_floats")) {
    const auto& reals = find("value_floats", Attribute::Kind::reals)->reals;
    return Tensor::of({std::ssize(reals)}, std::vector<double>(reals.begin(), reals.end()));
  }
  fail("has no value of a supported kind");
}

void Attributes::check_all_read() const {
  for (size_t k = 0; k < is_read_.size(); ++k) {
    if (!is_read_[k]) {
      fail("attribute " + excerpt(node_.attributes[k].name) + " is not supported");
    }
  }
}

const Operator* find_operator(std::string_view type) {
  for (const auto* table :
       {&pointwise_operators(), &window_operators(), &row_operators(), &shape_operators()}) {
    for (const Operator& op : *table) {
      if (op.type == type) return &op;
    }
  }
  return nullptr;
}

std::vector<int64_t> integers_of(const Tensor& operand) {
  if (!operand.defined()) return {};
  check_shape(operand.rank() <= 1, "numbers", "needs a list of integers, got ", operand.shape());
  const auto values = operand.values<int64_t>();
  return {values.begin(), values.end()};
}

double number_of(const Tensor& operand, double fallback) {
  return operand.defined() ? operand.item() : fallback;
}

Tensor pad_with(const Tensor& x, int64_t axis, int64_t before, int64_t after, double value) {
  if (before == 0 && after == 0) return x;
  if (value == 0) return pad(x, axis, before, after);
  const int d = resolve_axis("pad", axis, x.shape());
  const auto border = [&](int64_t cells) {
    return Tensor::full(x.shape().with(d, cells), value, x.dtype());
  };
  return concat({border(before), x, border(after)}, axis);
}

}  // namespace limpid::onnx
