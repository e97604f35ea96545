// interpret/numerics/scaled_plan.cpp: passes over K in blocks of rows.
#include "interpret/numerics/scaled_plan.h"

#include "framework/core/parallel.h"
#include "framework/kernels/gemm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace limpid::interpret {
namespace {

using Vector = ScaledPlan::Vector;

constexpr int64_t kRowsPerBlock = 32;     // 32 rows of 1,000 stay in the second-level cache
constexpr double kLargestScaling = 1e60;  // of u and v; beyond, they go over into f and g
// Exponents of K: below the first, an entry times u and v stays below 1e-119, and 0 is as good;
// above the second, the row is shifted.
constexpr double kLowestExponent = -550;
constexpr double kHighestExponent = 200;
constexpr double kLargestExponent = 1e300;  // infinities could not be shifted

size_t at(int64_t i) { return static_cast<size_t>(i); }

Vector logarithms(const Vector& v) {
  Vector result(v.size());
  std::ranges::transform(v, result.begin(), [](double x) { return std::log(x); });
  return result;
}

// Of masses, where the second may have vanished.
double ratio(double a, double b) {
  constexpr double kMost = kLargestScaling * kLargestScaling;
  return std::clamp(a / b, 1 / kMost, kMost);
}

double sum_of(const Vector& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

}  // namespace

ScaledPlan::ScaledPlan(const double* C, const Vector& a, const Vector& b)
    : f(a.size()),
      g(b.size()),
      u(a.size(), 1),
      v(b.size(), 1),
      n_(std::ssize(a)),
      m_(std::ssize(b)),
      C_(C),
      a_(a),
      b_(b),
      log_a_(logarithms(a)),
      log_b_(logarithms(b)),
      K_(a.size() * b.size()),
      next_u_(a.size()),
      row_error_(a.size()),
      partial_(at((n_ + kRowsPerBlock - 1) / kRowsPerBlock * m_)) {}

// ---- Potentials ----

void ScaledPlan::start() {
  for (int64_t i = 0; i < n_; ++i) f[at(i)] = *std::min_element(C_ + i * m_, C_ + (i + 1) * m_);
  std::ranges::fill(g, std::numeric_limits<double>::max());
  for (int64_t i = 0; i < n_; ++i) {
    for (int64_t j = 0; j < m_; ++j) g[at(j)] = std::min(g[at(j)], C_[i * m_ + j] - f[at(i)]);
  }
}

void ScaledPlan::start_symmetric() {
  for (int64_t i = 0; i < n_; ++i) f[at(i)] = *std::min_element(C_ + i * m_, C_ + (i + 1) * m_) / 2;
  g = f;
}

double ScaledPlan::typical_slack() const {
  constexpr int64_t kEntries = 1024;
  const int64_t step = std::max<int64_t>(1, n_ * m_ / kEntries) | 1;
  Vector slack;
  for (int64_t k = 0; k < n_ * m_; k += step) {
    slack.push_back(C_[k] - f[at(k / m_)] - g[at(k % m_)]);
  }
  const auto middle = slack.begin() + std::ssize(slack) / 2;
  std::nth_element(slack.begin(), middle, slack.end());
  return std::max(0.0, *middle);
}

void ScaledPlan::absorb_scalings() {
  for (size_t i = 0; i < f.size(); ++i) f[i] += epsilon_ * std::log(std::exchange(u[i], 1));
  for (size_t j = 0; j < g.size(); ++j) g[j] += epsilon_ * std::log(std::exchange(v[j], 1));
}

void ScaledPlan::absorb(double next_epsilon) {
  absorb_scalings();
  epsilon_ = next_epsilon;
  parallel::for_blocks(n_, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) make_row(i);
  });
}

void ScaledPlan::absorb_large() {
  const auto is_large = [](double x) { return x > kLargestScaling || x < 1 / kLargestScaling; };
  if (std::ranges::any_of(u, is_large) || std::ranges::any_of(v, is_large)) absorb(epsilon_);
}

// A leap of eps may leave exponents beyond all numbers: then f_i takes the largest of its row.
void ScaledPlan::make_row(int64_t i) {
  const double* c = C_ + i * m_;
  double* k = K_.data() + i * m_;
  double top = -std::numeric_limits<double>::max();
  for (int64_t j = 0; j < m_; ++j) {
    const double exponent = (f[at(i)] + g[at(j)] - c[j]) / epsilon_ + log_a_[at(i)] + log_b_[at(j)];
    k[j] = std::min(exponent, kLargestExponent);
    top = std::max(top, k[j]);
  }
  const double shift = top > kHighestExponent ? top : 0;
  f[at(i)] -= epsilon_ * shift;
  for (int64_t j = 0; j < m_; ++j) {
    const double exponent = k[j] - shift;
    k[j] = exponent < kLowestExponent ? 0 : std::exp(exponent);
  }
}

// ---- Iterations ----

void ScaledPlan::multiply_rows(int64_t begin, int64_t end, const Vector& x, Vector& y) const {
  kernels::gemm_serial<double>(
      {.M = end - begin,
       .N = 1,
       .K = m_,
       .a = row(begin),
       .lda = m_,
       .b = x.data(),
       .ldb = 1,
       .c = y.data() + begin,
       .ldc = 1});
}

double ScaledPlan::measure() {
  parallel::for_blocks(n_, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    multiply_rows(begin, end, v, next_u_);  // K v
    for (int64_t i = begin; i < end; ++i) {
      row_error_[at(i)] = std::abs(u[at(i)] * next_u_[at(i)] - a_[at(i)]);
      next_u_[at(i)] = ratio(a_[at(i)], next_u_[at(i)]);
    }
    kernels::gemm_serial<double>(  // what these rows add to K'u
        {.M = 1,
         .N = m_,
         .K = end - begin,
         .a = next_u_.data() + begin,
         .lda = end - begin,
         .b = row(begin),
         .ldb = m_,
         .c = partial_.data() + begin / kRowsPerBlock * m_,
         .ldc = m_});
  });
  return sum_of(row_error_);
}

void ScaledPlan::advance() {
  std::swap(u, next_u_);
  Vector sums(v.size());
  for (size_t k = 0; k < partial_.size(); k += sums.size()) {
    for (size_t j = 0; j < sums.size(); ++j) sums[j] += partial_[k + j];
  }
  for (size_t j = 0; j < sums.size(); ++j) v[j] = ratio(b_[j], sums[j]);
  absorb_large();
}

double ScaledPlan::measure_symmetric() {
  parallel::for_blocks(n_, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    multiply_rows(begin, end, u, next_u_);
    for (int64_t i = begin; i < end; ++i) {
      row_error_[at(i)] = std::abs(u[at(i)] * next_u_[at(i)] - a_[at(i)]);
      next_u_[at(i)] = std::sqrt(u[at(i)] * ratio(a_[at(i)], next_u_[at(i)]));
    }
  });
  return sum_of(row_error_);
}

void ScaledPlan::advance_symmetric() {
  std::swap(u, next_u_);
  v = u;
  absorb_large();
}

double ScaledPlan::transport() const {
  return parallel::sum_blocks(n_, kRowsPerBlock, [&](int64_t begin, int64_t end) {
    double total = 0;
    for (int64_t i = begin; i < end; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < m_; ++j) sum += row(i)[j] * v[at(j)] * C_[i * m_ + j];
      total += u[at(i)] * sum;
    }
    return total;
  });
}

}  // namespace limpid::interpret
