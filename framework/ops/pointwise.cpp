// framework/ops/pointwise.cpp: forward and gradient of the element-by-element ops, side by side.
#include "framework/ops/pointwise.h"

#include "framework/core/error.h"
#include "framework/kernels/elementwise.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/record.h"

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
// contain no rectifier themselves, or a second pass under another rule would change them.
template <class Inside>
Tensor rectifier_gradient(ReluRule rule, const Tensor& g, const Tensor& out, Inside keep_inside) {
  switch (rule) {
    case ReluRule::standard: return keep_inside(g, out);
    case ReluRule::guided: return keep_inside(mask(g, g), out);  // and only where g > 0
    case ReluRule::deconv: return mask(g, g);                    // the input's sign is ignored
  }
  throw GraphError("relu: unknown backward rule");
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

Tensor relu(const Tensor& x) {
  const auto formula = [](const Tensor& g, const Tensor& out) {
    return rectifier_gradient(backward_rules().relu, g, out, mask);
  };
  return record("relu", pointwise("relu", Unary::relu, x), wrt(x, formula));
}

Tensor relu6(const Tensor& x) {
  const auto formula = [](const Tensor& g, const Tensor& out) {
    const BackwardRules& rules = backward_rules();
    const bool applies = rules.scope == ReluScope::all;
    return rectifier_gradient(applies ? rules.relu : ReluRule::standard, g, out, mask6);
  };
  return record("relu6", pointwise("relu6", Unary::relu6, x), wrt(x, formula));
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
