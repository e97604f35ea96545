// interpret/numerics/nnls.cpp: the active set method of Lawson and Hanson.
#include "interpret/numerics/nnls.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace limpid::interpret {
namespace {

class ActiveSet {
 public:
  ActiveSet(const Tensor& K, const Tensor& c, const NnlsOptions& o)
      : n_(c.numel()), K_(K), c_(c.to_vector()), x_(c_.size(), 0.0), is_free_(c_.size(), false) {
    double trace = 0, largest = 0;
    for (int64_t j = 0; j < n_; ++j) trace += at(j, j);
    for (const double value : c_) largest = std::max(largest, std::abs(value));
    ridge_ = n_ > 0 ? o.ridge * trace / static_cast<double>(n_) : 0;
    tolerance_ = o.tolerance * largest;
  }

  NnlsResult solve(int64_t max_iterations) {
    NnlsResult result;
    std::vector<double> w = slopes();
    while (result.iterations < max_iterations) {
      const int64_t entering = steepest(w);
      if (entering < 0) {
        result.converged = true;
        break;
      }
      is_free_[static_cast<size_t>(entering)] = true;
      ++result.iterations;
      settle();
      w = slopes();
      // An entry that left at once adds nothing in this arithmetic: do not try it for ever
      if (is_free_[static_cast<size_t>(entering)]) {
        barred_.clear();
      } else {
        barred_.push_back(entering);
      }
    }
    result.x = Tensor::of({n_}, x_, DType::f64);
    for (int64_t j = 0; j < n_; ++j) {
      const auto k = static_cast<size_t>(j);
      result.largest_slope = j == 0 ? w[k] : std::max(result.largest_slope, w[k]);
      result.complementarity += x_[k] * w[k];
    }
    result.complementarity = std::abs(result.complementarity);
    return result;
  }

 private:
  double at(int64_t i, int64_t j) const { return K_.data<double>()[i * n_ + j]; }

  // w = c - K x
  std::vector<double> slopes() const {
    std::vector<double> w = c_;
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j < n_; ++j)
        w[static_cast<size_t>(i)] -= at(i, j) * x_[static_cast<size_t>(j)];
    }
    return w;
  }

  // The fixed entry with the largest positive slope; -1 if there is none
  int64_t steepest(const std::vector<double>& w) const {
    int64_t best = -1;
    for (int64_t j = 0; j < n_; ++j) {
      const auto k = static_cast<size_t>(j);
      if (is_free_[k] || w[k] <= tolerance_) continue;
      if (std::find(barred_.begin(), barred_.end(), j) != barred_.end()) continue;
      if (best < 0 || w[k] > w[static_cast<size_t>(best)]) best = j;
    }
    return best;
  }

  std::vector<int64_t> free_entries() const {
    std::vector<int64_t> entries;
    for (int64_t j = 0; j < n_; ++j) {
      if (is_free_[static_cast<size_t>(j)]) entries.push_back(j);
    }
    return entries;
  }

  // The minimum over the free entries, whatever their signs: K_FF s = c_F
  std::vector<double> unconstrained(const std::vector<int64_t>& entries) const {
    const auto m = static_cast<int64_t>(entries.size());
    Tensor A = Tensor::empty({m, m}, DType::f64);
    Tensor b = Tensor::empty({m, 1}, DType::f64);
    double* a = A.mutable_data<double>();
    double* rhs = b.mutable_data<double>();
    for (int64_t i = 0; i < m; ++i) {
      const int64_t row = entries[static_cast<size_t>(i)];
      rhs[i] = c_[static_cast<size_t>(row)];
      for (int64_t j = 0; j < m; ++j) a[i * m + j] = at(row, entries[static_cast<size_t>(j)]);
      a[i * m + i] += ridge_;
    }
    return solve_cholesky(cholesky(A), b).to_vector();
  }

  // Moves to the minimum over the free entries; those that reach 0 on the way are fixed there.
  void settle() {
    for (std::vector<int64_t> entries = free_entries(); !entries.empty();
         entries = free_entries()) {
      const std::vector<double> s = unconstrained(entries);
      const auto reach = [&](size_t i) {  // the share of the way after which an entry is 0
        const double x = x_[static_cast<size_t>(entries[i])];
        return s[i] > 0 ? 2.0 : x == 0 ? 0.0 : x / (x - s[i]);
      };
      double step = 1;
      for (size_t i = 0; i < s.size(); ++i) step = std::min(step, reach(i));
      bool all_stay = true;
      for (size_t i = 0; i < s.size(); ++i) {
        const auto k = static_cast<size_t>(entries[i]);
        const bool ends = reach(i) <= step;
        x_[k] += step * (s[i] - x_[k]);
        if (ends) {
          x_[k] = 0;
          is_free_[k] = false;
          all_stay = false;
        }
      }
      if (all_stay) return;
    }
  }

  int64_t n_;
  Tensor K_;
  std::vector<double> c_, x_;
  std::vector<bool> is_free_;
  std::vector<int64_t> barred_;
  double ridge_ = 0, tolerance_ = 0;
};

}  // namespace

NnlsResult nnls(const Tensor& K, const Tensor& c, const NnlsOptions& options) {
  const Recording off(false);
  const int64_t n = c.numel();
  check_shape(
      c.rank() == 1 && K.shape() == Shape({n, n}), "nnls", "needs K [n, n] and c [n], got ",
      K.shape(), " and ", c.shape());
  check_dtype(
      K.dtype() == DType::f64 && c.dtype() == DType::f64, "nnls", "needs f64, got ",
      name_of(K.dtype()), " and ", name_of(c.dtype()));
  for (const Tensor& t : {K, c}) {
    const auto values = t.values<double>();
    check_value(
        std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }),
        "nnls", "holds NaN or infinity");
  }
  const int64_t limit = options.max_iterations > 0 ? options.max_iterations : 3 * n;
  return ActiveSet(K, c, options).solve(limit);
}

}  // namespace limpid::interpret
