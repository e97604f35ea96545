// interpret/saliency/tape.cpp: one walk down to collect, one walk up to keep what reaches x.
#include "interpret/saliency/tape.h"

#include <algorithm>
#include <string>

namespace limpid::interpret {

Between between(const Tensor& y, const Tensor& x) {
  const Node* end = x.node().get();

  // All nodes below y that are younger than x
  std::set<Node*> seen = {y.node().get()};
  std::vector<Node*> found = {y.node().get()};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const Edge& edge : found[i]->edges) {
      Node* input = edge.input.get();
      if (input->sequence > end->sequence && seen.insert(input).second) found.push_back(input);
    }
  }
  std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) {
    return a->sequence < b->sequence;
  });

  // Of these, the ones with an input that is x or reaches it
  Between part{.nodes = {}, .dependent = {end}};
  for (Node* node : found) {
    const bool depends = std::any_of(node->edges.begin(), node->edges.end(), [&](const Edge& e) {
      return part.dependent.contains(e.input.get());
    });
    if (!depends) continue;
    part.dependent.insert(node);
    part.nodes.push_back(node);
  }
  std::reverse(part.nodes.begin(), part.nodes.end());
  return part;
}

bool is_linear(const Node& node, const Between& part) {
  static const std::set<std::string> sums = {
      "add",
      "sub",
      "neg",
      "affine",
      "sum_to",
      "broadcast_to",
      "reshape",
      "permute",
      "slice",
      "pad",
      "concat",
      "avg_pool2d",
      "adaptive_avg_pool2d",
      "gather",
      "scale_shift",
      "resize_bilinear",
      "resize_nearest"};
  static const std::set<std::string> products = {"mul", "matmul", "conv2d"};
  if (sums.contains(node.op)) return true;
  const auto count = std::count_if(node.edges.begin(), node.edges.end(), [&](const Edge& e) {
    return part.dependent.contains(e.input.get());
  });
  return products.contains(node.op) && count == 1;
}

}  // namespace limpid::interpret
