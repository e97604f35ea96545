// tests/reference/assignment.cpp: shortest augmenting paths with potentials.
#include "tests/reference/assignment.h"

#include <limits>

namespace limpid::reference {

std::vector<int64_t> least_cost_assignment(const Tensor& C) {
  // Rows and columns count from 1; column 0 is where a new row waits
  const size_t n = static_cast<size_t>(C.size(0)), m = static_cast<size_t>(C.size(1));
  std::vector<double> u(n + 1), v(m + 1);
  std::vector<size_t> row_of(m + 1);
  for (size_t row = 1; row <= n; ++row) {
    std::vector<double> slack(m + 1, std::numeric_limits<double>::infinity());
    std::vector<size_t> before(m + 1);
    std::vector<bool> is_reached(m + 1);
    row_of[0] = row;
    size_t at = 0;
    while (row_of[at] != 0) {
      is_reached[at] = true;
      const size_t i = row_of[at];
      size_t next = 0;
      for (size_t j = 1; j <= m; ++j) {
        if (is_reached[j]) continue;
        const double reduced = C.data<double>()[(i - 1) * m + j - 1] - u[i] - v[j];
        if (reduced < slack[j]) {
          slack[j] = reduced;
          before[j] = at;
        }
        if (next == 0 || slack[j] < slack[next]) next = j;
      }
      const double by = slack[next];
      for (size_t j = 0; j <= m; ++j) {
        if (is_reached[j]) {
          u[row_of[j]] += by;
          v[j] -= by;
        } else {
          slack[j] -= by;
        }
      }
      at = next;
    }
    for (; at != 0; at = before[at]) row_of[at] = row_of[before[at]];
  }
  std::vector<int64_t> column(n);
  for (size_t j = 1; j <= m; ++j) {
    if (row_of[j] != 0) column[row_of[j] - 1] = static_cast<int64_t>(j) - 1;
  }
  return column;
}

}  // namespace limpid::reference
