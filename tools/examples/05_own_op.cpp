// tools/examples/05_own_op.cpp: an op of your own: a value and a formula for its gradient.
#include "framework/framework.h"
#include "framework/tensor/record.h"

#include <cmath>
#include <cstdio>

using namespace limpid;

namespace {

// log cosh x, a smooth |x|, with slope tanh x. The formula is made of ops, so the second derivative
// comes of itself. In the library the value would be one line in framework/kernels/
// elementwise.inl.h, and the op would have its row in tests/ops/op_table_units.cpp,
//
//     unary("log_cosh", log_cosh, [](double x) { return std::log(std::cosh(x)); }),
//
// which puts it through all checks of the table, gradients of order 1 and 2 among them.
Tensor log_cosh(const Tensor& x) {
  Tensor value = Tensor::empty(x.shape(), x.dtype());
  const double* in = x.data<double>();
  double* out = value.mutable_data<double>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    out[i] = std::abs(in[i]) + std::log1p(std::exp(-2 * std::abs(in[i]))) - std::log(2);
  }
  return record("log_cosh", value, wrt(x, [x = keep(x)](const Tensor& g) { return g * tanh(x); }));
}

// The difference quotient of f at x, element by element
double quotient(double (*f)(double), double x) {
  const double h = 1e-5;
  return (f(x + h) - f(x - h)) / (2 * h);
}

}  // namespace

int main() {
  const Tensor x = Tensor::of({3}, {-2, 0.5, 3}, DType::f64).require_gradient();
  const Tensor y = log_cosh(x);
  const Tensor first = grad(sum(y), x, {.create_graph = true});
  const Tensor second = grad(sum(first), x);

  double error = 0;
  for (int64_t i = 0; i < 3; ++i) {
    const double at = x.data<double>()[i];
    const auto value = [](double v) { return std::log(std::cosh(v)); };
    const auto slope = [](double v) { return std::tanh(v); };
    error = std::max(error, std::abs(first.data<double>()[i] - quotient(value, at)));
    error = std::max(error, std::abs(second.data<double>()[i] - quotient(slope, at)));
  }
  std::printf(
      "log cosh %s\nslopes   %s\nlargest error against differences %.1e\n",
      to_string(y.detach()).c_str(), to_string(first.detach()).c_str(), error);
  return error < 1e-9 ? 0 : 1;
}
