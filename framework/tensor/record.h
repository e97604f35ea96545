// framework/tensor/record.h: the tape. How an op says what its gradients are.
//
//   return record("mul", out, wrt(a, [b = keep(b)](const Tensor& g) { return g * b; }), ...);
//
// A recorded result has a Node. A node owns one Edge per input that needs a gradient, and an edge
// owns one formula: from the gradient g of the output to the gradient of that input. Formulas are
// written with ops, so they can themselves be recorded, and derivatives of every order exist.
// A node never owns its own value: an activation lives only while some formula keeps it.
// The sweep over this graph is in framework/autograd/grad.h.
#pragma once

#include "framework/core/shape.h"
#include "framework/tensor/tensor.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace limpid {

/// A value captured by a formula. Throws GraphError on use if it was overwritten since.
class Kept {
 public:
  Kept() = default;
  explicit Kept(const Tensor& tensor);
  Kept(const Kept& other);
  Kept(Kept&& other) noexcept;
  Kept& operator=(Kept other) noexcept;
  ~Kept();

  bool defined() const { return tensor_.defined(); }
  operator const Tensor&() const;  // implicit, so that formulas read like mathematics
  const Tensor& operator*() const { return *this; }
  const Tensor* operator->() const { return &static_cast<const Tensor&>(*this); }

 private:
  Tensor tensor_;
  uint64_t writes_ = 0;
};
inline Kept keep(const Tensor& tensor) { return Kept(tensor); }

/// Thrown when a kept value was overwritten; the sweep adds the name of the op.
class OverwrittenError : public GraphError {
 public:
  using GraphError::GraphError;
};

/// Vector-Jacobian product of one input: a move-only owner of `Tensor(g)` or `Tensor(g, out)`.
/// The output is handed in and never captured, because capturing it would be a cycle.
/// Formulas of pointwise ops fit inside, so recording one costs no allocation of its own.
class Vjp {
 public:
  Vjp() = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, Vjp>) explicit Vjp(F formula) {
    if constexpr (sizeof(F) <= kInside && alignof(F) <= alignof(void*)) {
      ::new (place()) F(std::move(formula));
      actions_ = &kActions<F>;
    } else {
      ::new (place()) Boxed<F>{std::make_unique<F>(std::move(formula))};
      actions_ = &kActions<Boxed<F>>;
    }
  }
  Vjp(Vjp&& other) noexcept { take(other); }
  Vjp& operator=(Vjp&& other) noexcept {
    clear();
    take(other);
    return *this;
  }
  ~Vjp() { clear(); }

  Tensor operator()(const Tensor& g, const Tensor& out) const {
    return actions_->call(place(), g, out);
  }

  template <class F>
  static constexpr bool kWantsOut = std::is_invocable_v<const F&, const Tensor&, const Tensor&>;

 private:
  static constexpr size_t kInside = 80;  // bytes: one Kept and one Shape

  template <class F>
  struct Boxed {
    std::unique_ptr<F> formula;
    Tensor operator()(const Tensor& g, const Tensor& out) const { return invoke(*formula, g, out); }
  };
  template <class F>
  static Tensor invoke(const F& formula, const Tensor& g, const Tensor& out) {
    if constexpr (kWantsOut<F>) {
      return formula(g, out);
    } else {
      return formula(g);
    }
  }

  // What can be done with a formula whose type is forgotten
  struct Actions {
    Tensor (*call)(const void* formula, const Tensor& g, const Tensor& out);
    void (*move)(void* from, void* to) noexcept;  // leaves nothing to destroy at `from`
    void (*destroy)(void* formula) noexcept;
  };
  template <class F>
  static constexpr Actions kActions = {
      [](const void* f, const Tensor& g, const Tensor& out) {
        return invoke(*static_cast<const F*>(f), g, out);
      },
      [](void* from, void* to) noexcept {
        ::new (to) F(std::move(*static_cast<F*>(from)));
        static_cast<F*>(from)->~F();
      },
      [](void* f) noexcept { static_cast<F*>(f)->~F(); }};

  void* place() { return bytes_; }
  const void* place() const { return bytes_; }
  void take(Vjp& other) noexcept {
    actions_ = std::exchange(other.actions_, nullptr);
    if (actions_ != nullptr) actions_->move(other.place(), place());
  }
  void clear() noexcept {
    if (actions_ != nullptr) actions_->destroy(place());
    actions_ = nullptr;
  }

  const Actions* actions_ = nullptr;
  alignas(void*) std::byte bytes_[kInside];
};

struct Edge {
  std::shared_ptr<Node> input;
  Vjp formula;
};

/// The place of one value in the graph.
struct Node : std::enable_shared_from_this<Node> {
  enum class State : uint8_t { leaf, recorded, released };

  const char* op;     // "conv2d", for messages and graph printing
  uint64_t sequence;  // creation order; inputs are always older than outputs
  Shape shape;
  DType dtype;
  State state = State::leaf;
  std::vector<Edge> edges;           // empty for leaves and after release
  Kept out;                          // only if a formula takes (g, out); without its node
  std::unique_ptr<Tensor> gradient;  // leaves only, filled by backward()

