// interpret/numerics/nonnegative_lasso.cpp: working sets, coordinate descent, Newton steps, gap.
#include "interpret/numerics/nonnegative_lasso.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace limpid::interpret {
namespace {

constexpr double kFloor = 1e-6;           // of P(0): what a relative gap is measured in at least
constexpr int64_t kFirstSet = 256;        // entries of the first working set
constexpr int kSweeps = 20;               // of coordinate descent between Newton steps
constexpr int kRounds = 200;              // of sweeps and a step, per working set
constexpr int kStalled = 6;               // rounds without a smaller gap: rounding is reached
constexpr int kPatience = 20;             // the same, of working sets
constexpr double kSmaller = 0.9;          // of the best gap so far: what counts as smaller
constexpr int64_t kLargestNewton = 6000;  // positive entries

size_t at(int64_t i) { return static_cast<size_t>(i); }

// P and the gap, from theta, lambda and the slopes t at 0 and s at lambda.
struct Certificate {
  double objective = 0, gap = 0, square = 0;
};
Certificate certificate(
    double target_square, double rho, const std::vector<double>& lambda,
    const std::vector<double>& t, const std::vector<double>& s) {
  double total = 0, with_theta = target_square, complement = 0, steepest = 0;
  for (size_t i = 0; i < lambda.size(); ++i) {
    total += lambda[i];
    with_theta += lambda[i] * t[i];  // <r, theta>
    complement += lambda[i] * s[i];  // <r, r - theta>
    steepest = std::max(steepest, -s[i]);
  }
  const double square = std::max(0.0, with_theta + complement);  // |r|^2
  Certificate c{0.5 * square + rho * total, 0, square};
  if (rho == 0) {
    c.gap = std::max(0.0, complement) + 2 * total * steepest;
    if (total == 0 && steepest > 0) c.gap = c.objective;  // D(0) = 0
    return c;
  }
  double a = square > 0 ? std::max(0.0, with_theta / square) : 0;
  if (steepest > 0) a = std::min(a, rho / steepest);
  c.gap = std::max(0.0, c.objective - (a * with_theta - 0.5 * a * a * square));
  return c;
}

// The problem of one working set, dense. K [w, w], slopes q = t + K x.
class WorkingSet {
 public:
  explicit WorkingSet(double rho) : rho_(rho) {}

  const std::vector<int64_t>& entries() const { return entries_; }
  const std::vector<double>& x() const { return x_; }

  // Keeps the positive entries and takes in others, at 0.
  void change(
      InnerProducts& products, const std::vector<int64_t>& entering, const std::vector<double>& t) {
    std::vector<int64_t> kept;  // places
    for (int64_t k = 0; k < size(); ++k) {
      if (x_[at(k)] > 0) kept.push_back(k);
    }
    const auto old = static_cast<int64_t>(kept.size());
    const int64_t w = old + std::ssize(entering);
    std::vector<double> K(at(w * w));
    std::vector<int64_t> entries;
    std::vector<double> x;
    for (int64_t i = 0; i < old; ++i) {
      for (int64_t j = 0; j < old; ++j)
        K[at(i * w + j)] = K_[at(kept[at(i)] * size() + kept[at(j)])];
      entries.push_back(entries_[at(kept[at(i)])]);
      x.push_back(x_[at(kept[at(i)])]);
    }
    entries.insert(entries.end(), entering.begin(), entering.end());
    x.resize(at(w), 0.0);
    if (!entering.empty()) {
      const Tensor fresh = products.gram(entering, entries);  // [new, w]
      const double* value = fresh.data<double>();
      for (int64_t i = old; i < w; ++i) {
        for (int64_t j = 0; j < w; ++j) {
          const double k = value[(i - old) * w + j];
          K[at(i * w + j)] = k;
          if (j < old) K[at(j * w + i)] = k;
        }
      }
    }
    K_ = std::move(K);
    entries_ = std::move(entries);
    x_ = std::move(x);
    t_.clear();
    for (const int64_t i : entries_) t_.push_back(t[at(i)]);
    refresh();
  }

  // To a gap of `tolerance` within the set.
  void solve(double target_square, double tolerance) {
    double best = std::numeric_limits<double>::infinity();
    int stalled = 0;
    for (int round = 0; round < kRounds && stalled < kStalled; ++round) {
      for (int sweep = 0; sweep < kSweeps; ++sweep) {
        if (!descend()) break;
      }
      newton();
      refresh();
      const double gap = certificate(target_square, rho_, x_, t_, q_).gap;
      if (gap <= tolerance) return;
      stalled = gap < kSmaller * best ? 0 : stalled + 1;
      best = std::min(best, gap);
    }
  }

