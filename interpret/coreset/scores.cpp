// interpret/coreset/scores.cpp: the scores, row by row.
#include "interpret/coreset/scores.h"

#include "framework/core/error.h"
#include "interpret/coreset/distances.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace limpid::interpret {
namespace {

void check_probabilities(const char* op, const Tensor& p) {
  check_shape(
      p.rank() == 2 && p.size(0) > 0 && p.size(1) > 0, op, "needs probabilities [n, K], got ",
      p.shape());
  check_dtype(p.dtype() == DType::f64, op, "needs f64, got ", name_of(p.dtype()));
  const auto values = p.values<double>();
  check_value(
      std::all_of(values.begin(), values.end(), [](double v) { return v >= 0 && v <= 1; }), op,
      "holds numbers that are no probabilities");
}

void check_labels(const char* op, const Tensor& p, const Tensor& y) {
  check_shape(y.shape() == Shape({p.size(0)}), op, "labels ", y.shape(), " do not fit ", p.shape());
  const auto labels = y.values<int64_t>();
  check_value(
      std::all_of(labels.begin(), labels.end(), [&](int64_t v) { return v >= 0 && v < p.size(1); }),
      op, "a label is not in 0 to ", p.size(1) - 1);
}

std::span<const double> row(const Tensor& p, int64_t i) {
  const auto K = static_cast<size_t>(p.size(1));
  return p.values<double>().subspan(static_cast<size_t>(i) * K, K);
}

// f of the probabilities of each sample.
template <class F>
std::vector<double> each_row(const char* op, const Tensor& p, F f) {
  check_probabilities(op, p);
  std::vector<double> scores;
  for (int64_t i = 0; i < p.size(0); ++i) scores.push_back(f(row(p, i)));
  return scores;
}

}  // namespace

Tensor probabilities_of(const Tensor& logits) {
  check_shape(
      logits.rank() == 2 && logits.size(1) > 0, "probabilities", "needs logits [n, K], got ",
      logits.shape());
  const std::vector<double> x = logits.to_vector();
  check_value(
      std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); }), "probabilities",
      "logits hold NaN or infinity");
  Tensor p = Tensor::empty(logits.shape(), DType::f64);
  const auto K = static_cast<size_t>(logits.size(1));
  double* out = p.mutable_data<double>();
  for (size_t begin = 0; begin < x.size(); begin += K) {
    const auto line = std::span(x).subspan(begin, K);
    const double largest = *std::max_element(line.begin(), line.end());
    double total = 0;
    for (size_t k = 0; k < K; ++k) total += out[begin + k] = std::exp(line[k] - largest);
    for (size_t k = 0; k < K; ++k) out[begin + k] /= total;
  }
  return p;
}

Tensor logit_slopes(const Tensor& p, const Tensor& y) {
  check_probabilities("logit_slopes", p);
  check_labels("logit_slopes", p, y);
  Tensor g = Tensor::empty(p.shape());
  float* out = g.mutable_data<float>();
  for (int64_t i = 0; i < p.size(0); ++i) {
    for (int64_t k = 0; k < p.size(1); ++k) {
      const double target = y.data<int64_t>()[i] == k ? 1 : 0;
      *out++ = static_cast<float>(row(p, i)[static_cast<size_t>(k)] - target);
    }
  }
  return g;
}

std::vector<double> least_confidence(const Tensor& p) {
  return each_row("least_confidence", p, [](std::span<const double> q) {
    return 1 - *std::max_element(q.begin(), q.end());
  });
}

std::vector<double> entropy(const Tensor& p) {
  return each_row("entropy", p, [](std::span<const double> q) {
    double sum = 0;
    for (const double v : q) sum -= v > 0 ? v * std::log(v) : 0;
    return sum;
  });
}

std::vector<double> margin_difficulty(const Tensor& p) {
  check_shape(p.rank() == 2 && p.size(1) >= 2, "margin", "needs two classes, got ", p.shape());
  return each_row("margin", p, [](std::span<const double> q) {
    std::vector<double> sorted(q.begin(), q.end());
    std::nth_element(sorted.begin(), sorted.begin() + 1, sorted.end(), std::greater<>());
    return 1 - (sorted[0] - sorted[1]);
  });
}

std::vector<double> el2n(const Tensor& p, const Tensor& y) {
  check_probabilities("el2n", p);
  check_labels("el2n", p, y);
  std::vector<double> scores;
  for (int64_t i = 0; i < p.size(0); ++i) {
    double square = 0;
    for (int64_t k = 0; k < p.size(1); ++k) {
      const double target = y.data<int64_t>()[i] == k ? 1 : 0;
      square += std::pow(row(p, i)[static_cast<size_t>(k)] - target, 2);
    }
    scores.push_back(std::sqrt(square));
  }
  return scores;
}

std::vector<double> grand(const Tensor& p, const Tensor& y, const Tensor& h) {
  check_rows("grand", h);
  check_shape(h.size(0) == p.size(0), "grand", h.shape(), " does not fit ", p.shape());
  std::vector<double> scores = el2n(p, y);
  for (int64_t i = 0; i < h.size(0); ++i) {
    double square = 1;
    for (const double v : row_of(h, i)) square += v * v;
    scores[static_cast<size_t>(i)] *= std::sqrt(square);
  }
  return scores;
}

double symmetric_divergence(std::span<const double> p, std::span<const double> q) {
  constexpr double kLeast = 1e-12;
  double sum = 0;
  for (size_t k = 0; k < p.size(); ++k) {
    const double a = std::max(p[k], kLeast), b = std::max(q[k], kLeast);
    sum += (a - b) * std::log(a / b);
  }
  return sum / 2;
}

std::vector<double> contrast(const Tensor& p, const Tensor& h, int64_t neighbours) {
  check_probabilities("contrast", p);
  const Neighbours near = nearest_neighbours(h, neighbours);
  check_shape(h.size(0) == p.size(0), "contrast", h.shape(), " does not fit ", p.shape());
  std::vector<double> scores;
  for (int64_t i = 0; i < p.size(0); ++i) {
    double sum = 0;
    for (int64_t c = 0; c < near.count; ++c) {
      const int64_t j = near.index[static_cast<size_t>(i * near.count + c)];
      sum += symmetric_divergence(row(p, i), row(p, j));
    }
    scores.push_back(near.count > 0 ? sum / static_cast<double>(near.count) : 0);
  }
  return scores;
}

void ForgettingCount::record(const std::vector<bool>& is_right) {
  if (events_.empty()) {
    events_.resize(is_right.size());
    was_right_.resize(is_right.size());
    learnt_.resize(is_right.size());
  }
  check_shape(
      is_right.size() == events_.size(), "forgetting", is_right.size(), " samples after ",
      events_.size());
  for (size_t i = 0; i < is_right.size(); ++i) {
    if (was_right_[i] && !is_right[i]) ++events_[i];
    if (is_right[i]) learnt_[i] = true;
  }
  was_right_ = is_right;
}

std::vector<bool> ForgettingCount::never_learnt() const {
  std::vector<bool> never = learnt_;
  never.flip();
  return never;
}

std::vector<double> ForgettingCount::scores() const {
  std::vector<double> scores(events_.begin(), events_.end());
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!learnt_[i]) scores[i] = std::numeric_limits<double>::infinity();
  }
  return scores;
}

}  // namespace limpid::interpret
