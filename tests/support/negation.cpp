// tests/support/negation.cpp: walks the graph behind a result and turns one formula around.
#include "tests/support/negation.h"

#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

namespace limpid {

std::vector<Node*> nodes_behind(const Tensor& y) {
  std::set<Node*> seen;
  std::vector<Node*> stack;
  if (y.requires_gradient()) stack.push_back(y.node().get());
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    if (!seen.insert(node).second) continue;
    for (const Edge& edge : node->edges) stack.push_back(edge.input.get());
  }
  std::vector<Node*> nodes(seen.begin(), seen.end());
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) {
    return a->sequence > b->sequence;
  });
  return nodes;
}

int count_edges(const Tensor& y) {
  size_t edges = 0;
  for (const Node* node : nodes_behind(y)) edges += node->edges.size();
  return static_cast<int>(edges);
}

Function with_negated_edge(const Function& f, int k) {
  return [f, k](Inputs inputs) {
    const Tensor y = f(inputs);
    int at = 0;
    for (Node* node : nodes_behind(y)) {
      for (Edge& edge : node->edges) {
        if (at++ != k) continue;
        const auto formula = std::make_shared<Vjp>(std::move(edge.formula));
        edge.formula =
            Vjp([formula](const Tensor& g, const Tensor& out) { return -(*formula)(g, out); });
      }
    }
    return y;
  };
}

}  // namespace limpid