 private:
  int64_t size() const { return std::ssize(entries_); }
  const double* row(int64_t i) const { return K_.data() + i * size(); }

  void refresh() {
    q_ = t_;
    for (int64_t j = 0; j < size(); ++j) add(q_, j, x_[at(j)]);
  }
  void add(std::vector<double>& to, int64_t j, double step) const {
    if (step == 0) return;
    const double* k = row(j);
    for (size_t i = 0; i < to.size(); ++i) to[i] += step * k[i];
  }

  // One sweep; false if nothing moved.
  bool descend() {
    bool has_moved = false;
    for (int64_t j = 0; j < size(); ++j) {
      const double curvature = row(j)[j];
      if (!(curvature > 0)) continue;  // a vector of length 0 changes nothing
      const double next = std::max(0.0, x_[at(j)] - (q_[at(j)] + rho_) / curvature);
      const double step = next - x_[at(j)];
      if (step == 0) continue;
      x_[at(j)] = next;
      add(q_, j, step);
      has_moved = true;
    }
    return has_moved;
  }

  // From x toward the minimum over the positive entries, to where the first of them reaches 0; from
  // there again. Coordinate descent alone is slow where vectors are nearly parallel.
  void newton() {
    for (int steps = 0; steps < 5; ++steps) {
      std::vector<int64_t> F;
      for (int64_t j = 0; j < size(); ++j) {
        if (x_[at(j)] > 0) F.push_back(j);
      }
      const auto m = static_cast<int64_t>(F.size());
      if (m == 0 || m > kLargestNewton) return;
      Tensor K = Tensor::empty({m, m}, DType::f64);
      Tensor b = Tensor::empty({m}, DType::f64);
      double* k = K.mutable_data<double>();
      double* slope = b.mutable_data<double>();
      double trace = 0;
      for (int64_t i = 0; i < m; ++i) {
        slope[i] = -(q_[at(F[at(i)])] + rho_);
        for (int64_t j = 0; j < m; ++j) k[i * m + j] = row(F[at(i)])[F[at(j)]];
        trace += k[i * m + i];
      }
      for (int64_t i = 0; i < m; ++i) k[i * m + i] += 1e-13 * trace / static_cast<double>(m);
      std::vector<double> direction;
      try {
        direction = solve_cholesky(cholesky(K), b).to_vector();
      } catch (const NumericError&) {
        return;  // dependent vectors: coordinate descent goes on alone
      }
      double step = 1;
      for (int64_t i = 0; i < m; ++i) {
        const double end = x_[at(F[at(i)])] + direction[at(i)];
        if (end < 0) step = std::min(step, x_[at(F[at(i)])] / -direction[at(i)]);
      }
      for (int64_t i = 0; i < m; ++i) {
        double& x = x_[at(F[at(i)])];
        const double moved = x + step * direction[at(i)];
        const bool ends = x + direction[at(i)] < 0 && x / -direction[at(i)] <= step;
        x = ends ? 0 : std::max(0.0, moved);
      }
      refresh();
      if (step == 1) return;
    }
  }

  double rho_;
  std::vector<int64_t> entries_;
  std::vector<double> K_, x_, t_, q_;
};

// The entries outside the set whose slope is below -rho, steepest first, at most so many.
std::vector<int64_t> violated(
    const std::vector<double>& s, const WorkingSet& set, double rho, int64_t most) {
  std::vector<bool> is_inside(s.size(), false);
  for (const int64_t i : set.entries()) is_inside[at(i)] = true;
  std::vector<int64_t> found;
  for (int64_t i = 0; i < std::ssize(s); ++i) {
    if (!is_inside[at(i)] && s[at(i)] < -rho) found.push_back(i);
  }
  std::stable_sort(
      found.begin(), found.end(), [&](int64_t a, int64_t b) { return s[at(a)] < s[at(b)]; });
  if (std::ssize(found) > most) found.resize(at(most));
  std::sort(found.begin(), found.end());
  return found;
}

void check_finite(const Tensor& values) {
  const auto all = values.values<double>();
  check_value(
      std::all_of(all.begin(), all.end(), [](double v) { return std::isfinite(v); }),
      "nonnegative_lasso", "inner products hold NaN or infinity");
}

}  // namespace

