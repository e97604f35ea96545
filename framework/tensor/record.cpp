// framework/tensor/record.cpp: nodes, kept values, and release without recursion.
#include "framework/tensor/record.h"

#include "framework/core/error.h"

#include <atomic>
#include <utility>

namespace limpid {
namespace {

thread_local bool recording_is_on = true;
thread_local BackwardRules rules_in_force;
thread_local Observer* observer_in_force = nullptr;

// Dropping an edge drops its input node, whose edges drop theirs, ...: on a chain of 500,000 ops
// nested destructors would overflow the stack. So only the outermost destructor on a thread
// destroys edges, from this queue; nested ones append to it. A pointer to a local, because a
// static tensor may die after thread-local objects.
thread_local std::vector<Edge>* release_queue = nullptr;

void destroy(std::vector<Edge> edges) {
  if (release_queue != nullptr) {
    for (Edge& edge : edges) release_queue->push_back(std::move(edge));
    return;
  }
  release_queue = &edges;
  while (!edges.empty()) {
    const Edge edge = std::move(edges.back());  // may append to the queue when it goes
    edges.pop_back();
  }
  release_queue = nullptr;
}

uint64_t next_sequence() {
  static std::atomic<uint64_t> counter{0};
  return counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

// ---- Kept ----

Kept::Kept(const Tensor& tensor) : tensor_(tensor), writes_(tensor.buffer().writes()) {
  tensor_.buffer().hold();
}

Kept::Kept(const Kept& other) : tensor_(other.tensor_), writes_(other.writes_) {
  if (tensor_.defined()) tensor_.buffer().hold();
}

Kept::Kept(Kept&& other) noexcept
    : tensor_(std::exchange(other.tensor_, Tensor())), writes_(other.writes_) {}

Kept& Kept::operator=(Kept other) noexcept {
  std::swap(tensor_, other.tensor_);
  std::swap(writes_, other.writes_);
  return *this;
}

Kept::~Kept() {
  if (tensor_.defined()) tensor_.buffer().unhold();
}

Kept::operator const Tensor&() const {
  if (tensor_.buffer().writes() != writes_) {
    throw OverwrittenError("a value it kept was overwritten after the forward pass");
  }
  return tensor_;
}

// ---- Node ----

Node::Node(const char* name, const Shape& s, DType d)
    : op(name), sequence(next_sequence()), shape(s), dtype(d) {}

Node::~Node() {
  if (!edges.empty()) destroy(std::move(edges));
}

void Node::release() {
  state = State::released;
  out = Kept();
  destroy(std::exchange(edges, {}));
}

std::shared_ptr<Node> make_leaf(const Shape& shape, DType dtype) {
  return std::make_shared<Node>("leaf", shape, dtype);
}

// ---- Settings ----

Recording::Recording(bool on) : before_(std::exchange(recording_is_on, on)) {}

Recording::~Recording() { recording_is_on = before_; }

bool Recording::is_on() { return recording_is_on; }

const BackwardRules& backward_rules() { return rules_in_force; }

RuleScope::RuleScope(const BackwardRules& rules) : before_(std::exchange(rules_in_force, rules)) {}

RuleScope::~RuleScope() { rules_in_force = before_; }

Observing::Observing(Observer& observer) : before_(std::exchange(observer_in_force, &observer)) {}

Observing::~Observing() { observer_in_force = before_; }

Observer* Observing::current() { return observer_in_force; }

// ---- record() ----

namespace detail {

Tensor attach(const char* op, Tensor out, std::vector<Edge> edges, bool wants_out) {
  auto node = std::make_shared<Node>(op, out.shape(), out.dtype());
  node->state = Node::State::recorded;
  node->edges = std::move(edges);
  if (wants_out) node->out = keep(out.detach());
  out.set_node(std::move(node));
  return out;
}

}  // namespace detail

Tensor record_all(const char* op, Tensor out, std::vector<std::pair<Tensor, Vjp>> rules) {
  if (Observer* observer = Observing::current()) observer->on_result(op, out);
  if (!Recording::is_on()) return out;
  std::vector<Edge> edges;
  for (auto& [input, formula] : rules) {
    if (input.requires_gradient()) edges.push_back({input.node(), std::move(formula)});
  }
  return edges.empty() ? out : detail::attach(op, std::move(out), std::move(edges), false);
}

}  // namespace limpid
