// interpret/numerics/assignment.cpp: shortest augmenting paths with potentials.
#include "interpret/numerics/assignment.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace limpid::interpret {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Rows and columns count from 1; column 0 is where a new row waits.
class Matching {
 public:
  Matching(const double* cost, int64_t n, int64_t m)
      : cost_(cost),
        columns_(m),
        row_potential_(static_cast<size_t>(n) + 1),
        column_potential_(static_cast<size_t>(m) + 1),
        row_of_(static_cast<size_t>(m) + 1) {}

  void join(int64_t row) {
    const size_t size = row_of_.size();
    std::vector<double> slack(size, kInfinity);
    std::vector<size_t> before(size);
    std::vector<bool> is_reached(size);
    row_of_[0] = row;
    size_t at = 0;
    while (row_of_[at] != 0) {
      is_reached[at] = true;
      relax(at, slack, before, is_reached);
      const size_t next = nearest(slack, is_reached);
      shift(slack[next], slack, is_reached);
      at = next;
    }
    for (; at != 0; at = before[at]) row_of_[at] = row_of_[before[at]];
  }

  std::vector<int64_t> columns_of_rows(int64_t n) const {
    std::vector<int64_t> column(static_cast<size_t>(n));
    for (size_t j = 1; j < row_of_.size(); ++j) {
      if (row_of_[j] != 0)
        column[static_cast<size_t>(row_of_[j] - 1)] = static_cast<int64_t>(j) - 1;
    }
    return column;
  }

 private:
  void relax(
      size_t at, std::vector<double>& slack, std::vector<size_t>& before,
      const std::vector<bool>& is_reached) const {
    const auto row = static_cast<size_t>(row_of_[at]);
    for (size_t j = 1; j < slack.size(); ++j) {
      const double reduced =
          cost_[static_cast<int64_t>(row - 1) * columns_ + static_cast<int64_t>(j - 1)] -
          row_potential_[row] - column_potential_[j];
      if (is_reached[j] || reduced >= slack[j]) continue;
      slack[j] = reduced;
      before[j] = at;
    }
  }

  static size_t nearest(const std::vector<double>& slack, const std::vector<bool>& is_reached) {
    size_t best = 0;
    for (size_t j = 1; j < slack.size(); ++j) {
      if (!is_reached[j] && (best == 0 || slack[j] < slack[best])) best = j;
    }
    return best;
  }

  void shift(double by, std::vector<double>& slack, const std::vector<bool>& is_reached) {
    for (size_t j = 0; j < slack.size(); ++j) {
      if (is_reached[j]) {
        row_potential_[static_cast<size_t>(row_of_[j])] += by;
        column_potential_[j] -= by;
      } else {
        slack[j] -= by;
      }
    }
  }

  const double* cost_;
  int64_t columns_;
  std::vector<double> row_potential_, column_potential_;
  std::vector<int64_t> row_of_;  // of each column; 0: free
};

}  // namespace

std::vector<int64_t> least_cost_assignment(const Tensor& C) {
  check_shape(
      C.rank() == 2 && C.size(0) <= C.size(1), "assignment", "needs C [n, m] with n <= m, got ",
      C.shape());
  const auto values = C.values<double>();
  check_value(
      std::ranges::all_of(values, [](double v) { return std::isfinite(v); }), "assignment",
      "a cost is NaN or infinite");
  Matching matching(values.data(), C.size(0), C.size(1));
  for (int64_t i = 1; i <= C.size(0); ++i) matching.join(i);
  return matching.columns_of_rows(C.size(0));
}

}  // namespace limpid::interpret
