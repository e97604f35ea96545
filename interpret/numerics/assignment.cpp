// interpret/numerics/assignment.cpp: the four steps of Jonker and Volgenant.
#include "interpret/numerics/assignment.h"

#include "framework/core/error.h"
#include "framework/kernels/dispatch.h"
#include "interpret/numerics/network_simplex.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace limpid::interpret {
namespace {

using kernels::Least;
using kernels::LeastTwo;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kFree = -1;
constexpr int64_t kRowReductions = 2;   // passes over the free rows
constexpr int64_t kReductionScans = 4;  // of a pass: prices that fall by little do not end it
constexpr int64_t kMostScans = 50;      // per row

class Matching {
 public:
  Matching(std::span<const double> cost, int64_t n, int64_t m)
      : cost_(cost.data()),
        rows_(n),
        columns_(m),
        column_(static_cast<size_t>(n), kFree),
        row_(static_cast<size_t>(m), kFree),
        v_(static_cast<size_t>(m)),
        distance_(static_cast<size_t>(m)),
        from_(static_cast<size_t>(m)) {}

  // Gives up a square problem that is about to take more than kMostScans for each row, as long as
  // half of the paths are left: later ones are longer than earlier ones.
  Assignment solve() {
    if (rows_ == columns_) {
      reduce_columns();
      transfer_reductions();
    }
    for (int64_t i = 0; i < rows_; ++i) {
      if (column_of(i) == kFree) free_.push_back(i);
    }
    for (int64_t pass = 0; pass < kRowReductions; ++pass) reduce_rows();
    for (int64_t j = 0; j < columns_; ++j) {
      if (row_of(j) == kFree) free_columns_.push_back(j);
    }
    const int64_t paths = std::ssize(free_);
    for (int64_t k = 0; k < paths && is_complete_; ++k) {
      augment(free_[static_cast<size_t>(k)]);
      is_complete_ = rows_ < columns_ || k >= paths / 2 ||
                     scans_ * paths < kMostScans * rows_ * (k + paths / 8 + 1);
    }
    return {.column = std::move(column_), .v = std::move(v_), .iterations = scans_};
  }

  bool is_complete() const { return is_complete_; }

 private:
  const double* costs(int64_t i) {
    ++scans_;
    return cost_ + i * columns_;
  }
  int64_t& column_of(int64_t i) { return column_[static_cast<size_t>(i)]; }
  int64_t& row_of(int64_t j) { return row_[static_cast<size_t>(j)]; }
  double& v(int64_t j) { return v_[static_cast<size_t>(j)]; }

  void assign(int64_t i, int64_t j) {
    column_of(i) = j;
    row_of(j) = i;
  }

  void reduce_columns() {
    const std::vector<double> zeros(v_.size());
    std::ranges::fill(v_, kInfinity);
    for (int64_t i = 0; i < rows_; ++i)
      scan_.relax(columns_, costs(i), zeros.data(), 0, i, v_.data(), from_.data());
    shares_.assign(column_.size(), 0);
    for (int64_t j = 0; j < columns_; ++j) {
      const int64_t i = from_[static_cast<size_t>(j)];
      if (shares_[static_cast<size_t>(i)]++ == 0) assign(i, j);
    }
  }

  void transfer_reductions() {
    for (int64_t i = 0; i < rows_ && columns_ > 1; ++i) {
      if (shares_[static_cast<size_t>(i)] != 1) continue;
      const int64_t j = column_of(i);
      const LeastTwo two = scan_.least_two(columns_, costs(i), v_.data());
      if (two.first.index == j) v(j) -= two.second.value - two.first.value;
    }
  }

