// tools/examples/02_gradient_of_gradient.cpp: a gradient is a tensor like any other, so it has one.
#include "framework/framework.h"

#include <cmath>
#include <cstdio>

using namespace limpid;

int main() {
  // f = x^4: f' = 4 x^3, f'' = 12 x^2, f''' = 24 x
  const Tensor x = Tensor::scalar(3, DType::f64).require_gradient();
  const Tensor f = x * x * x * x;
  const Tensor first = grad(f, x, {.create_graph = true});
  const Tensor second = grad(first, x, {.create_graph = true});
  const Tensor third = grad(second, x);
  std::printf("f' %g  f'' %g  f''' %g\n", first.item(), second.item(), third.item());

  // A Hessian times a vector, without the Hessian: d/dx <df/dx, v>
  Rng rng(0);
  const Tensor A = Tensor::normal({4, 4}, rng, 0, 1, DType::f64);
  const Tensor z = Tensor::normal({4, 1}, rng, 0, 1, DType::f64).require_gradient();
  const Tensor v = Tensor::normal({4, 1}, rng, 0, 1, DType::f64);
  const Tensor q = sum(z * matmul(A, z));  // z'Az, Hessian A + A'
  const Tensor product = grad(sum(grad(q, z, {.create_graph = true}) * v), z);
  const Tensor expected = matmul(A + transpose(A), v);
  const double error = norm(product - expected, {0, 1}).item();
  std::printf("|Hv - (A + A')v| = %.1e\n", error);
  return first.item() == 108 && second.item() == 108 && third.item() == 72 && error < 1e-12 ? 0 : 1;
}
