// tests/support/gradcheck.cpp: random projections, full Jacobians, and the recursion over orders.
#include "tests/support/gradcheck.h"

#include "framework/autograd/grad.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "tests/support/compare.h"

#include <algorithm>
#include <cmath>

namespace limpid {
namespace {

// One vector per float input.
using Direction = std::vector<std::vector<double>>;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double total = 0;
  for (size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

double dot(const Direction& a, const Direction& b) {
  double total = 0;
  for (size_t i = 0; i < a.size(); ++i) total += dot(a[i], b[i]);
  return total;
}

// The inputs moved by t along v; float inputs only.
std::vector<Tensor> moved(Inputs inputs, const Direction& v, double t) {
  std::vector<Tensor> result;
  size_t k = 0;
  for (const Tensor& x : inputs) {
    if (!is_float(x.dtype())) {
      result.push_back(x);
      continue;
    }
    std::vector<double> values = x.to_vector();
    for (size_t i = 0; i < values.size(); ++i) values[i] += t * v[k][i];
    result.push_back(Tensor::of(x.shape(), values, DType::f64));
    ++k;
  }
  return result;
}

// J v by a central difference.
std::vector<double> forward_difference(
    const Function& f, Inputs inputs, const Direction& v, double step) {
  std::vector<double> change = f(moved(inputs, v, step)).to_vector();
  const std::vector<double> below = f(moved(inputs, v, -step)).to_vector();
  for (size_t i = 0; i < change.size(); ++i) change[i] = (change[i] - below[i]) / (2 * step);
  return change;
}

// J^T u from the engine, for a graph that was recorded once.
Direction engine_gradient(const Tensor& y, const std::vector<Tensor>& leaves, const Tensor& u) {
  Direction result;
  if (!y.requires_gradient()) {
    for (const Tensor& x : leaves) {
      result.emplace_back(static_cast<size_t>(x.numel()), 0.0);
    }
    return result;
  }
  for (const Tensor& g : grad(y, leaves, {.seed = u})) result.push_back(g.to_vector());
  return result;
}

Direction zero_direction(const std::vector<Tensor>& leaves) {
  Direction v;
  for (const Tensor& x : leaves) v.emplace_back(static_cast<size_t>(x.numel()), 0.0);
  return v;
}

double step_factor(double x) { return std::max(1.0, std::abs(x)); }

// Every entry of the Jacobian: rows from the engine, columns from differences.
double jacobian_error(
    const Function& f, Inputs inputs, const Tensor& y, const std::vector<Tensor>& leaves,
    double step) {
  std::vector<Direction> rows;
  for (int64_t i = 0; i < y.numel(); ++i) {
    std::vector<double> unit(static_cast<size_t>(y.numel()), 0.0);
    unit[static_cast<size_t>(i)] = 1;
    rows.push_back(engine_gradient(y, leaves, Tensor::of(y.shape(), unit, DType::f64)));
  }
  double worst = 0;
  for (size_t k = 0; k < leaves.size(); ++k) {
    const std::vector<double> x = leaves[k].to_vector();
    for (size_t j = 0; j < x.size(); ++j) {
      Direction v = zero_direction(leaves);
      v[k][j] = step_factor(x[j]);
      const std::vector<double> column = forward_difference(f, inputs, v, step);
      for (size_t i = 0; i < column.size(); ++i) {
        worst = std::max(worst, relative_error(column[i] / v[k][j], rows[i][k][j]));
      }
    }
  }
  return worst;
}

}  // namespace

std::vector<Tensor> float_tensors(Inputs tensors) {
  std::vector<Tensor> result;
  for (const Tensor& t : tensors) {
    if (is_float(t.dtype())) result.push_back(t);
  }
  return result;
}

std::vector<Tensor> as_leaves(Inputs inputs) {
  std::vector<Tensor> leaves;
  for (const Tensor& x : inputs) {
    leaves.push_back(is_float(x.dtype()) ? x.detach().require_gradient() : x);
  }
  return leaves;
}

Function gradient_function(const Function& f) {
  return [f](Inputs t) {
    const Tensor& u = t.back();
    std::vector<Tensor> inputs(t.begin(), t.end() - 1);
    for (Tensor& x : inputs) {
      if (is_float(x.dtype()) && !x.requires_gradient()) x = x.detach().require_gradient();
    }
    const std::vector<Tensor> wanted = float_tensors(inputs);
    const Tensor y = f(inputs);

    // All gradients as one vector
    std::vector<Tensor> gradients;
    if (y.requires_gradient()) {
      gradients = grad(y, wanted, {.create_graph = true, .seed = u});
    } else {
      for (const Tensor& x : wanted) gradients.push_back(Tensor::zeros(x.shape(), DType::f64));
    }
    for (Tensor& g : gradients) g = reshape(g, {g.numel()});
    return concat(gradients, 0);
  };
}

double gradient_error(const Function& f, Inputs inputs, const GradcheckOptions& o) {
  Rng rng(o.seed);
  const auto random_like = [&](const Tensor& t) {
    return Tensor::normal(t.shape(), rng, 0, 1, DType::f64);
  };
  const std::vector<Tensor> given = as_leaves(inputs);
  const std::vector<Tensor> leaves = float_tensors(given);
  const Tensor y = f(given);

  // One order up: the same check on (inputs, u) -> J^T u
  if (o.order > 1) {
    std::vector<Tensor> with_seed = inputs;
    with_seed.push_back(random_like(y));
    GradcheckOptions lower = o;
    --lower.order;
    ++lower.seed;
    return gradient_error(gradient_function(f), with_seed, lower);
  }

  double worst = 0;
  for (int i = 0; i < o.projections; ++i) {
    const Tensor u = random_like(y);
    Direction v;
    for (const Tensor& x : leaves) {
      v.push_back(random_like(x).to_vector());
      const std::vector<double> values = x.to_vector();
      for (size_t j = 0; j < values.size(); ++j) v.back()[j] *= step_factor(values[j]);
    }
    const double by_difference = dot(u.to_vector(), forward_difference(f, inputs, v, o.step));
    const double by_engine = dot(engine_gradient(y, leaves, u), v);
    worst = std::max(worst, relative_error(by_difference, by_engine));
  }
  int64_t inputs_size = 0;
  for (const Tensor& x : leaves) inputs_size += x.numel();
  if (inputs_size * y.numel() < o.jacobian) {
    worst = std::max(worst, jacobian_error(f, inputs, y, leaves, o.step));
  }
  return worst;
}

}  // namespace limpid
