// interpret/shallow/coalitions.h: one output of a network at 64 coalitions of inputs at a time.
//
// The inputs act through the stages that read them: u = W^(l,0) x + b^(l) of those stages, joined.
// Setting input i from z_i to x_i adds the vector delta_i = W^(.,0) e_i (x_i - z_i) to u, whatever
// else is set, and f is a function of u alone. Vectors are kept unit by unit, one number per lane,
// so that the inner loops run over lanes.
#pragma once

#include "interpret/shallow/piecewise_linear.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// f at 64 coalitions at a time, from u on.
class Coalitions {
 public:
  static constexpr int64_t kLanes = 64;

  /// The first output of the network counts.
  explicit Coalitions(const PiecewiseLinear& net);

  /// Entries of u.
  int64_t rows() const { return rows_; }
  /// Multiplications of one evaluation from u on.
  int64_t operations() const { return operations_; }
  /// u at one point [rows].
  std::vector<double> start(std::span<const double> x) const;
  /// The columns W^(.,0) e_i [n, rows]; input i acts on nothing if its column is 0.
  const std::vector<double>& columns() const { return columns_; }

  struct Scratch {
    std::vector<std::vector<double>> stages;  // [n_l, lanes] each
  };
  /// f of each lane of u [rows, lanes]; `out` [lanes].
  void evaluate(const double* u, double* out, Scratch& scratch) const;

 private:
  const PiecewiseLinear& net_;
  int64_t rows_ = 0;
  int64_t operations_ = 0;
  std::vector<double> columns_;
};

}  // namespace limpid::interpret
