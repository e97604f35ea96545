// framework/autograd/profile.h: where the time of a step goes, op by op.
//
//     OpProfile profile;
//     const Observing watch(profile);
//     profile.restart();                                 // what came before is nobody's
//     backward(cross_entropy(model(x, pass), labels));
//     for (const OpProfile::Row& row : profile.rows()) ...
//
// An op reports when it is done, so its forward time is the time since the report before. A formula
// reports both ends; what it calls is counted as its own.
#pragma once

#include "framework/tensor/record.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace limpid {

/// Calls, times and bytes of each op, while it is watched.
class OpProfile : public Observer {
 public:
  struct Row {
    std::string op;
    int64_t calls = 0;       // forward
    double forward_ms = 0;   // milliseconds, all calls
    double backward_ms = 0;  // of all formulas of the op
    int64_t bytes = 0;       // of all forward results
    int64_t gradients = 0;   // formulas run
  };

  /// Counts from now on, without the time since the last report: call it before a forward pass.
  void restart() {
    counts_ = true;
    last_ = Clock::now();
  }
  /// Counts nothing until restart(): call it before an evaluation.
  void stop() { counts_ = false; }
  /// One row per op, the most expensive first.
  std::vector<Row> rows() const;

  void on_result(const char* op, const Tensor& value) override;
  void before_gradient(const char* op) override;
  void on_gradient(const char* op, const Tensor& gradient) override;

 private:
  using Clock = std::chrono::steady_clock;
  double lap();  // milliseconds since the last report

  std::unordered_map<std::string, Row> rows_;
  Clock::time_point last_ = Clock::now();
  bool counts_ = true;
  int formulas_ = 0;  // running; formulas of a checkpoint() run inside one another
};

}  // namespace limpid