  // Scratch of the sweep in progress (grad.cpp)
  uint64_t sweep = 0;   // the last sweep that visited this node
  bool needed = false;  // a wanted node can be reached from here
  bool wanted = false;  // the sweep returns this node's gradient
  Tensor upstream;      // the gradient collected so far

  Node(const char* name, const Shape& s, DType d);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Drops edges and kept values; a second backward through it then throws.
  void release();
};

/// The node of a leaf: no edges.
std::shared_ptr<Node> make_leaf(const Shape& shape, DType dtype);

// ---- The three thread-local settings of the tape, changed only by scope objects ----
// The fourth of the library, which gates are in force, is in gates.h.

/// Switches recording on or off for a scope.
class Recording {
 public:
  explicit Recording(bool on);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  static bool is_on();

 private:
  bool before_;
};

/// How a rectifier passes a gradient back. A gelu counts as open where its input is positive and
/// keeps its own slope there. Under guided and deconv the weights of attention are constants, so
/// that attention passes a gradient on to its values alone.
enum class ReluRule : uint8_t {
  standard,  // where the input was positive
  guided,    // and only where the gradient is positive (Springenberg et al. 2015)
  deconv,    // only where the gradient is positive (Zeiler and Fergus 2014)
};
/// What the rule applies to: relu_only leaves relu6, gelu and attention standard.
enum class ReluScope : uint8_t { all, relu_only };

struct BackwardRules {
  ReluRule relu = ReluRule::standard;
  ReluScope scope = ReluScope::all;
  /// Batch norm: the mean and the deviation of the batch are constants, as running ones are. The
  /// gradient is then that of the network of evaluation, g gamma s, at the batch's statistics.
  bool holds_statistics = false;
};
/// The rules of the backward pass in progress on this thread.
const BackwardRules& backward_rules();

/// Puts rules in force for a scope; the engine does so for each pass.
class RuleScope {
 public:
  explicit RuleScope(const BackwardRules& rules);
  ~RuleScope();
  RuleScope(const RuleScope&) = delete;
  RuleScope& operator=(const RuleScope&) = delete;

 private:
  BackwardRules before_;
};

/// Sees what ops make, on the thread it watches: for checks, measurements and explanations.
class Observer {
 public:
  virtual ~Observer() = default;
  /// An op has made `value`, recorded or not.
  virtual void on_result(const char* op, const Tensor& value) = 0;
  /// A formula of `op` is about to run; what ops make until on_gradient() belongs to it.
  virtual void before_gradient(const char*) {}
  /// A formula of `op` has made the gradient of one of its inputs.
  virtual void on_gradient(const char* op, const Tensor& gradient) = 0;
};

/// Lets an observer watch for a scope; it must outlive the scope.
class Observing {
 public:
  explicit Observing(Observer& observer);
  ~Observing();
  Observing(const Observing&) = delete;
  Observing& operator=(const Observing&) = delete;
  /// The observer of this thread, or null.
  static Observer* current();

 private:
  Observer* before_;
};

// ---- record() ----

/// "With respect to `input`, the gradient is formula(g)."
template <class F>
struct Wrt {
  const Tensor& input;
  F formula;
};
template <class F>
Wrt<F> wrt(const Tensor& input, F formula) {
  return {input, std::move(formula)};
}

/// An input through which no gradient may flow: a sweep that reaches it throws GraphError.
inline auto not_differentiable(const Tensor& input, const char* op) {
  return wrt(input, [op](const Tensor&) -> Tensor {
    throw GraphError(std::string(op) + ": has no derivative with respect to this input");
  });
}

namespace detail {

template <class F>
void add_edge(std::vector<Edge>& edges, bool& wants_out, Wrt<F>& rule) {
  if (!rule.input.requires_gradient()) return;
  wants_out |= Vjp::kWantsOut<F>;
  edges.push_back({rule.input.node(), Vjp(std::move(rule.formula))});
}

/// Gives `out` a recorded node with these edges.
Tensor attach(const char* op, Tensor out, std::vector<Edge> edges, bool wants_out);

}  // namespace detail

/// Returns `out`, recorded as the result of `op` if recording is on and some input requires a
/// gradient. `out` must have been made for this call. Frozen inputs store nothing.
template <class... Fs>
Tensor record(const char* op, Tensor out, Wrt<Fs>... rules) {
  if (Observer* observer = Observing::current()) observer->on_result(op, out);
  if (!Recording::is_on()) return out;
  const int needed = (0 + ... + int{rules.input.requires_gradient()});
  if (needed == 0) return out;
  std::vector<Edge> edges;
  edges.reserve(static_cast<size_t>(needed));
  bool wants_out = false;
  (detail::add_edge(edges, wants_out, rules), ...);
  return detail::attach(op, std::move(out), std::move(edges), wants_out);
}

/// The same for a list of inputs of one kind (concat, stack).
Tensor record_all(const char* op, Tensor out, std::vector<std::pair<Tensor, Vjp>> rules);

}  // namespace limpid
