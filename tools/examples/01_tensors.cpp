// tools/examples/01_tensors.cpp: tensors, and gradients of what is computed from them.
#include "framework/framework.h"

#include <cstdio>

using namespace limpid;

int main() {
  // Values have a shape and a type, and do not change after birth
  const Tensor a = Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor row = Tensor::of({1, 3}, {10, 20, 30});
  std::printf("a + row  = %s\n", to_string(a + row).c_str());  // the row is repeated
  std::printf("a a'     = %s\n", to_string(matmul(a, a, {.transpose_b = true})).c_str());

  // A leaf asks for its gradient; what is computed from it is recorded
  const Tensor x = Tensor::of({3}, {1, 2, 3}).require_gradient();
  const Tensor y = sum(x * x * x);
  const Tensor slope = grad(y, x);  // 3 x^2
  std::printf("dy/dx    = %s\n", to_string(slope).c_str());

  // backward() adds up gradients in the leaves themselves, as training does
  Tensor w = Tensor::of({3}, {0.5, 0.5, 0.5}).require_gradient();
  backward(sum(w * x.detach()));
  backward(sum(w * w));
  std::printf("w.grad   = %s\n", to_string(w.gradient()).c_str());  // x + 2 w

  const bool is_right = slope.to_vector() == std::vector<double>{3, 12, 27} &&
                        w.gradient().to_vector() == std::vector<double>{2, 3, 4};
  return is_right ? 0 : 1;
}
