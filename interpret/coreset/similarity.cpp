// interpret/coreset/similarity.cpp: the measures, each as its formula.
#include "interpret/coreset/similarity.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/assignment.h"
#include "interpret/numerics/point_clouds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>

namespace limpid::interpret {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void check_lengths(const char* op, Weights a, Weights b) {
  check_shape(a.size() == b.size(), op, "lengths differ (", a.size(), ", ", b.size(), ")");
}

double product(Weights a, Weights b) {
  double sum = 0;
  for (size_t j = 0; j < a.size(); ++j) sum += a[j] * b[j];
  return sum;
}

// top / bottom, 1 for 0 / 0.
double share(double top, double bottom) { return bottom > 0 ? top / bottom : 1; }

double common(std::span<const int64_t> A, std::span<const int64_t> B) {
  const std::set<int64_t> in_A(A.begin(), A.end());
  return static_cast<double>(
      std::ranges::count_if(B, [&](int64_t unit) { return in_A.contains(unit); }));
}

struct TwoTops {
  std::vector<int64_t> a, b;
};
// The k largest of both, with k the smaller support.
TwoTops largest(Weights a, Weights b) {
  TwoTops tops{ranked_support(a), ranked_support(b)};
  const size_t k = std::min(tops.a.size(), tops.b.size());
  if (k > 0) {
    tops.a.resize(k);
    tops.b.resize(k);
  }
  return tops;
}

}  // namespace

// ---- Weights ----

double weight_cosine(Weights a, Weights b) {
  check_lengths("weight_cosine", a, b);
  const double aa = product(a, a), bb = product(b, b);
  if (aa == 0 || bb == 0) return aa == bb ? 1 : 0;
  return std::clamp(product(a, b) / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0);
}

double angular_similarity(double cosine) { return 1 - 2 / std::numbers::pi * std::acos(cosine); }

double euclidean_distance(Weights a, Weights b) {
  check_lengths("euclidean_distance", a, b);
  double sum = 0;
  for (size_t j = 0; j < a.size(); ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return std::sqrt(sum);
}

std::vector<int64_t> ranked_support(Weights a) {
  std::vector<int64_t> units;
  for (size_t j = 0; j < a.size(); ++j) {
    if (a[j] != 0) units.push_back(static_cast<int64_t>(j));
  }
  std::ranges::stable_sort(units, [&](int64_t i, int64_t j) {
    return std::abs(a[static_cast<size_t>(i)]) > std::abs(a[static_cast<size_t>(j)]);
  });
  return units;
}

Overlap overlap_of(std::span<const int64_t> A, std::span<const int64_t> B) {
  const double both = common(A, B);
  const auto sizes = static_cast<double>(A.size() + B.size());
  return {share(both, sizes - both), share(2 * both, sizes)};
}

double top_jaccard(Weights a, Weights b) {
  check_lengths("top_jaccard", a, b);
  const TwoTops tops = largest(a, b);
  return overlap_of(tops.a, tops.b).jaccard;
}

double weighted_jaccard(Weights a, Weights b) {
  check_lengths("weighted_jaccard", a, b);
  double least = 0, most = 0;
  for (size_t j = 0; j < a.size(); ++j) {
    least += std::min(a[j], b[j]);
    most += std::max(a[j], b[j]);
  }
  return share(least, most);
}

double kuncheva(Weights a, Weights b) {
  check_lengths("kuncheva", a, b);
  const TwoTops tops = largest(a, b);
  const auto k = static_cast<double>(std::min(tops.a.size(), tops.b.size()));
  const auto m = static_cast<double>(a.size());
  return k > 0 && k < m ? (common(tops.a, tops.b) * m - k * k) / (k * (m - k)) : kNan;
}

double kendall_tau_b(Weights a, Weights b) {
  check_lengths("kendall_tau_b", a, b);
  const auto sign = [](double x) { return (x > 0) - (x < 0); };
  double balance = 0, in_a = 0, in_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const int x = sign(a[i] - a[j]), y = sign(b[i] - b[j]);
      balance += x * y;
      in_a += x * x;
      in_b += y * y;
    }
  }
  return in_a > 0 && in_b > 0 ? balance / std::sqrt(in_a * in_b) : kNan;
}

