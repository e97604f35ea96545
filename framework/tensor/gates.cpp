// framework/tensor/gates.cpp: the scope in force, and what fits what was written down.
#include "framework/tensor/gates.h"

#include "framework/core/error.h"

#include <cstring>
#include <utility>

namespace limpid {
namespace {

thread_local GateScope* scope_in_force = nullptr;

}  // namespace

GateScope::GateScope(Gates& writes)
    : written_(&writes), before_(std::exchange(scope_in_force, this)) {}

GateScope::GateScope(const Gates& holds)
    : held_(&holds), before_(std::exchange(scope_in_force, this)) {}

GateScope::~GateScope() { scope_in_force = before_; }

GateScope* GateScope::current() { return scope_in_force; }

void GateScope::add(const char* op, const Shape& input, const Tensor& gate) {
  written_->gates_.push_back({op, input, keep(gate.detach())});
}

const Tensor& GateScope::next(const char* op, const Shape& input) {
  check_graph(
      used_ < held_->gates_.size(), op, "gates are held, but all ", used_, " are used (", input,
      ")");
  const Gates::Gate& gate = held_->gates_[used_];
  check_graph(
      std::strcmp(gate.op, op) == 0 && gate.input == input, op, "the gate held for it is of ",
      gate.op, " ", gate.input, " (", input, ", number ", used_, ")");
  ++used_;
  return gate.value;
}

void GateScope::check_used() const {
  check_graph(
      used_ == held_->gates_.size(), "gates", held_->gates_.size(), " are held, but ", used_,
      " were used");
}

}  // namespace limpid
