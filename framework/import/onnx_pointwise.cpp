// framework/import/onnx_pointwise.cpp: operators that work element by element.
#include "framework/core/error.h"
#include "framework/import/onnx_operators.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"

#include <cmath>
#include <limits>

namespace limpid::onnx {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr double kMaxWhole = 9007199254740992;  // 2^53

/// x without fractions, as integers.
Tensor whole(const Tensor& x) {
  for (const double value : x.to_vector()) {
    check_value(std::abs(value) <= kMaxWhole, "integers", value, " is not within 2^53");
  }
  return to(x, DType::i64);
}

/// An operator without attributes that is one op of limpid.
template <Tensor (*kOp)(const Tensor&)>
Function unary(Attributes&) {
  return [](Operands in) { return kOp(in[0]); };
}

/// Integers are sizes: graphs compute shapes with them. limpid's arithmetic is for floats, and f64
/// holds integers up to 2^53 exactly; division cuts off the fraction, as integers do.
template <Tensor (*kOp)(const Tensor&, const Tensor&)>
Tensor arithmetic(const Tensor& a, const Tensor& b) {
  if (a.dtype() != DType::i64 || b.dtype() != DType::i64) return kOp(a, b);
  return whole(kOp(to(a, DType::f64), to(b, DType::f64)));
}

template <Tensor (*kOp)(const Tensor&, const Tensor&)>
Function binary(Attributes&) {
  return [](Operands in) { return arithmetic<kOp>(in[0], in[1]); };
}
/// The same for any number of inputs, from left to right.
template <Tensor (*kOp)(const Tensor&, const Tensor&)>
Function fold(Attributes&) {
  return [](Operands in) {
    Tensor y = in[0];
    for (const Tensor& operand : in.subspan(1)) y = arithmetic<kOp>(y, operand);
    return y;
  };
}

Tensor reciprocal(const Tensor& x) { return pow(x, -1); }

Function mean_of_inputs(Attributes& a) {
  return [sum = fold<add>(a)](Operands in) { return sum(in) / static_cast<double>(in.size()); };
}

/// Where both limits are those of a rectifier, the op is that rectifier: backward rules apply.
Tensor clip(const Tensor& x, double low, double high) {
  if (low == 0 && high == 6) return relu6(x);
  if (low == 0 && high >= double{std::numeric_limits<float>::max()}) return relu(x);
  return clamp(x, low, high);
}

Function make_clip(Attributes& a) {
  if (a.opset() < 11) {  // the limits were attributes
    const double low = a.real("min", -kInfinity);
    const double high = a.real("max", kInfinity);
    return [=](Operands in) { return clip(in[0], low, high); };
  }
  return [](Operands in) {
    const double low = in.size() > 1 ? number_of(in[1], -kInfinity) : -kInfinity;
    const double high = in.size() > 2 ? number_of(in[2], kInfinity) : kInfinity;
    return clip(in[0], low, high);
  };
}

Function make_leaky_relu(Attributes& a) {
  return [slope = a.real("alpha", 0.01)](Operands in) { return leaky_relu(in[0], slope); };
}

Function make_elu(Attributes& a) {
  return [alpha = a.real("alpha", 1)](Operands in) { return elu(in[0], alpha); };
}

/// x where x > 0, else slope x, with a tensor of slopes.
Function make_prelu(Attributes& a) {
  if (a.opset() < 7) a.fail("before operator set 7 it is not supported");  // slopes by channel
  return [](Operands in) {
    const Tensor zero = Tensor::scalar(0, in[0].dtype());
    return maximum(in[0], zero) + broadcast_to(in[1], in[0].shape()) * minimum(in[0], zero);
  };
}

Tensor hard_sigmoid(const Tensor& x, double slope, double shift) {
  return clamp(affine(x, slope, shift), 0, 1);
}

Function make_hard_sigmoid(Attributes& a) {
  return [slope = a.real("alpha", 0.2), shift = a.real("beta", 0.5)](Operands in) {
    return hard_sigmoid(in[0], slope, shift);
  };
}

Tensor hard_swish(const Tensor& x) { return x * hard_sigmoid(x, 1.0 / 6, 0.5); }

Function make_pow(Attributes&) {
  return [](Operands in) {
    check_shape(
        in[1].numel() == 1 && in[1].rank() <= in[0].rank(), "pow",
        "exponents that differ by element are not supported (", in[1].shape(), ")");
    return pow(in[0], in[1].item());
  };
}

Function make_identity(Attributes&) {
  return [](Operands in) { return in[0]; };
}

/// The identity: an imported model always runs as in inference.
Function make_dropout(Attributes& a) {
  if (a.opset() < 7 && a.integer("is_test", 0) == 0) a.fail("training mode is not supported");
  a.real("ratio", 0.5);
  a.integer("seed", 0);
  if (a.input_count() > 2) {
    return [](Operands in) {
      check_value(
          number_of(in[2], 0) == 0, "dropout", "training mode is not supported by the importer");
      return in[0];
    };
  }
  return make_identity(a);
}

/// TensorProto.DataType again, as an attribute.
Function make_cast(Attributes& a) {
  const int64_t to_type = a.integer("to", 0);
  a.integer("saturate", 1);  // concerns 8-bit floats only
  switch (to_type) {
    case 1: return [](Operands in) { return to(in[0], DType::f32); };
    case 6:
    case 7: return [](Operands in) { return whole(in[0]); };
    case 11: return [](Operands in) { return to(in[0], DType::f64); };
    default: a.fail("element type " + data_type_name(to_type) + " is not supported");
  }
}

}  // namespace

const std::vector<Operator>& pointwise_operators() {
  static const std::vector<Operator> kTable = {
      {"Abs", 1, 1, unary<abs>},
      {"Add", 2, 2, binary<add>},
      {"Cast", 1, 1, make_cast},
      {"Clip", 1, 3, make_clip, {kNumbers, kNumbers}},
      {"Cos", 1, 1, unary<cos>},
      {"Div", 2, 2, binary<div>},
      {"Dropout", 1, 3, make_dropout, {kNumbers, kNumbers}},
      {"Elu", 1, 1, make_elu},
      {"Erf", 1, 1, unary<erf>},
      {"Exp", 1, 1, unary<exp>},
      {"HardSigmoid", 1, 1, make_hard_sigmoid},
      {"HardSwish", 1, 1, unary<hard_swish>},
      {"Identity", 1, 1, make_identity},
      {"LeakyRelu", 1, 1, make_leaky_relu},
      {"Log", 1, 1, unary<log>},
      {"Max", 1, kAnyCount, fold<maximum>},
      {"Mean", 1, kAnyCount, mean_of_inputs},
      {"Min", 1, kAnyCount, fold<minimum>},
      {"Mul", 2, 2, binary<mul>},
      {"Neg", 1, 1, unary<neg>},
      {"PRelu", 2, 2, make_prelu, {"weight"}},
      {"Pow", 2, 2, make_pow, {kNumbers}},
      {"Reciprocal", 1, 1, unary<reciprocal>},
      {"Relu", 1, 1, unary<relu>},
      {"Sigmoid", 1, 1, unary<sigmoid>},
      {"Sign", 1, 1, unary<sign>},
      {"Sin", 1, 1, unary<sin>},
      {"Softplus", 1, 1, unary<softplus>},
      {"Sqrt", 1, 1, unary<sqrt>},
      {"Sub", 2, 2, binary<sub>},
      {"Sum", 1, kAnyCount, fold<add>},
      {"Tanh", 1, 1, unary<tanh>},
  };
  return kTable;
}

}  // namespace limpid::onnx
