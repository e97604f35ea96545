// interpret/numerics/factorise.cpp: NNDSVDa, then one part after the other.
#include "interpret/numerics/factorise.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

double frobenius(const Tensor& t) { return std::sqrt(sum(t * t).item()); }

// One half of the start: columns of S and rows of V from singular vectors.
void start_from_svd(const Tensor& A, int64_t k, Tensor& S, Tensor& V) {
  const Svd parts = svd(A);
  const int64_t n = A.size(0), C = A.size(1), most = parts.s.numel();
  const double floor = mean(A).item();
  const double *u = parts.u.data<double>(), *vt = parts.vt.data<double>();
  double *s = S.mutable_data<double>(), *v = V.mutable_data<double>();
  for (int64_t part = 0; part < k; ++part) {
    // The larger of the positive and the negative halves
    double lengths[2][2] = {};  // [sign][u, v], squares
    for (int64_t i = 0; i < n; ++i) {
      const double x = u[i * most + part];
      lengths[x < 0][0] += x * x;
    }
    for (int64_t j = 0; j < C; ++j) {
      const double x = vt[part * C + j];
      lengths[x < 0][1] += x * x;
    }
    const bool is_negative = lengths[1][0] * lengths[1][1] > lengths[0][0] * lengths[0][1];
    const double sign = is_negative ? -1 : 1;
    const double a = std::sqrt(lengths[is_negative][0]), b = std::sqrt(lengths[is_negative][1]);
    const double size = std::sqrt(parts.s.data<double>()[part] * a * b);
    const auto entry = [&](double x, double length) {
      const double value = length > 0 ? std::max(0.0, sign * x) / length * size : 0;
      return value > 0 ? value : floor;
    };
    for (int64_t i = 0; i < n; ++i) s[i * k + part] = entry(u[i * most + part], a);
    for (int64_t j = 0; j < C; ++j) v[part * C + j] = entry(vt[part * C + j], b);
  }
}

// Uniform numbers whose product has the mean of A.
void start_at_random(const Tensor& A, int64_t k, uint64_t seed, Tensor& S, Tensor& V) {
  Rng rng(seed);
  const double most = 2 * std::sqrt(mean(A).item() / static_cast<double>(k));
  S = Tensor::uniform(S.shape(), rng, 0, most, DType::f64);
  V = Tensor::uniform(V.shape(), rng, 0, most, DType::f64);
}

// F [rows, k] -> max(0, F + (P - F G)_t / g_tt) for each column t in turn, with P = A W [rows, k]
// and G = W'W [k, k] of the other factor W.
void improve(Tensor& F, const Tensor& P, const Tensor& G) {
  const int64_t rows = F.size(0), k = F.size(1);
  double* f = F.mutable_data<double>();
  const double *p = P.data<double>(), *g = G.data<double>();
  // Rows do not depend on each other
  parallel::for_blocks(rows, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t t = 0; t < k; ++t) {
        const double square = g[t * k + t];
        if (square <= 0) continue;
        double residual = p[i * k + t];
        for (int64_t l = 0; l < k; ++l) residual -= f[i * k + l] * g[t * k + l];
        f[i * k + t] = std::max(0.0, f[i * k + t] + residual / square);
      }
    }
  });
}

// Moves the lengths of the rows of V into S.
void normalise(Tensor& S, Tensor& V) {
  const int64_t k = V.size(0), C = V.size(1);
  double *s = S.mutable_data<double>(), *v = V.mutable_data<double>();
  for (int64_t t = 0; t < k; ++t) {
    double square = 0;
    for (int64_t j = 0; j < C; ++j) square += v[t * C + j] * v[t * C + j];
    const double length = std::sqrt(square);
    for (int64_t j = 0; j < C && length > 0; ++j) v[t * C + j] /= length;
    for (int64_t i = 0; i < S.size(0); ++i) s[i * k + t] *= length;
  }
}

}  // namespace

Factorisation factorise(const Tensor& A, int64_t k, const FactoriseOptions& o) {
  const Recording off(false);
  check_shape(A.rank() == 2, "factorise", "needs A [n, C], got ", A.shape());
  check_dtype(A.dtype() == DType::f64, "factorise", "needs f64, got ", name_of(A.dtype()));
  const auto values = A.values<double>();
  check_value(
      std::all_of(
          values.begin(), values.end(), [](double v) { return std::isfinite(v) && v >= 0; }),
      "factorise", "A holds negative numbers, NaN or infinity");
  const int64_t n = A.size(0), C = A.size(1);
  check_value(k >= 1 && k <= std::min(n, C), "factorise", k, " parts of a matrix ", A.shape());
  Factorisation result{
      .S = Tensor::zeros({n, k}, DType::f64), .V = Tensor::zeros({k, C}, DType::f64)};
  const double whole = frobenius(A);
  if (whole == 0) {
    result.converged = true;
    return result;
  }
  if (o.seed) {
    start_at_random(A, k, *o.seed, result.S, result.V);
  } else {
    start_from_svd(A, k, result.S, result.V);
  }
  Tensor columns = permute(result.V, {1, 0}).clone();  // V' [C, k]
  double before = 1;
  while (result.rounds < o.max_rounds && !result.converged) {
    improve(result.S, matmul(A, columns), matmul(columns, columns, {.transpose_a = true}));
    const Tensor AS = matmul(A, result.S, {.transpose_a = true});
    const Tensor SS = matmul(result.S, result.S, {.transpose_a = true});
    improve(columns, AS, SS);
    ++result.rounds;
    // |A - S V|^2 = |A|^2 - 2 <A'S, V'> + <S'S, VV'>, without a matrix of the size of A
    const Tensor VV = matmul(columns, columns, {.transpose_a = true});
    const double square = whole * whole + (sum(SS * VV) - 2 * sum(AS * columns)).item();
    const double error = std::sqrt(std::max(0.0, square)) / whole;
    result.converged = before - error <= o.tolerance * before;
    before = error;
  }
  result.relative_error = frobenius(A - matmul(result.S, columns, {.transpose_b = true})) / whole;
  result.V = permute(columns, {1, 0}).clone();
  normalise(result.S, result.V);
  return result;
}

}  // namespace limpid::interpret
