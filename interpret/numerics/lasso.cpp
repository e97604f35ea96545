// interpret/numerics/lasso.cpp: the path, from one change of the support to the next.
#include "interpret/numerics/lasso.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace limpid::interpret {
namespace {

void check_problem(const Tensor& Q, const Tensor& q) {
  const int64_t m = q.numel();
  check_shape(
      q.rank() == 1 && m > 0 && Q.shape() == Shape({m, m}), "lasso",
      "needs Q [m, m] and q [m], got ", Q.shape(), " and ", q.shape());
  check_dtype(
      Q.dtype() == DType::f64 && q.dtype() == DType::f64, "lasso", "needs f64, got ",
      name_of(Q.dtype()), " and ", name_of(q.dtype()));
  for (const Tensor& t : {Q, q}) {
    const auto values = t.values<double>();
    check_value(
        std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }),
        "lasso", "holds NaN or infinity");
  }
}

// [[Q, -Q], [-Q, Q]] and [q, -q].
void double_with_opposites(Tensor& Q, Tensor& q) {
  const int64_t m = q.numel();
  Tensor Q2 = Tensor::empty({2 * m, 2 * m}, DType::f64);
  Tensor q2 = Tensor::empty({2 * m}, DType::f64);
  double* out = Q2.mutable_data<double>();
  double* rhs = q2.mutable_data<double>();
  for (int64_t i = 0; i < 2 * m; ++i) {
    rhs[i] = (i < m ? 1 : -1) * q.data<double>()[i % m];
    for (int64_t j = 0; j < 2 * m; ++j) {
      const double sign = (i < m) == (j < m) ? 1 : -1;
      *out++ = sign * Q.data<double>()[(i % m) * m + j % m];
    }
  }
  Q = Q2;
  q = q2;
}

class Homotopy {
 public:
  Homotopy(const Tensor& Q, const Tensor& q, double ridge)
      : m_(q.numel()), Q_(Q), w_(static_cast<size_t>(m_)), c_(q.to_vector()) {
    double trace = 0;
    for (int64_t j = 0; j < m_; ++j) trace += Q.data<double>()[j * m_ + j];
    ridge_ = ridge * trace / static_cast<double>(m_);
    lambda_ = std::max(0.0, *std::max_element(c_.begin(), c_.end()));
    scale_ = lambda_;
  }

  double lambda() const { return lambda_; }
  const std::vector<double>& w() const { return w_; }

  // Goes on to the next change of the support, or to lambda = 0. At first and after a change
  // exactly one weight enters.
  void step() {
    if (entering_ < 0) entering_ = std::max_element(c_.begin(), c_.end()) - c_.begin();
    if (enters_) active_.push_back(entering_);
    enters_ = false;
    const std::vector<double> d = direction();
    std::vector<double> slope(static_cast<size_t>(m_));  // (Q d)_j: how fast c_j falls
    for (size_t a = 0; a < active_.size(); ++a) {
      for (int64_t j = 0; j < m_; ++j) slope[static_cast<size_t>(j)] += at(j, active_[a]) * d[a];
    }

    double length = lambda_;
    int64_t leaving = -1;
    for (size_t a = 0; a < active_.size(); ++a) {  // a weight falls to 0
      const double w = w_[static_cast<size_t>(active_[a])];
      if (d[a] < 0 && -w / d[a] < length) {
        length = -w / d[a];
        leaving = static_cast<int64_t>(a);
      }
    }
    for (int64_t j = 0; j < m_; ++j) {  // a correlation reaches lambda
      const auto k = static_cast<size_t>(j);
      const double closing = 1 - slope[k];
      if (is_active(j) || j == left_ || at(j, j) <= 0 || closing <= 1e-12) continue;
      const double reach = std::max(0.0, (lambda_ - c_[k]) / closing);
      if (reach < length) {
        length = reach;
        leaving = -1;
        entering_ = j;
        enters_ = true;
      }
    }
    left_ = -1;
    lambda_ -= length;
    if (lambda_ < 1e-14 * scale_) lambda_ = 0;
    for (size_t a = 0; a < active_.size(); ++a)
      w_[static_cast<size_t>(active_[a])] += length * d[a];
    for (int64_t j = 0; j < m_; ++j) {
      const auto k = static_cast<size_t>(j);
      c_[k] -= length * slope[k];
    }
    if (leaving >= 0) {
      enters_ = false;
      left_ = active_[static_cast<size_t>(leaving)];
      w_[static_cast<size_t>(left_)] = 0;
      active_.erase(active_.begin() + leaving);
    }
  }

 private:
  double at(int64_t i, int64_t j) const {
    return Q_.data<double>()[i * m_ + j] + (i == j ? ridge_ : 0);
  }
  bool is_active(int64_t j) const { return std::ranges::count(active_, j) > 0; }

