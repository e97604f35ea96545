// tests/interpret/support_machine.h: exact support vector machines, to compare multipliers with.
#pragma once

#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/numerics/nnls.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace limpid::interpret {

inline Tensor labels_of(int64_t n, int64_t classes) {
  Tensor labels = Tensor::empty({n}, DType::i64);
  for (int64_t i = 0; i < n; ++i) labels.mutable_data<int64_t>()[i] = i % classes;
  return labels;
}

inline double cosine(const Tensor& a, const Tensor& b) {
  return sum(a * b).item() / std::sqrt(sum(a * a).item() * sum(b * b).item());
}

// Two classes of points in d dimensions and the hard-margin support vector machine whose bias is
// part of w: its dual, min 1/2 a'Qa - sum a over a >= 0, is non-negative least squares.
struct Machine {
  Tensor x, labels, alpha;  // [n, d], [n], [n]
  std::vector<double> w;    // [d + 1], the bias last
};

inline Machine machine(int64_t n, int64_t d, double apart, Rng& rng) {
  Machine m{Tensor::normal({n, d}, rng, 0, 1, DType::f64), labels_of(n, 2), {}, {}};
  std::vector<double> values = m.x.to_vector();
  for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i * d)] += i % 2 == 1 ? apart : -apart;
  m.x = Tensor::of({n, d}, values, DType::f64);
  const Tensor one = Tensor::ones({n, 1}, DType::f64);
  const Tensor sign = 2 * reshape(to(m.labels, DType::f64), {n, 1}) - 1;
  const Tensor rows = sign * concat({m.x, one}, 1);  // y_i x~_i
  m.alpha = nnls(matmul(rows, rows, {.transpose_b = true}), Tensor::ones({n}, DType::f64)).x;
  m.w = matmul(rows, reshape(m.alpha, {n, 1}), {.transpose_a = true}).to_vector();
  return m;
}

// The classifier of two logits -s w x~ / 2 and s w x~ / 2.
inline void set_classifier(Sequential& net, const Machine& m, double s) {
  const auto d = static_cast<int64_t>(m.w.size()) - 1;
  std::vector<double> weight, bias;
  for (const double side : {-0.5, 0.5}) {
    for (int64_t j = 0; j < d; ++j) weight.push_back(side * s * m.w[static_cast<size_t>(j)]);
    bias.push_back(side * s * m.w.back());
  }
  NamedTensors named = parameters(net);
  named[0].second.assign(Tensor::of({2, d}, weight, DType::f64));
  named[1].second.assign(Tensor::of({2}, bias, DType::f64));
}

struct Found {
  int both = 0, found = 0, expected = 0;
};
inline Found compare_support(const Tensor& lambda, const Tensor& alpha) {
  const std::vector<double> a = lambda.to_vector(), b = alpha.to_vector();
  const double top_a = *std::max_element(a.begin(), a.end());
  const double top_b = *std::max_element(b.begin(), b.end());
  Found f;
  for (size_t i = 0; i < a.size(); ++i) {
    const bool is_found = a[i] > 1e-6 * top_a, is_expected = b[i] > 1e-6 * top_b;
    f.both += is_found && is_expected;
    f.found += is_found;
    f.expected += is_expected;
  }
  return f;
}

}  // namespace limpid::interpret