DenseInnerProducts::DenseInnerProducts(Tensor G, Tensor theta)
    : G_(std::move(G)), theta_(std::move(theta)) {
  check_shape(
      G_.rank() == 2 && theta_.shape() == Shape({G_.size(1)}), "nonnegative_lasso",
      "needs G [n, p] and theta [p], got ", G_.shape(), " and ", theta_.shape());
  check_dtype(
      G_.dtype() == DType::f64 && theta_.dtype() == DType::f64, "nonnegative_lasso",
      "needs f64, got ", name_of(G_.dtype()), " and ", name_of(theta_.dtype()));
}

double DenseInnerProducts::target_square() { return sum(theta_ * theta_).item(); }

Tensor DenseInnerProducts::slopes(const Tensor& lambda) {
  const Recording off(false);
  const int64_t n = G_.size(0), p = G_.size(1);
  const Tensor r =
      reshape(theta_, {p, 1}) + matmul(G_, reshape(lambda, {n, 1}), {.transpose_a = true});
  return reshape(matmul(G_, r), {n});
}

Tensor DenseInnerProducts::gram(std::span<const int64_t> rows, std::span<const int64_t> columns) {
  const Recording off(false);
  return matmul(take_rows(G_, rows), take_rows(G_, columns), {.transpose_b = true});
}

LassoResult nonnegative_lasso(InnerProducts& products, const LassoOptions& o) {
  const Recording off(false);
  const int64_t n = products.count();
  check_value(n > 0, "nonnegative_lasso", "needs at least one vector");
  check_value(
      o.rho >= 0 && std::isfinite(o.rho), "nonnegative_lasso", "rho ", o.rho, " is negative");
  check_value(o.tolerance >= 0, "nonnegative_lasso", "tolerance ", o.tolerance, " is negative");
  const double target_square = products.target_square();
  LassoResult result;
  result.lambda = Tensor::zeros({n}, DType::f64);
  result.slopes = products.slopes(result.lambda);
  check_finite(result.slopes);
  const std::vector<double> t = result.slopes.to_vector();
  std::vector<double> s = t;
  WorkingSet set(o.rho);
  double best = std::numeric_limits<double>::infinity();
  int stalled = 0;
  double share = 0.1;  // of the tolerance, for the problem of a working set
  for (int64_t iteration = 0;; ++iteration) {
    // Where we are
    const Certificate now = certificate(target_square, o.rho, result.lambda.to_vector(), t, s);
    const double unit = std::max(now.objective, kFloor * 0.5 * target_square);
    result.objective = now.objective;
    result.gap = now.gap;
    result.relative_gap = unit > 0 ? now.gap / unit : 0;
    const auto lambda = result.lambda.values<double>();
    result.positive = std::count_if(lambda.begin(), lambda.end(), [](double v) { return v > 0; });
    result.trace.push_back({now.objective, now.gap, now.square, result.positive});
    result.converged = result.relative_gap <= o.tolerance;
    const bool goes_on = !o.progress || o.progress(iteration, result.relative_gap);
    stalled = now.gap < kSmaller * best ? 0 : stalled + 1;
    best = std::min(best, now.gap);
    if (result.converged || iteration == o.max_iterations || stalled == kPatience || !goes_on) {
      return result;
    }

    // A larger set where slopes say so, a more exact solution of the same set else
    int64_t most = std::max(kFirstSet, result.positive);
    if (o.largest_working_set > 0) {
      most = std::max<int64_t>(0, std::min(most, o.largest_working_set - result.positive));
    }
    const std::vector<int64_t> entering = violated(s, set, o.rho, most);
    if (entering.empty()) share *= 0.1;
    set.change(products, entering, t);
    set.solve(target_square, share * o.tolerance * unit);

    std::vector<double> next(at(n), 0.0);
    for (size_t k = 0; k < set.x().size(); ++k) next[at(set.entries()[k])] = set.x()[k];
    result.lambda = Tensor::of({n}, next, DType::f64);
    result.slopes = products.slopes(result.lambda);
    check_finite(result.slopes);
    s = result.slopes.to_vector();
  }
}

LassoStep measure_lasso(InnerProducts& products, const Tensor& lambda, double rho) {
  const Recording off(false);
  const std::vector<double> t =
      products.slopes(Tensor::zeros(lambda.shape(), DType::f64)).to_vector();
  const std::vector<double> x = lambda.to_vector();
  const Certificate c =
      certificate(products.target_square(), rho, x, t, products.slopes(lambda).to_vector());
  const auto positive = std::count_if(x.begin(), x.end(), [](double v) { return v > 0; });
  return {c.objective, c.gap, c.square, positive};
}

}  // namespace limpid::interpret