  // d w_A / d (-lambda) = Q_AA^-1 1
  std::vector<double> direction() const {
    const int64_t size = std::ssize(active_);
    if (size == 0) return {};
    Tensor A = Tensor::empty({size, size}, DType::f64);
    double* out = A.mutable_data<double>();
    for (const int64_t i : active_) {
      for (const int64_t j : active_) *out++ = at(i, j);
    }
    return solve_cholesky(cholesky(A), Tensor::ones({size}, DType::f64)).to_vector();
  }

  int64_t m_;
  Tensor Q_;
  std::vector<double> w_, c_;
  std::vector<int64_t> active_;
  int64_t entering_ = -1, left_ = -1;  // left_: just left, may not come back at once
  bool enters_ = true;
  double lambda_ = 0, scale_ = 0, ridge_ = 0;
};

Tensor as_tensor(const std::vector<double>& w) {
  return Tensor::of({std::ssize(w)}, w, DType::f64);
}

// a + share (b - a)
Tensor between(const LassoKnot& a, const LassoKnot& b, double share) {
  std::vector<double> w = a.w;
  for (size_t j = 0; j < w.size(); ++j) w[j] += share * (b.w[j] - w[j]);
  return as_tensor(w);
}

}  // namespace

LassoPath::LassoPath(const Tensor& Q, const Tensor& q, const LassoPathOptions& o) {
  check_problem(Q, q);
  check_value(o.ridge >= 0, "lasso", "ridge must be at least 0, got ", o.ridge);
  Tensor Q2 = Q, q2 = q;
  if (o.is_signed) double_with_opposites(Q2, q2);
  Homotopy homotopy(Q2, q2, o.ridge);
  const auto m = static_cast<size_t>(q.numel());
  const auto add_knot = [&] {
    LassoKnot knot{.lambda = homotopy.lambda(), .sum = 0, .w = homotopy.w()};
    knot.sum = std::accumulate(knot.w.begin(), knot.w.end(), 0.0);
    if (o.is_signed) {
      for (size_t j = 0; j < m; ++j) knot.w[j] -= knot.w[m + j];
      knot.w.resize(m);
    }
    knots_.push_back(std::move(knot));
  };
  add_knot();
  const int64_t most = o.max_knots > 0 ? o.max_knots : 8 * q2.numel() + 8;
  while (homotopy.lambda() > 0) {
    if (std::ssize(knots_) >= most) {
      throw NumericError(
          join_text("lasso: the path has not ended after ", most, " changes"), homotopy.lambda());
    }
    homotopy.step();
    add_knot();
  }
}

Tensor LassoPath::at_mu(double mu) const {
  check_value(mu >= 0, "lasso", "mu must be at least 0, got ", mu);
  for (size_t k = 1; k < knots_.size(); ++k) {
    const LassoKnot &a = knots_[k - 1], &b = knots_[k];
    if (mu <= b.sum && b.sum > a.sum) return between(a, b, (mu - a.sum) / (b.sum - a.sum));
  }
  return as_tensor(knots_.back().w);
}

Tensor LassoPath::at_lambda(double lambda) const {
  check_value(lambda >= 0, "lasso", "lambda must be at least 0, got ", lambda);
  if (lambda >= knots_.front().lambda) return as_tensor(knots_.front().w);
  for (size_t k = 1; k < knots_.size(); ++k) {
    const LassoKnot &a = knots_[k - 1], &b = knots_[k];
    if (lambda >= b.lambda) return between(a, b, (a.lambda - lambda) / (a.lambda - b.lambda));
  }
  return as_tensor(knots_.back().w);
}

Tensor LassoPath::at_share(double share) const {
  check_value(share >= 0 && share <= 1, "lasso", "share must be in [0, 1], got ", share);
  return at_mu(share * knots_.back().sum);
}

double lasso_violation(const Tensor& Q, const Tensor& q, const Tensor& w, double mu) {
  check_problem(Q, q);
  check_shape(w.shape() == q.shape(), "lasso", "w ", w.shape(), " does not fit q ", q.shape());
  const int64_t m = q.numel();
  const std::vector<double> x = w.to_vector();
  std::vector<double> c = q.to_vector();
  double theta = 0, sum = 0, scale = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    scale = std::max(scale, std::abs(c[i]));
    sum += x[i];
    for (size_t j = 0; j < x.size(); ++j) {
      c[i] -= Q.data<double>()[static_cast<int64_t>(i) * m + static_cast<int64_t>(j)] * x[j];
    }
    theta = std::max(theta, c[i]);
  }
  double worst = std::max(sum - mu, theta * std::max(0.0, mu - sum) / std::max(1.0, mu));
  for (size_t j = 0; j < x.size(); ++j) {
    worst = std::max(worst, -x[j]);
    if (x[j] > 0) worst = std::max(worst, theta - c[j]);
  }
  return scale > 0 ? worst / scale : worst;
}

}  // namespace limpid::interpret
