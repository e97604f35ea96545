// interpret/numerics/gromov.cpp: steps along L(T).
#include "interpret/numerics/gromov.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/masses.h"
#include "interpret/numerics/sinkhorn.h"
#include "interpret/numerics/transport.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

double inner(const Tensor& A, const Tensor& B) { return sum(A * B).item(); }

void check_space(const char* op, const Tensor& C) {
  check_costs(op, C);
  check_shape(C.size(0) == C.size(1), op, "needs square matrices, got ", C.shape());
  check_value(
      inner(abs(C - transpose(C)), Tensor::ones(C.shape(), DType::f64)) == 0, op,
      "a matrix is not symmetric");
}

// C and D with the part of L(T) that is the same for all T of these masses.
struct Spaces {
  Tensor C, D;
  Tensor constant;  // [n, m]

  Spaces(const Tensor& c, const Tensor& d, const Tensor& p, const Tensor& q)  // p [n, 1], q [m, 1]
      : C(c), D(d), constant(matmul(c * c, p) + transpose(matmul(d * d, q))) {}

  Tensor product(const Tensor& T) const { return matmul(matmul(C, T), D); }
  Tensor slope(const Tensor& T) const { return constant - product(T) * 2; }  // L(T)
};

Tensor row_sums(const Tensor& T) { return sum_to(T, {T.size(0), 1}); }
Tensor column_sums(const Tensor& T) { return transpose(sum_to(T, {1, T.size(1)})); }

Tensor product_coupling(const Masses& masses) {
  const Tensor a = Tensor::of({std::ssize(masses.a), 1}, masses.a, DType::f64);
  const Tensor b = Tensor::of({1, std::ssize(masses.b)}, masses.b, DType::f64);
  return matmul(a, b) / masses.total;
}

// argmin over [0, 1] of a t^2 + b t.
double best_step(double a, double b) {
  if (a > 0) return std::clamp(-b / (2 * a), 0.0, 1.0);
  return a + b < 0 ? 1 : 0;
}

}  // namespace

double gromov_value(const Tensor& C, const Tensor& D, const Tensor& T) {
  const Recording off(false);
  check_space("gromov_value", C);
  check_space("gromov_value", D);
  check_shape(
      T.shape() == Shape({C.size(0), D.size(0)}), "gromov_value", "a coupling ", T.shape(),
      " does not fit matrices ", C.shape(), " and ", D.shape());
  const Spaces spaces(C, D, row_sums(T), column_sums(T));
  return std::max(0.0, inner(spaces.slope(T), T));
}

GromovResult gromov_from(
    const Tensor& C, const Tensor& D, const Tensor& start, const GromovOptions& o) {
  const Recording off(false);
  GromovResult result{.coupling = start, .value = gromov_value(C, D, start)};
  const Tensor p = row_sums(start), q = column_sums(start);
  const Spaces spaces(C, D, p, q);
  const double scale = inner(spaces.constant, start);
  for (; result.iterations < o.max_iterations; ++result.iterations) {
    const Tensor slope = spaces.slope(result.coupling);
    const TransportPlan target = optimal_transport(slope, p.values<double>(), q.values<double>());
    const Tensor way = dense_plan(target) - result.coupling;
    const double a = -2 * inner(spaces.product(way), way), b = 2 * inner(slope, way);
    const double step = best_step(a, b);
    const double gain = -(a * step + b) * step;
    if (gain <= o.tolerance * scale) {
      result.converged = true;
      break;
    }
    result.coupling = result.coupling + way * step;
  }
  result.value = gromov_value(C, D, result.coupling);
  return result;
}

GromovResult gromov_wasserstein(
    const Tensor& C, const Tensor& D, std::span<const double> p, std::span<const double> q,
    const GromovOptions& o) {
  check_space("gromov_wasserstein", C);
  check_space("gromov_wasserstein", D);
  const Masses masses = balanced_masses("gromov_wasserstein", C.size(0), D.size(0), p, q);
  return gromov_from(C, D, product_coupling(masses), o);
}

PairedGromov paired_gromov(const Tensor& C, const Tensor& D, const GromovOptions& o) {
  const Recording off(false);
  check_space("paired_gromov", C);
  check_shape(
      C.shape() == D.shape(), "paired_gromov", "needs matrices of one size, got ", C.shape(),
      " and ", D.shape());
  const int64_t n = C.size(0);
  Tensor identity = Tensor::zeros({n, n}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    identity.mutable_data<double>()[i * n + i] = 1 / static_cast<double>(n);
  }
  return {
      .identity_value = gromov_value(C, D, identity),
      .from_identity = gromov_from(C, D, identity, o),
      .from_product = gromov_wasserstein(C, D, {}, {}, o)};
}

const GromovResult& PairedGromov::best() const {
  return from_identity.value <= from_product.value ? from_identity : from_product;
}

GromovResult entropic_gromov(
    const Tensor& C, const Tensor& D, std::span<const double> p, std::span<const double> q,
    double epsilon, const GromovOptions& o) {
  const Recording off(false);
  check_space("entropic_gromov", C);
  check_space("entropic_gromov", D);
  const Masses masses = balanced_masses("entropic_gromov", C.size(0), D.size(0), p, q);
  GromovResult result{.coupling = product_coupling(masses)};
  const Spaces spaces(C, D, row_sums(result.coupling), column_sums(result.coupling));
  const SinkhornOptions step{.epsilon = epsilon, .marginal_tolerance = 1e-9};
  for (; result.iterations < o.max_iterations && !result.converged; ++result.iterations) {
    const Tensor costs = spaces.slope(result.coupling) * 2;
    const Tensor next =
        sinkhorn_plan(costs, masses.a, masses.b, sinkhorn(costs, masses.a, masses.b, step));
    const Tensor change = next - result.coupling;
    result.converged = inner(change, change) <= o.tolerance * inner(next, next);
    result.coupling = next;
  }
  result.value = gromov_value(C, D, result.coupling);
  return result;
}

}  // namespace limpid::interpret
