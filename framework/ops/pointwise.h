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

/// The same as operators; a number takes part by affine().
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

Tensor sin(const Tensor& x);       // sine, x in radians
Tensor cos(const Tensor& x);       // cosine
Tensor erf(const Tensor& x);       // 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x
Tensor softplus(const Tensor& x);  // log(1 + e^x), for any x without overflow
/// |x|; the derivative at 0 is taken as 0.
Tensor abs(const Tensor& x);
/// x^p for a number p. The derivative p x^(p-1) follows the same rules: NaN where x < 0 and p is
/// not whole; infinite at 0 for p < 1.
Tensor pow(const Tensor& x, double p);
/// min(max(x, low), high); the gradient passes on the closed interval. Throws ValueError unless
/// low <= high.
Tensor clamp(const Tensor& x, double low, double high);
/// The larger of two, element by element, or NaN if either is; where they are equal the gradient
/// goes to a.
Tensor maximum(const Tensor& a, const Tensor& b);
/// The smaller of two, or NaN; where they are equal the gradient goes to a.
Tensor minimum(const Tensor& a, const Tensor& b);

/// x where x > 0, else slope x (Maas et al. 2013); the derivative at 0 is the slope. Not affected
/// by backward rules, like the other smooth or leaky units below.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x where x > 0, else alpha (e^x - 1) (Clevert et al., ICLR 2016).
Tensor elu(const Tensor& x, double alpha = 1);
/// x sigmoid(x), also called swish (Elfwing et al. 2018).
Tensor silu(const Tensor& x);
/// x (1 + erf(x / sqrt(2))) / 2, the exact form (Hendrycks and Gimpel 2016). Rules as for relu6:
/// guided and deconv mask the gradient of the result, which then meets the slope.
Tensor gelu(const Tensor& x);

// Comparisons and step functions: 1 or 0 (sign: -1, 0, 1) in the type of the inputs. Their
// derivative is 0 wherever it exists, so they are not recorded and act as constants.
Tensor less(const Tensor& a, const Tensor& b);           // a < b
Tensor less_equal(const Tensor& a, const Tensor& b);     // a <= b
Tensor greater(const Tensor& a, const Tensor& b);        // a > b
Tensor greater_equal(const Tensor& a, const Tensor& b);  // a >= b
Tensor equal(const Tensor& a, const Tensor& b);          // a == b
Tensor sign(const Tensor& x);                            // NaN stays NaN
/// a where condition > 0, else b; all three broadcast. Linear in a and b.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);

/// g where x > 0, else 0. Linear in g; a step function of x, whose derivative is 0 wherever it
/// exists. The building block of the gradients of rectifiers. Shapes must agree.
Tensor mask(const Tensor& g, const Tensor& x);
/// g where 0 < x < 6, else 0.
Tensor mask6(const Tensor& g, const Tensor& x);

/// The same values in another type: f32 or f64 with gradient, i64 without (truncated).
Tensor to(const Tensor& x, DType dtype);

}  // namespace limpid
