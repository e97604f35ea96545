// interpret/saliency/tape.cpp: one walk down to collect, one walk up to keep what reaches x.
#include "interpret/saliency/tape.h"

#include <algorithm>
#include <set>

namespace limpid::interpret {

std::vector<Node*> nodes_between(const Tensor& y, const Tensor& x) {
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
  std::set<const Node*> reaches = {end};
  std::vector<Node*> between;
  for (Node* node : found) {
    const bool depends = std::any_of(node->edges.begin(), node->edges.end(), [&](const Edge& e) {
      return reaches.contains(e.input.get());
    });
    if (!depends) continue;
    reaches.insert(node);
    between.push_back(node);
  }
  std::reverse(between.begin(), between.end());
  return between;
}

}  // namespace limpid::interpret
