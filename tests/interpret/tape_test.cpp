// tests/interpret/tape_test.cpp: which part of the tape depends on a value, and how.
#include "interpret/saliency/tape.h"

#include "framework/ops/ops.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace limpid;
using namespace limpid::interpret;

TEST_CASE("tape: the nodes between two values, newest first, and which of them are linear") {
  const Tensor x = Tensor::of({1, 2}, {1, 2}).require_gradient();
  const Tensor w = Tensor::of({2, 2}, {1, 2, 3, 4}).require_gradient();
  const Tensor aside = exp(w);  // does not depend on x
  const Tensor y = sum(relu(matmul(x * x, aside)) + x);
  const Between part = between(y, x);
  std::vector<std::string> ops;
  std::vector<bool> linear;
  for (const Node* node : part.nodes) {
    ops.push_back(node->op);
    linear.push_back(is_linear(*node, part));
  }
  CHECK(ops == std::vector<std::string>{"sum_to", "add", "relu", "matmul", "mul"});
  CHECK(linear == std::vector<bool>{true, true, false, true, false});  // x x is a square
  CHECK_FALSE(part.dependent.contains(aside.node().get()));
  CHECK(part.dependent.contains(x.node().get()));
  CHECK(between(sum(w), x).nodes.empty());
}
