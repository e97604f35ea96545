// tests/support/gradcheck.h: derivatives against central differences, to any order.
//
// For y = f(x) with Jacobian J, a random u shaped like y and a random direction v shaped like x,
//     u . (f(x + h v) - f(x - h v)) / 2h    is compared with    (J^T u) . v
// which the engine gives. The error is |fd - ad| / max(1, |fd|, |ad|). Order n is the same check on
// the function (x, u) -> J^T u of order n - 1, so a single formula covers every order.
//
// All in f64. h = 1e-6, times max(1, |x|) for each element: the difference then carries about
// 1e-12 of truncation and 1e-10 of rounding, far below the 1e-6 that a wrong formula must exceed.
#pragma once

#include "framework/tensor/tensor.h"

#include <functional>
#include <vector>

namespace limpid {

using Inputs = const std::vector<Tensor>&;
using Function = std::function<Tensor(Inputs)>;

struct GradcheckOptions {
  int order = 1;
  int projections = 2;   // random pairs (u, v)
  int jacobian = 400;    // below this many entries, all of them are compared as well
  double step = 1e-6;    // h above; linear functions may take any
  uint64_t seed = 2026;  // of u and v
};

/// The largest error of the derivatives of exactly the given order, at `inputs` (f64; i64 inputs
/// are passed on and not differentiated). A gradient that carries no node counts as zero.
double gradient_error(const Function& f, Inputs inputs, const GradcheckOptions& options = {});

/// (inputs, u) -> J^T u, all gradients flattened and joined: recorded, so that it can be
/// differentiated again.
Function gradient_function(const Function& f);

/// The inputs as leaves of a new graph, sharing the values; i64 inputs stay as they are.
std::vector<Tensor> as_leaves(Inputs inputs);

/// Those of `tensors` that can carry a gradient.
std::vector<Tensor> float_tensors(Inputs tensors);

}  // namespace limpid
