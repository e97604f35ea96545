// framework/autograd/profile.cpp: reports of ops added up.
#include "framework/autograd/profile.h"

#include <algorithm>

namespace limpid {

double OpProfile::lap() {
  const Clock::time_point now = Clock::now();
  const std::chrono::duration<double, std::milli> passed = now - last_;
  last_ = now;
  return passed.count();
}

void OpProfile::on_result(const char* op, const Tensor& value) {
  if (!counts_ || formulas_ > 0) return;
  Row& row = rows_[op];
  row.forward_ms += lap();
  row.bytes += value.numel() * size_of(value.dtype());
  ++row.calls;
}

void OpProfile::before_gradient(const char*) {
  if (formulas_++ == 0) lap();  // the sweep's own additions are left out
}

void OpProfile::on_gradient(const char* op, const Tensor&) {
  if (--formulas_ > 0 || !counts_) return;
  Row& row = rows_[op];
  row.backward_ms += lap();
  ++row.gradients;
}

std::vector<OpProfile::Row> OpProfile::rows() const {
  std::vector<Row> sorted;
  for (const auto& [op, row] : rows_) {
    sorted.push_back(row);
    sorted.back().op = op;
  }
  const auto cost = [](const Row& row) { return row.forward_ms + row.backward_ms; };
  std::ranges::sort(sorted, [&](const Row& a, const Row& b) {
    return cost(a) != cost(b) ? cost(a) > cost(b) : a.op < b.op;
  });
  return sorted;
}

}  // namespace limpid
