// tests/reference/reference_losses.cpp: naive losses, one term of each sum after the other.
#include "tests/reference/reference.h"

#include <algorithm>
#include <cmath>

namespace limpid::reference {
namespace {

Tensor mean_of(const Tensor& a, const Tensor& b, const std::function<double(double, double)>& f) {
  return reduce(map(a, b, f), average);
}

// Sum over rows n and classes k of f(n, k), divided by `norm`.
template <class F>
Tensor double_sum(const Shape& shape, double norm, const F& f) {
  double sum = 0;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t k = 0; k < shape[1]; ++k) sum += f(n, k);
  }
  return Tensor::scalar(sum / norm, DType::f64);
}

}  // namespace

Tensor cross_entropy(
    const Tensor& logits, const Tensor& labels, double smoothing, const Tensor& weights) {
  const Shape& shape = logits.shape();
  const std::vector<double> y = log_softmax(logits).to_vector();
  const std::vector<double> label = labels.to_vector();
  const auto weight = [&](int64_t k) {
    return weights.defined() ? weights.to_vector()[static_cast<size_t>(k)] : 1;
  };
  double norm = 0;
  for (const double k : label) norm += weight(static_cast<int64_t>(k));
  return double_sum(shape, norm, [&](int64_t n, int64_t k) {
    const bool is_label = static_cast<double>(k) == label[static_cast<size_t>(n)];
    const double target =
        (is_label ? 1 - smoothing : 0) + smoothing / static_cast<double>(shape[1]);
    return -weight(k) * target * y[static_cast<size_t>(n * shape[1] + k)];
  });
}

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& target) {
  const Tensor terms = map(target, log_softmax(logits), [](double t, double y) { return -t * y; });
  return reduce(reduce(terms, {logits.rank() - 1}, total), average);
}

Tensor nll(const Tensor& log_probabilities, const Tensor& labels) {
  const std::vector<double> y = log_probabilities.to_vector();
  const std::vector<double> label = labels.to_vector();
  const Shape& shape = log_probabilities.shape();
  return double_sum(shape, static_cast<double>(shape[0]), [&](int64_t n, int64_t k) {
    const bool is_label = static_cast<double>(k) == label[static_cast<size_t>(n)];
    return is_label ? -y[static_cast<size_t>(n * shape[1] + k)] : 0;
  });
}

Tensor l1(const Tensor& a, const Tensor& b) {
  return mean_of(a, b, [](double u, double v) { return std::abs(u - v); });
}

Tensor huber(const Tensor& a, const Tensor& b, double delta) {
  return mean_of(a, b, [delta](double u, double v) {
    const double d = std::abs(u - v);
    return d <= delta ? d * d / 2 : delta * (d - delta / 2);
  });
}

Tensor bce_with_logits(const Tensor& x, const Tensor& t) {
  return mean_of(x, t, [](double score, double target) {
    const double p = 1 / (1 + std::exp(-score));
    return -target * std::log(p) - (1 - target) * std::log(1 - p);
  });
}

Tensor kl_divergence(const Tensor& log_q, const Tensor& log_p) {
  const Tensor terms = map(log_q, log_p, [](double q, double p) { return std::exp(p) * (p - q); });
  return reduce(reduce(terms, {log_q.rank() - 1}, total), average);
}

Tensor hinge(const Tensor& x, const Tensor& t) {
  return mean_of(x, t, [](double u, double v) { return std::max(0.0, 1 - u * v); });
}

}  // namespace limpid::reference
