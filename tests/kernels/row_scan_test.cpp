// tests/kernels/row_scan_test.cpp: scans of a cost row beside loops, bit for bit.
#include "framework/kernels/dispatch.h"
#include "tests/kernels/random_arrays.h"

#include <limits>

using namespace limpid;
using kernels::Least;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The first two by (value, index) of what is below infinity.
kernels::LeastTwo two_by_loop(const std::vector<double>& values) {
  kernels::LeastTwo two = {{kInfinity, -1}, {kInfinity, -1}};
  for (size_t j = 0; j < values.size(); ++j) {
    const Least next = {values[j], static_cast<int64_t>(j)};
    if (next.value < two.first.value) {
      two = {next, two.first};
    } else if (next.value < two.second.value) {
      two.second = next;
    }
  }
  return two;
}

bool same(const Least& a, const Least& b) { return a.value == b.value && a.index == b.index; }

// Costs and potentials; `ties`: few different ones, and columns that are kept out.
struct Row {
  std::vector<double> c, v;
};
Row random_row(int64_t n, bool ties, Rng& rng) {
  Row row = {random_array<double>(n, rng), random_array<double>(n, rng)};
  for (size_t j = 0; ties && j < row.c.size(); ++j) {
    row.c[j] = static_cast<double>(rng.integer(3));
    row.v[j] = rng.integer(4) == 0 ? -kInfinity : static_cast<double>(rng.integer(2));
  }
  return row;
}

}  // namespace

TEST_CASE("row scans: every length, with ties and columns that are kept out") {
  for (const kernels::InstructionSet set : kernels::supported_sets()) {
    const InstructionScope scope(set);
    const kernels::RowScanTable& table = kernels::row_scan_table();
    Rng rng(1);
    for (int64_t trial = 0; trial < 160; ++trial) {
      const int64_t n = trial / 4;
      CAPTURE(n);
      const auto [c, v] = random_row(n, trial % 2 == 1, rng);
      std::vector<double> reduced;
      for (size_t j = 0; j < c.size(); ++j) reduced.push_back(c[j] - v[j]);
      const auto [first, second] = two_by_loop(reduced);
      CHECK(same(table.least(n, c.data(), v.data()), first));
      const auto two = table.least_two(n, c.data(), v.data());
      CHECK(same(two.first, first));
      CHECK(same(two.second, second));

      std::vector<double> d = random_array<double>(n, rng), by_loop = d;
      std::vector<int64_t> from(c.size(), -7), from_by_loop = from;
      const double shift = rng.normal();
      for (size_t j = 0; j < c.size(); ++j) {
        if (reduced[j] - shift >= d[j]) continue;
        by_loop[j] = reduced[j] - shift;
        from_by_loop[j] = 42;
      }
      const Least nearest = table.relax(n, c.data(), v.data(), shift, 42, d.data(), from.data());
      CHECK(same(nearest, two_by_loop(by_loop).first));
      CHECK(d == by_loop);
      CHECK(from == from_by_loop);
    }
  }
}
