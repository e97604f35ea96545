// interpret/coreset/deepfool.cpp: all classes of a batch at once, for as long as any input stays.
#include "interpret/coreset/deepfool.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace limpid::interpret {
namespace {

// Logits at some inputs, and their slopes by class.
struct Linearised {
  std::vector<double> logits;               // [m, K]
  std::vector<std::vector<double>> slopes;  // [K][m, D]
  std::vector<int64_t> predicted;           // [m]
  int64_t classes = 0;
};

Linearised linearise(Module& model, const Tensor& inputs) {
  const Recording on(true);
  Tensor x = inputs.detach();
  x.require_gradient();
  Pass pass;
  const Tensor logits = model(x, pass);
  check_shape(logits.rank() == 2, "deepfool", "needs logits [n, K], got ", logits.shape());
  Linearised result{
      .logits = logits.to_vector(),
      .slopes = {},
      .predicted = to_integers(arg_max(logits.detach(), 1)),
      .classes = logits.size(1)};
  for (int64_t k = 0; k < result.classes; ++k) {
    result.slopes.push_back(grad(sum(slice(logits, 1, k, k + 1)), x).to_vector());
  }
  return result;
}

// The step r of one input away from class c; empty if no slope differs.
std::vector<double> step_away(const Linearised& at, size_t input, int64_t c, size_t D) {
  const auto K = static_cast<size_t>(at.classes);
  const auto own = static_cast<size_t>(c);
  std::vector<double> best;
  double nearest = std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < K; ++k) {
    if (k == own) continue;
    std::vector<double> w(D);
    double square = 0;
    for (size_t i = 0; i < D; ++i) {
      w[i] = at.slopes[k][input * D + i] - at.slopes[own][input * D + i];
      square += w[i] * w[i];
    }
    const double f = std::abs(at.logits[input * K + k] - at.logits[input * K + own]);
    if (square == 0 || !(f / std::sqrt(square) < nearest)) continue;
    nearest = f / std::sqrt(square);
    for (double& value : w) value *= f / square;
    best = std::move(w);
  }
  return best;
}

double length(const std::vector<double>& r) {
  return std::sqrt(std::inner_product(r.begin(), r.end(), r.begin(), 0.0));
}

std::vector<double> batch_distances(Module& model, const Tensor& inputs, const DeepFoolOptions& o) {
  const auto n = static_cast<size_t>(inputs.size(0));
  const auto D = static_cast<size_t>(inputs.numel()) / n;
  const std::vector<double> start = inputs.to_vector();
  std::vector<std::vector<double>> r(n, std::vector<double>(D));
  std::vector<double> result(n, std::numeric_limits<double>::infinity());
  std::vector<int64_t> first;  // class of each input before it moves
  std::vector<size_t> active(n);
  std::iota(active.begin(), active.end(), size_t{0});
  for (int64_t step = 0; step <= o.max_steps && !active.empty(); ++step) {
    // The inputs that still keep their class, moved
    std::vector<double> moved;
    for (const size_t i : active) {
      for (size_t k = 0; k < D; ++k) {
        moved.push_back(start[i * D + k] + (1 + o.overshoot) * r[i][k]);
      }
    }
    const Shape shape = inputs.shape().with(0, std::ssize(active));
    const Linearised at = linearise(model, Tensor::of(shape, moved, inputs.dtype()));
    if (step == 0) first = at.predicted;
    std::vector<size_t> still;
    for (size_t m = 0; m < active.size(); ++m) {
      const size_t i = active[m];
      if (at.predicted[m] != first[i]) {
        result[i] = length(r[i]);
        continue;
      }
      const std::vector<double> away = step_away(at, m, first[i], D);
      if (away.empty()) continue;
      for (size_t k = 0; k < D; ++k) r[i][k] += away[k];
      still.push_back(i);
    }
    active = std::move(still);
  }
  return result;
}

}  // namespace

std::vector<double> deepfool_distances(
    Module& model, const Tensor& inputs, const DeepFoolOptions& o) {
  constexpr int64_t kBatch = 100;
  check_shape(
      inputs.rank() >= 2 && inputs.size(0) > 0, "deepfool", "needs inputs [n, ...], got ",
      inputs.shape());
  check_value(
      o.max_steps >= 1 && o.overshoot >= 0, "deepfool", "max_steps ", o.max_steps, " or overshoot ",
      o.overshoot, " is out of range");
  std::vector<double> result;
  for (int64_t begin = 0; begin < inputs.size(0); begin += kBatch) {
    const int64_t end = std::min(inputs.size(0), begin + kBatch);
    const auto part = batch_distances(model, slice(inputs, 0, begin, end), o);
    result.insert(result.end(), part.begin(), part.end());
  }
  return result;
}

}  // namespace limpid::interpret
