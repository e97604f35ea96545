// interpret/coreset/gradient_matching.cpp: pursuit by a growing Cholesky factor, and Glister.
#include "interpret/coreset/gradient_matching.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/last_layer.h"
#include "interpret/coreset/scores.h"
#include "interpret/numerics/nnls.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

void check_count(const char* op, int64_t k, int64_t n) {
  check_value(k >= 1 && k <= n, op, "cannot choose ", k, " of ", n, " samples");
}

// The largest value that is not chosen yet; marks it.
int64_t take_largest(const std::vector<double>& values, std::vector<bool>& is_chosen) {
  size_t best = values.size();
  for (size_t j = 0; j < values.size(); ++j) {
    if (!is_chosen[j] && (best == values.size() || values[j] > values[best])) best = j;
  }
  is_chosen[best] = true;
  return static_cast<int64_t>(best);
}

// L L' = M of a matrix that gets one more row and column at a time.
class GrowingFactor {
 public:
  /// `row` of M, its diagonal entry last.
  void add(std::vector<double> row) {
    const size_t m = row.size() - 1;
    for (size_t i = 0; i < m; ++i) {
      for (size_t k = 0; k < i; ++k) row[i] -= row[k] * rows_[i][k];
      row[i] /= rows_[i][i];
      row[m] -= row[i] * row[i];
    }
    row[m] = std::sqrt(std::max(row[m], std::numeric_limits<double>::epsilon()));
    rows_.push_back(std::move(row));
  }

  std::vector<double> solve(std::vector<double> x) const {
    const size_t m = rows_.size();
    for (size_t i = 0; i < m; ++i) {
      for (size_t k = 0; k < i; ++k) x[i] -= rows_[i][k] * x[k];
      x[i] /= rows_[i][i];
    }
    for (size_t i = m; i-- > 0;) {
      x[i] /= rows_[i][i];
      for (size_t k = 0; k < i; ++k) x[k] -= rows_[i][k] * x[i];
    }
    return x;
  }

 private:
  std::vector<std::vector<double>> rows_;
};

// Of min x'(K_SS + ridge I)x / 2 - c_S'x over x >= 0.
std::vector<double> non_negative(
    const std::vector<std::vector<float>>& columns, const Pursuit& found,
    const std::vector<double>& c, double ridge) {
  const int64_t m = std::ssize(found.support);
  Tensor M = Tensor::empty({m, m}, DType::f64);
  double* out = M.mutable_data<double>();
  for (size_t i = 0; i < found.support.size(); ++i) {
    for (size_t j = 0; j < found.support.size(); ++j) {
      // One triangle: products of f32 are symmetric up to rounding only
      const auto [low, high] = std::minmax(i, j);
      *out++ = static_cast<double>(columns[low][static_cast<size_t>(found.support[high])]) +
               (i == j ? ridge : 0);
    }
  }
  return nnls(M, Tensor::of({m}, c, DType::f64)).x.to_vector();
}

}  // namespace

Pursuit matching_pursuit(
    const Similarities& K, std::span<const double> c, int64_t k, double ridge) {
  check_shape(std::ssize(c) == K.size(), "gradmatch", c.size(), " products do not fit ", K.size());
  check_count("gradmatch", k, K.size());
  check_value(ridge > 0, "gradmatch", "ridge must be positive, got ", ridge);
  Pursuit result;
  GrowingFactor factor;
  std::vector<std::vector<float>> columns;  // of K, one per entry of the support
  std::vector<double> wanted;               // c_S
  std::vector<bool> is_chosen(c.size());
  std::vector<double> correlation(c.begin(), c.end());  // <a_j, residual>
  while (std::ssize(result.support) < k) {
    const int64_t j = take_largest(correlation, is_chosen);
    columns.emplace_back(c.size());
    K.columns(std::span(&j, 1), columns.back().data());
    std::vector<double> row;
    for (size_t s = 0; s < result.support.size(); ++s) {
      row.push_back(static_cast<double>(columns[s][static_cast<size_t>(j)]));
    }
    row.push_back(static_cast<double>(columns.back()[static_cast<size_t>(j)]) + ridge);
    factor.add(std::move(row));
    result.support.push_back(j);
    wanted.push_back(c[static_cast<size_t>(j)]);
    result.weights = factor.solve(wanted);
    correlation.assign(c.begin(), c.end());
    for (size_t s = 0; s < columns.size(); ++s) {
      for (size_t i = 0; i < correlation.size(); ++i) {
        correlation[i] -= result.weights[s] * static_cast<double>(columns[s][i]);
      }
    }
  }
  if (std::ranges::any_of(result.weights, [](double w) { return w < 0; })) {
    result.weights = non_negative(columns, result, wanted, ridge);
  }
  return result;
}

Pursuit gradient_match(const Tensor& g, const Tensor& h, int64_t k, double ridge) {
  const auto K = product_similarities({h, g});
  return matching_pursuit(*K, products_with(gradient_sum(g, h), g, h), k, ridge);
}

std::vector<int64_t> glister(
    const Tensor& g, const Tensor& h, const ValidationSamples& v, int64_t k, double eta) {
  check_count("glister", k, g.size(0));
  check_value(eta > 0, "glister", "eta must be positive, got ", eta);
  const Recording off(false);
  Tensor logits = v.logits;
  std::vector<bool> is_chosen(static_cast<size_t>(g.size(0)));
  std::vector<int64_t> order;
  while (std::ssize(order) < k) {
    // Only the direction of the mean counts, so the sum serves
    const Tensor slopes = logit_slopes(probabilities_of(logits), v.labels);
    const HeadGradient loss = gradient_sum(slopes, v.features);
    const int64_t p = take_largest(products_with(loss, g, h), is_chosen);
    order.push_back(p);
    const Tensor step = slice(g, 0, p, p + 1);  // [1, K]
    const Tensor reach =
        matmul(v.features, slice(h, 0, p, p + 1), {.transpose_b = true}) + 1;  // [m, 1]
    logits = logits - eta * matmul(reach, step);
  }
  return order;
}

}  // namespace limpid::interpret