RankBiasedOverlap rank_biased_overlap(
    std::span<const int64_t> a, std::span<const int64_t> b, double p) {
  check_value(p > 0 && p < 1, "rank_biased_overlap", "needs 0 < p < 1, got ", p);
  const size_t depth = std::min(a.size(), b.size());
  if (depth == 0) {
    const double alike = a.size() == b.size() ? 1 : 0;
    return {alike, alike};
  }
  RankBiasedOverlap result;
  double power = 1, agreement = 0;  // p^(d-1), A_d
  for (size_t d = 1; d <= depth; ++d, power *= p) {
    agreement = common(a.first(d), b.first(d)) / static_cast<double>(d);
    result.truncated += (1 - p) * power * agreement;
  }
  result.extrapolated = result.truncated + agreement * power;
  return result;
}

// ---- Matrices ----

namespace {

double length(const Tensor& t) { return std::sqrt(sum(t * t).item()); }

// X E diag(alpha + (1 - alpha) l^(-1/2)) E'. Its length is divided out of the angle.
Tensor partly_whitened(const Tensor& X, double alpha) {
  constexpr double kLeast = 1e-7;  // of an eigenvalue, as in netrep
  const EigenSymmetric e = eigen_symmetric(matmul(X, X, {.transpose_a = true}));
  const Tensor l = clamp(e.values, kLeast, std::numeric_limits<double>::max());
  const Tensor scale = alpha + (1 - alpha) * pow(l, -0.5);  // [k], one per column of E
  return matmul(matmul(X, e.vectors * scale), e.vectors, {.transpose_b = true});
}

Tensor with_columns(const Tensor& X, int64_t k) { return pad(X, 1, 0, k - X.size(1)); }

void check_matrices(const char* op, const Tensor& X, const Tensor& Y, int axis) {
  check_shape(
      X.rank() == 2 && Y.rank() == 2 && X.size(axis) == Y.size(axis), op,
      "needs two matrices with as many ", axis == 0 ? "rows" : "columns", ", got ", X.shape(),
      " and ", Y.shape());
}

// Orthonormal rows that span those of V; rows of zeros span nothing.
Tensor row_space(const Tensor& V) {
  const Svd parts = svd(V);
  const auto s = parts.s.values<double>();
  const auto rank = std::ranges::count_if(s, [&](double value) { return value > 1e-12 * s[0]; });
  return slice(parts.vt, 0, 0, rank);
}

}  // namespace

MatchedRows match_rows(const Tensor& V, const Tensor& W) {
  check_shape(
      V.rank() == 2 && V.shape() == W.shape(), "match_rows",
      "needs two matrices of one shape, got ", V.shape(), " and ", W.shape());
  const int64_t k = V.size(0);
  const auto row = [](const Tensor& M, int64_t i) {
    return M.values<double>().subspan(
        static_cast<size_t>(i * M.size(1)), static_cast<size_t>(M.size(1)));
  };
  Tensor cost = Tensor::empty({k, k}, DType::f64);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      cost.mutable_data<double>()[i * k + j] = -std::abs(weight_cosine(row(V, i), row(W, j)));
    }
  }
  MatchedRows result{.partner = least_cost_assignment(cost)};
  for (int64_t i = 0; i < k; ++i) {
    const int64_t j = result.partner[static_cast<size_t>(i)];
    result.cosine -= cost.data<double>()[i * k + j] / static_cast<double>(k);
  }
  return result;
}

double shape_angle(const Tensor& X, const Tensor& Y, const ShapeMetricOptions& o) {
  const Recording off(false);
  check_matrices("shape_angle", X, Y, 0);
  check_value(o.alpha >= 0 && o.alpha <= 1, "shape_angle", "needs alpha in [0, 1], got ", o.alpha);
  const int64_t k = std::max(X.size(1), Y.size(1));
  check_value(
      X.size(1) == Y.size(1) || o.alpha > 0, "shape_angle",
      "columns are filled up by zeros only with alpha > 0, got ", X.shape(), " and ", Y.shape());
  const auto prepared = [&](const Tensor& M) {
    const Tensor full = with_columns(M, k);
    return partly_whitened(o.is_centred ? centred(full) : full, o.alpha);
  };
  const Tensor a = prepared(X), b = prepared(Y);
  const double lengths = length(a) * length(b);
  if (lengths == 0) return length(a) == length(b) ? 0 : std::numbers::pi / 2;
  const double nuclear = sum(svd(matmul(a, b, {.transpose_a = true})).s).item();
  return std::acos(std::clamp(nuclear / lengths, 0.0, 1.0));
}

std::vector<double> principal_cosines(const Tensor& V, const Tensor& W) {
  const Recording off(false);
  check_matrices("principal_cosines", V, W, 1);
  const Tensor a = row_space(V), b = row_space(W);
  if (a.size(0) == 0 || b.size(0) == 0) return {};
  return svd(matmul(a, b, {.transpose_b = true})).s.to_vector();
}

}  // namespace limpid::interpret
