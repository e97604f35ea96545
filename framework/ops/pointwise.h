// framework/ops/pointwise.h: element-by-element arithmetic, with numpy's broadcasting.
//
// Each op shows its formula here and its gradient in pointwise.cpp. Binary ops broadcast: shapes
// are aligned at the last dimension, and sizes agree or one of them is 1; else ShapeError. Types
// are never mixed: DTypeError names both.
#pragma once

#include "framework/tensor/tensor.h"

namespace limpid {

Tensor add(const Tensor& a, const Tensor& b);  // a + b
Tensor sub(const Tensor& a, const Tensor& b);  // a - b
Tensor mul(const Tensor& a, const Tensor& b);  // a b
Tensor div(const Tensor& a, const Tensor& b);  // a / b
Tensor neg(const Tensor& x);                   // -x
/// scale x + shift, with two numbers.
Tensor affine(const Tensor& x, double scale, double shift);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator-(const Tensor& x) { return neg(x); }
inline Tensor operator+(const Tensor& x, double c) { return affine(x, 1, c); }
inline Tensor operator+(double c, const Tensor& x) { return affine(x, 1, c); }
inline Tensor operator-(const Tensor& x, double c) { return affine(x, 1, -c); }
inline Tensor operator-(double c, const Tensor& x) { return affine(x, -1, c); }
inline Tensor operator*(const Tensor& x, double c) { return affine(x, c, 0); }
inline Tensor operator*(double c, const Tensor& x) { return affine(x, c, 0); }
inline Tensor operator/(const Tensor& x, double c) { return affine(x, 1 / c, 0); }

Tensor exp(const Tensor& x);      // e^x
Tensor log(const Tensor& x);      // natural logarithm; log(0) = -inf, log(x < 0) = NaN
Tensor sqrt(const Tensor& x);     // square root; NaN for x < 0
Tensor tanh(const Tensor& x);     // hyperbolic tangent
Tensor sigmoid(const Tensor& x);  // 1 / (1 + e^-x)

/// max(x, 0); the derivative at 0 is taken as 0; NaN passes through.
/// Backward rules (record.h): standard, guided (Springenberg et al. 2015), deconv (Zeiler and
/// Fergus 2014).
Tensor relu(const Tensor& x);
/// min(max(x, 0), 6); the derivative at 0 and at 6 is taken as 0. Rules as for relu, unless the
/// pass limits them to relu (ReluScope).
Tensor relu6(const Tensor& x);

/// g where x > 0, else 0. Linear in g; a step function of x, whose derivative is 0 wherever it
/// exists. The building block of the gradients of rectifiers. Shapes must agree.
Tensor mask(const Tensor& g, const Tensor& x);
/// g where 0 < x < 6, else 0.
Tensor mask6(const Tensor& g, const Tensor& x);

/// The same values in another type: f32 or f64 with gradient, i64 without (truncated).
Tensor to(const Tensor& x, DType dtype);

}  // namespace limpid
