// framework/tensor/gates.h: holding what piecewise linear ops decided in one pass through another.
//
//   Gates gates;
//   const Tensor y = gates.record([&] { return f(x); });
//   const Tensor z = gates.hold([&] { return f(x + h * u); });  // by the gates f had at x
//
// A rectifier asks for the sign of its input, a max-pool for the position of the largest: its gate.
// Given its gates, such an op is linear. Derivatives of every order hold the gates fixed, so they
// are those of f with its gates held, which is smooth where f itself has kinks.
//
// Gates are kept by relu, relu6, leaky_relu, elu, abs, maximum, minimum, clamp, max, max_pool2d and
// the hinge loss, one each, in the order of execution. What a caller decides with comparisons,
// arg_max or arg_sort, and backward formulas, are not held. Without record() or hold() in progress
// on the thread, an op tests one pointer.
#pragma once

#include "framework/core/shape.h"
#include "framework/tensor/record.h"
#include "framework/tensor/tensor.h"

#include <cstddef>
#include <vector>

namespace limpid {

/// The gates of a pass, which stay in memory as long as this: one activation per rectifier.
class Gates {
 public:
  /// f(), whose gates are written down in place of those from before.
  template <class F>
  auto record(F f);
  /// f(), by the gates that were written down: the same ops over inputs of the same shapes. Over
  /// the same finite inputs it is what record() gave, but for the sign of a zero. Throws GraphError
  /// if an op or a shape does not fit, or gates are left over.
  template <class F>
  auto hold(F f) const;

  size_t size() const { return gates_.size(); }

 private:
  friend class GateScope;
  struct Gate {
    const char* op;
    Shape input;
    Kept value;
  };
  std::vector<Gate> gates_;
};

/// Puts gates in force for a scope; record() and hold() do so for a pass.
class GateScope {
 public:
  explicit GateScope(Gates& writes);
  explicit GateScope(const Gates& holds);
  ~GateScope();
  GateScope(const GateScope&) = delete;
  GateScope& operator=(const GateScope&) = delete;

  /// The scope of this thread, or null.
  static GateScope* current();
  bool holds() const { return held_ != nullptr; }
  void add(const char* op, const Shape& input, const Tensor& gate);
  const Tensor& next(const char* op, const Shape& input);
  void check_used() const;

 private:
  Gates* written_ = nullptr;
  const Gates* held_ = nullptr;
  size_t used_ = 0;
  GateScope* before_;
};

template <class F>
auto Gates::record(F f) {
  gates_.clear();
  const GateScope scope(*this);
  return f();
}

template <class F>
auto Gates::hold(F f) const {
  const GateScope scope(*this);
  const auto result = f();
  scope.check_used();
  return result;
}

// ---- For ops ----

/// The gate that `op` has to use, or an undefined tensor: decide, and note_gate() it.
inline Tensor held_gate(const char* op, const Shape& input) {
  GateScope* scope = GateScope::current();
  return scope != nullptr && scope->holds() ? scope->next(op, input) : Tensor();
}
/// Writes a gate down if gates are recorded.
inline void note_gate(const char* op, const Shape& input, const Tensor& gate) {
  GateScope* scope = GateScope::current();
  if (scope != nullptr && !scope->holds()) scope->add(op, input, gate);
}
/// The gate in force, which is decide() unless one is held.
template <class F>
Tensor gate_of(const char* op, const Shape& input, F decide) {
  GateScope* scope = GateScope::current();
  if (scope == nullptr) return decide();
  if (scope->holds()) return scope->next(op, input);
  const Tensor gate = decide();
  scope->add(op, input, gate);
  return gate;
}

}  // namespace limpid
