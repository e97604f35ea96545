// framework/ops/pointwise.cpp: forward and gradient of the element-by-element ops, side by side.
#include "framework/ops/pointwise.h"

#include "framework/core/error.h"
#include "framework/kernels/elementwise.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/gates.h"
#include "framework/tensor/record.h"

#include <numbers>

namespace limpid {
namespace {

using kernels::Binary;
using kernels::Unary;

Tensor pointwise(const char* op, Unary kernel, const Tensor& x) {
  return visit_float(op, x.dtype(), [&]<class T>() {
    Tensor y = Tensor::empty(x.shape(), x.dtype());
    kernels::unary<T>(kernel, x.numel(), x.data<T>(), y.mutable_data<T>());
    return y;
  });
}

Tensor pointwise(const char* op, Binary kernel, const Tensor& a, const Tensor& b) {
  check_dtype(
      a.dtype() == b.dtype(), op, "mixes ", name_of(a.dtype()), " ", a.shape(), " with ",
      name_of(b.dtype()), " ", b.shape());
  return visit_float(op, a.dtype(), [&]<class T>() {
    Tensor y = Tensor::empty(broadcast(op, a.shape(), b.shape()), a.dtype());
    const auto dims = kernels::broadcast_dims(a.shape(), b.shape(), y.shape());
    kernels::binary<T>(kernel, dims, a.data<T>(), b.data<T>(), y.mutable_data<T>());
    return y;
  });
}

void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  check_shape(a.shape() == b.shape(), op, "shapes differ (", a.shape(), ", ", b.shape(), ")");
}

// The gradient of a rectifier under the rules in force; `keep_inside` masks by the output. Formulas
// contain no rectifier themselves, or a second pass under another rule would change them. Guided
// masks by the output first, so that an observer sees what the second mask removes.
template <class Inside>
Tensor rectifier_gradient(ReluRule rule, const Tensor& g, const Tensor& out, Inside keep_inside) {
  switch (rule) {
    case ReluRule::standard: return keep_inside(g, out);
    case ReluRule::guided: {
      const Tensor inside = keep_inside(g, out);
      return mask(inside, inside);  // and only where g > 0
    }
    case ReluRule::deconv: return mask(g, g);  // the input's sign is ignored
  }
  throw GraphError("relu: unknown backward rule");
}

// The rule in force for what is not a plain relu.
ReluRule wider_rule() {
  const BackwardRules& rules = backward_rules();
  return rules.scope == ReluScope::all ? rules.relu : ReluRule::standard;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  return record(
      "add", pointwise("add", Binary::add, a, b),
      wrt(a, [s = a.shape()](const Tensor& g) { return sum_to(g, s); }),
      wrt(b, [s = b.shape()](const Tensor& g) { return sum_to(g, s); }));
}

Tensor sub(const Tensor& a, const Tensor& b) {
  return record(
      "sub", pointwise("sub", Binary::sub, a, b),
      wrt(a, [s = a.shape()](const Tensor& g) { return sum_to(g, s); }),
      wrt(b, [s = b.shape()](const Tensor& g) { return sum_to(-g, s); }));
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return record(
      "mul", pointwise("mul", Binary::mul, a, b),
      wrt(a, [b = keep(b), s = a.shape()](const Tensor& g) { return sum_to(g * b, s); }),
      wrt(b, [a = keep(a), s = b.shape()](const Tensor& g) { return sum_to(g * a, s); }));
}

// d(a/b)/db = -a/b^2 = -out/b
Tensor div(const Tensor& a, const Tensor& b) {
  const auto by_b = [b = keep(b), s = b.shape()](const Tensor& g, const Tensor& out) {
    return sum_to(-(g * out / b), s);
  };
  return record(
      "div", pointwise("div", Binary::div, a, b),
      wrt(a, [b = keep(b), s = a.shape()](const Tensor& g) { return sum_to(g / b, s); }),
      wrt(b, by_b));
}

Tensor neg(const Tensor& x) {
  return record("neg", pointwise("neg", Unary::neg, x), wrt(x, [](const Tensor& g) { return -g; }));
}

Tensor affine(const Tensor& x, double scale, double shift) {
  Tensor y = visit_float("affine", x.dtype(), [&]<class T>() {
    Tensor result = Tensor::empty(x.shape(), x.dtype());
    kernels::affine<T>(x.numel(), scale, shift, x.data<T>(), result.mutable_data<T>());
    return result;
  });
  return record("affine", y, wrt(x, [scale](const Tensor& g) { return affine(g, scale, 0); }));
}

Tensor exp(const Tensor& x) {
  return record(
      "exp", pointwise("exp", Unary::exp, x),
      wrt(x, [](const Tensor& g, const Tensor& out) { return g * out; }));
}

Tensor log(const Tensor& x) {
  return record("log", pointwise("log", Unary::log, x), wrt(x, [x = keep(x)](const Tensor& g) {
                  return g / x;
                }));
}

// d sqrt(x)/dx = 1 / (2 out)
Tensor sqrt(const Tensor& x) {
  return record(
      "sqrt", pointwise("sqrt", Unary::sqrt, x),
      wrt(x, [](const Tensor& g, const Tensor& out) { return 0.5 * g / out; }));
}

// d tanh(x)/dx = 1 - out^2
Tensor tanh(const Tensor& x) {
  return record(
      "tanh", pointwise("tanh", Unary::tanh, x),
      wrt(x, [](const Tensor& g, const Tensor& out) { return g * (1 - out * out); }));
}

// d sigmoid(x)/dx = out (1 - out)
Tensor sigmoid(const Tensor& x) {
  return record(
      "sigmoid", pointwise("sigmoid", Unary::sigmoid, x),
      wrt(x, [](const Tensor& g, const Tensor& out) { return g * (out * (1 - out)); }));
}

// By a held gate r: x where r > 0
Tensor relu(const Tensor& x) {
  const Tensor held = held_gate("relu", x.shape());
  if (held.defined()) return mask(x, held);
  const Tensor y = pointwise("relu", Unary::relu, x);
  note_gate("relu", x.shape(), y);
  const auto formula = [](const Tensor& g, const Tensor& out) {
    return rectifier_gradient(backward_rules().relu, g, out, mask);
  };
  return record("relu", y, wrt(x, formula));
}

// By a held gate r: x where 0 < r < 6, and 6 where r >= 6
Tensor relu6(const Tensor& x) {
  const Tensor held = held_gate("relu6", x.shape());
  if (held.defined()) {
    const Tensor top = Tensor::scalar(6, x.dtype());
    return mask6(x, held) + 6 * greater_equal(held, top);
  }
  const Tensor y = pointwise("relu6", Unary::relu6, x);
  note_gate("relu6", x.shape(), y);
  const auto formula = [](const Tensor& g, const Tensor& out) {
    return rectifier_gradient(wider_rule(), g, out, mask6);
  };
  return record("relu6", y, wrt(x, formula));
}

Tensor sin(const Tensor& x) {
  return record("sin", pointwise("sin", Unary::sin, x), wrt(x, [x = keep(x)](const Tensor& g) {
                  return g * cos(x);
                }));
}

Tensor cos(const Tensor& x) {
  return record("cos", pointwise("cos", Unary::cos, x), wrt(x, [x = keep(x)](const Tensor& g) {
                  return -(g * sin(x));
                }));
}

// d erf(x)/dx = 2 / sqrt(pi) e^(-x^2)
Tensor erf(const Tensor& x) {
  const auto formula = [x = keep(x)](const Tensor& g) {
    return g * (2 * std::numbers::inv_sqrtpi * exp(-(*x * *x)));
  };
  return record("erf", pointwise("erf", Unary::erf, x), wrt(x, formula));
}

Tensor softplus(const Tensor& x) {
  return record(
      "softplus", pointwise("softplus", Unary::softplus, x),
      wrt(x, [x = keep(x)](const Tensor& g) { return g * sigmoid(x); }));
}

Tensor abs(const Tensor& x) {
  // A constant: its derivative is 0
  const Tensor slope = gate_of("abs", x.shape(), [&] { return sign(x); });
  return record(
      "abs", pointwise("abs", Binary::mul, x, slope),
      wrt(x, [slope = keep(slope)](const Tensor& g) { return g * slope; }));
}

Tensor pow(const Tensor& x, double p) {
  const double q = p == 0 ? 0 : p - 1;  // 0 x^0, for 0 x^-1 would be NaN at 0
  const auto formula = [x = keep(x), p, q](const Tensor& g) { return g * (p * pow(x, q)); };
  return record(
      "pow", pointwise("pow", Binary::pow, x, Tensor::scalar(p, x.dtype())), wrt(x, formula));
}

Tensor clamp(const Tensor& x, double low, double high) {
  check_value(low <= high, "clamp", "needs low <= high, got ", low, ", ", high);
  const auto number = [&](double value) { return Tensor::scalar(value, x.dtype()); };
  return minimum(maximum(x, number(low)), number(high));
}

namespace {

Tensor is_nan(const Tensor& x) { return 1 - equal(x, x); }

// x where it is positive, else 0; no backward rule applies.
Tensor positive_part(const char* op, const Tensor& x) {
  return mask(x, gate_of(op, x.shape(), [&] { return x; }));
}

}  // namespace

// b where it is larger or NaN
Tensor maximum(const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast("maximum", a.shape(), b.shape());
  const auto takes_a = [&] { return pointwise("maximum", Binary::less_equal, b, a) + is_nan(a); };
  return where(gate_of("maximum", shape, takes_a), a, b);
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  const Shape shape = broadcast("minimum", a.shape(), b.shape());
  const auto takes_a = [&] { return pointwise("minimum", Binary::less_equal, a, b) + is_nan(a); };
  return where(gate_of("minimum", shape, takes_a), a, b);
}

Tensor leaky_relu(const Tensor& x, double slope) {
  return (1 - slope) * positive_part("leaky_relu", x) + slope * x;
}

// exp only of what is negative, or a large x would give inf in the branch that is not taken
Tensor elu(const Tensor& x, double alpha) {
  const Tensor negative = minimum(x, Tensor::scalar(0, x.dtype()));
  return positive_part("elu", x) + alpha * (exp(negative) - 1);
}

Tensor silu(const Tensor& x) { return x * sigmoid(x); }

// The last node is the identity; under the rules it masks what the slope is multiplied with
Tensor gelu(const Tensor& x) {
  const Tensor y = 0.5 * x * (1 + erf(x * (1 / std::numbers::sqrt2)));
  const auto gate = [x = keep(x.detach())](const Tensor& g) {
    const ReluRule rule = wider_rule();
    return rule == ReluRule::standard ? g : rectifier_gradient(rule, g, x, mask);
  };
  return record("gelu", y.detach(), wrt(y, gate));
}

// ---- Comparisons: constants for the tape ----

Tensor less(const Tensor& a, const Tensor& b) { return pointwise("less", Binary::less, a, b); }

Tensor less_equal(const Tensor& a, const Tensor& b) {
  return pointwise("less_equal", Binary::less_equal, a, b);
}

Tensor greater(const Tensor& a, const Tensor& b) {
  return pointwise("greater", Binary::less, b, a);
}

Tensor greater_equal(const Tensor& a, const Tensor& b) {
  return pointwise("greater_equal", Binary::less_equal, b, a);
}

Tensor equal(const Tensor& a, const Tensor& b) { return pointwise("equal", Binary::equal, a, b); }

Tensor sign(const Tensor& x) { return pointwise("sign", Unary::sign, x); }

// Two masks, so that a NaN or an infinity in the branch not taken stays out
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const Shape shape =
      broadcast("where", broadcast("where", condition.shape(), a.shape()), b.shape());
  const Tensor yes = greater(condition, Tensor::scalar(0, condition.dtype()));  // 1 or 0
  const Tensor chosen = broadcast_to(yes, shape);
  return mask(broadcast_to(a, shape), chosen) + mask(broadcast_to(b, shape), 1 - chosen);
}

// Piecewise constant in x, so the only edge is the one of g
Tensor mask(const Tensor& g, const Tensor& x) {
  check_same_shape("mask", g, x);
  return record(
      "mask", pointwise("mask", Binary::mask, g, x),
      wrt(g, [x = keep(x.detach())](const Tensor& v) { return mask(v, x); }));
}

Tensor mask6(const Tensor& g, const Tensor& x) {
  check_same_shape("mask6", g, x);
  return record(
      "mask6", pointwise("mask6", Binary::mask6, g, x),
      wrt(g, [x = keep(x.detach())](const Tensor& v) { return mask6(v, x); }));
}

Tensor to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  Tensor y = Tensor::empty(x.shape(), dtype);
  y.assign(x);
  if (!is_float(dtype)) return y;
  return record("to", y, wrt(x, [from = x.dtype()](const Tensor& g) { return to(g, from); }));
}

}  // namespace limpid