  void reduce_rows() {
    const std::vector<int64_t> waiting = std::exchange(free_, {});
    int64_t scans_left = kReductionScans * std::ssize(waiting);
    for (const int64_t start : waiting) {
      for (int64_t i = start; i != kFree;) {
        if (columns_ == 1 || scans_left-- <= 0) {
          free_.push_back(i);
          break;
        }
        const auto [first, second] = scan_.least_two(columns_, costs(i), v_.data());
        const double price = v(first.index) - (second.value - first.value);
        const bool falls = price < v(first.index);
        int64_t j = first.index;
        if (falls) {
          v(j) = price;
        } else if (row_of(j) != kFree) {
          j = second.index;
        }
        const int64_t before = row_of(j);
        assign(i, j);
        if (before != kFree) column_of(before) = kFree;
        if (before != kFree && !falls) free_.push_back(before);
        i = falls ? before : kFree;
      }
    }
  }

  // The shortest path from a free row to a free column, columns reached in order of distance.
  // A column that was reached leaves the scans: its price is kept aside.
  void augment(int64_t start) {
    std::ranges::fill(distance_, kInfinity);
    reached_.clear();
    double shift = 0;
    Least end = {-kInfinity, -1};
    for (int64_t i = start;;) {
      const double before = end.value;
      end = scan_.relax(columns_, costs(i), v_.data(), shift, i, distance_.data(), from_.data());
      if (end.value == before) end.index = free_column_at(end);
      if (row_of(end.index) == kFree) break;
      const int64_t j = end.index;
      i = row_of(j);
      shift = cost_[i * columns_ + j] - v(j) - end.value;
      reached_.push_back({j, v(j), end.value});
      v(j) = -kInfinity;
      distance_[static_cast<size_t>(j)] = kInfinity;
    }
    for (const Reached& r : reached_) v(r.column) = r.v + (r.distance - end.value);
    std::erase(free_columns_, end.index);
    for (int64_t j = end.index, i = kFree; i != start;) {
      i = from_[static_cast<size_t>(j)];
      std::swap(j, column_of(i));
      row_of(column_of(i)) = i;
    }
  }

  // Of columns equally near one that is free, if there is one.
  int64_t free_column_at(const Least& nearest) const {
    const auto found = std::ranges::find_if(free_columns_, [&](int64_t j) {
      return distance_[static_cast<size_t>(j)] == nearest.value;
    });
    return found == free_columns_.end() ? nearest.index : *found;
  }

  struct Reached {
    int64_t column;
    double v, distance;
  };

  const kernels::RowScanTable& scan_ = kernels::row_scan_table();
  const double* cost_;
  int64_t rows_, columns_;
  std::vector<int64_t> column_, row_;  // of rows, of columns
  std::vector<double> v_;
  std::vector<int64_t> free_, free_columns_;  // rows, and columns before the augmentations
  std::vector<int64_t> shares_;               // columns of which a row has the least cost
  std::vector<double> distance_;
  std::vector<int64_t> from_;  // the row before a column on its path
  std::vector<Reached> reached_;
  int64_t scans_ = 0;
  bool is_complete_ = true;
};

// One unit for each row and column.
void finish_by_simplex(std::span<const double> C, int64_t n, Assignment& result) {
  const std::vector<int64_t> ones(static_cast<size_t>(n), 1);
  NetworkFlow flow = network_simplex(C, ones, ones, std::numeric_limits<int64_t>::max());
  for (const auto& [i, j, unit] : flow.arcs) result.column[static_cast<size_t>(i)] = j;
  result.v = std::move(flow.v);
  result.iterations += flow.iterations;
}

}  // namespace

Assignment solve_assignment(std::span<const double> C, int64_t n, int64_t m) {
  Matching matching(C, n, m);
  Assignment result = matching.solve();
  if (!matching.is_complete()) finish_by_simplex(C, n, result);
  return result;
}

std::vector<int64_t> least_cost_assignment(const Tensor& C) {
  check_shape(
      C.rank() == 2 && C.size(0) <= C.size(1), "assignment", "needs C [n, m] with n <= m, got ",
      C.shape());
  const auto values = C.values<double>();
  check_value(
      std::ranges::all_of(values, [](double v) { return std::isfinite(v); }), "assignment",
      "a cost is NaN or infinite");
  return solve_assignment(values, C.size(0), C.size(1)).column;
}

}  // namespace limpid::interpret
