// interpret/shallow/piecewise_linear.h: a network as affine stages with a rectifier between them.
//
//   symbol   code           shape              meaning
//   x        inputs         [n]                one example, flattened
//   h^(l)                   [n_l]              units of hidden stage l; h^(0) = x
//   z^(l)    AffineStage    [n_l]              sum_k W^(l,k) h^(k) + b^(l), earlier stages k < l
//   P        Pattern        [N]                P_i = 1 where z_i > 0 (strict: 0 is off)
//   A, d     LocalMap       [rows, n], [rows]  z^(l) = A x + d wherever the pattern is P
//
//   h^(l) = relu(z^(l)),   f(x) = z^(L+1)
//
// A plain multilayer network has the one block k = l - 1; residual sums and concatenations have
// more. Whatever else is piecewise linear is written with rectifiers:
//   leaky_relu(z, s) = s z + (1 - s) relu(z)      abs(z) = relu(z) + relu(-z)
//   relu6(z) = relu(z) - relu(z - 6)              max(a, b) = a + relu(b - a), windows by halves
//   clamp(z, l, h) = m - relu(m - h), m = l + relu(z - l); hard-tanh has l, h = -1, 1
//
// Paper    Any Deep ReLU Network is Shallow (arXiv 2306.11827); the maps are Theorem 1, equations
//          (12) and (13) of Sudjianto et al. (arXiv 2011.04041).
#pragma once

#include "framework/nn/module.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// W^(l,k), row-major [rows of the stage, units of stage k].
struct AffineBlock {
  int64_t source = 0;  // k; 0 is the input
  std::vector<double> weight;
};

struct AffineStage {
  int64_t rows = 0;
  std::vector<AffineBlock> blocks;  // by source, ascending
  std::vector<double> bias;         // [rows]
};

/// One byte per hidden unit, stage by stage: 1 on, 0 off.
using Pattern = std::vector<uint8_t>;

/// v = weight x + bias
struct LocalMap {
  int64_t rows = 0;
  std::vector<double> weight;  // [rows, n]
  std::vector<double> bias;    // [rows]
};

/// A network as affine stages, with a rectifier after each hidden one.
class PiecewiseLinear {
 public:
  /// Throws ShapeError if sizes do not fit, ValueError if a number is not finite.
  PiecewiseLinear(int64_t inputs, std::vector<AffineStage> hidden, AffineStage output);

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return output_.rows; }
  const std::vector<AffineStage>& hidden() const { return hidden_; }
  const AffineStage& output() const { return output_; }
  /// N, the number of hidden units.
  int64_t units() const { return units_; }

  std::vector<double> operator()(std::span<const double> x) const;
  Pattern pattern(std::span<const double> x) const;
  /// The map of the output where the pattern is P.
  LocalMap local_map(const Pattern& pattern) const;
  /// The maps z^(1) ... z^(L), f where the pattern is P, before their rectifier.
  std::vector<LocalMap> stage_maps(const Pattern& pattern) const;
  /// One row of local_map().weight [n], by the chain rule from the output back: no earlier map.
  std::vector<double> gradient(const Pattern& pattern, int64_t output) const;

 private:
  int64_t inputs_;
  std::vector<AffineStage> hidden_;
  AffineStage output_;
  int64_t units_ = 0;
};

/// The map of a stage where earlier units are on as the pattern says, from the maps of all earlier
/// stages (before their rectifier). `weight` and `bias` as in LocalMap.
LocalMap stage_map(
    const AffineStage& stage, int64_t inputs, std::span<const LocalMap* const> earlier,
    std::span<const uint8_t* const> earlier_on);

/// W^(l) [n_l, n_(l-1)] row-major and b^(l) of a plain multilayer network, the last one its output.
struct DenseLayer {
  int64_t rows = 0;
  std::vector<double> weight;
  std::vector<double> bias;
};
PiecewiseLinear multilayer(int64_t inputs, const std::vector<DenseLayer>& layers);

/// The form above of a network in evaluation mode, read off the tape of one pass: linear ops are
/// followed by their own derivatives, one row at a time, so every linear op of the framework may
/// occur. Stages are dense, so this is for small networks.
/// Throws DTypeError unless the network computes in f64, ValueError if a weight is not finite, for
/// an op that is not piecewise linear (naming it) and above `max_numbers` entries of a matrix.
PiecewiseLinear piecewise_linear(
    Module& model, const Shape& example, int64_t max_numbers = int64_t{1} << 26);

}  // namespace limpid::interpret
