// tests/core/parallel_test.cpp: every index once, the same sums at any thread count.
#include "framework/core/parallel.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace limpid::parallel {
namespace {

constexpr int kThreadCounts[] = {1, 2, 3, 5};

// Terms of very different size, so that another order of adding shows in the last bits.
double term(int64_t i) { return std::ldexp(1.0 / static_cast<double>(i + 3), i * 7 % 40); }

double sum_of_terms(int64_t n, int64_t block) {
  return sum_blocks(n, block, [](int64_t begin, int64_t end) {
    double total = 0;
    for (int64_t i = begin; i < end; ++i) total += term(i);
    return total;
  });
}

}  // namespace

TEST_CASE("for_blocks: every index exactly once, in blocks of the size asked for") {
  for (const int count : kThreadCounts) {
    const ThreadLimit limit(count);
    CHECK(threads() == count);
    for (const int64_t n : {0, 1, 7, 8, 9, 1000}) {
      for (const int64_t block : {1, 4, 8, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
        std::atomic<int> bad_blocks{0};
        for_blocks(n, block, [&](int64_t begin, int64_t end) {
          const bool is_full = end - begin == block || end == n;
          if (begin % block != 0 || begin >= end || !is_full) ++bad_blocks;
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        CHECK(bad_blocks == 0);
        bool once = true;
        for (const auto& times : seen) once &= times == 1;
        CHECK(once);
      }
    }
  }
}

TEST_CASE("for_blocks: may be nested") {
  const ThreadLimit limit(3);
  std::vector<std::atomic<int>> seen(12 * 50);
  for_blocks(12, 1, [&](int64_t row, int64_t) {
    for_blocks(50, 7, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(row * 50 + i)];
    });
  });
  bool once = true;
  for (const auto& times : seen) once &= times == 1;
  CHECK(once);
}

TEST_CASE("for_each: every piece is done, then what the first threw goes on") {
  for (const int threads : {1, 3}) {
    const parallel::ThreadLimit limit(threads);
    std::vector<int> done(20);
    CHECK_THROWS_WITH(
        parallel::for_each(
            20,
            [&](int64_t i) {
              done[static_cast<size_t>(i)] = 1;
              if (i % 7 == 3) throw std::runtime_error("piece " + std::to_string(i));
            }),
        "piece 3");
    CHECK(std::count(done.begin(), done.end(), 1) == 20);
    parallel::for_each(20, [&](int64_t i) { done[static_cast<size_t>(i)] = 2; });
    CHECK(std::count(done.begin(), done.end(), 2) == 20);
    parallel::for_each(0, [&](int64_t) { done[0] = 3; });
    CHECK(done[0] == 2);
  }
}

TEST_CASE("sum_blocks: the same bits at any thread count, combined in block order") {
  for (const int64_t n : {1, 100, 12345}) {
    // The definition: partial sums of the blocks, added from the first to the last
    double expected = 0;
    for (int64_t begin = 0; begin < n; begin += 37) {
      double partial = 0;
      for (int64_t i = begin; i < std::min<int64_t>(n, begin + 37); ++i) partial += term(i);
      expected += partial;
    }
    for (const int count : kThreadCounts) {
      const ThreadLimit limit(count);
      for (int repeat = 0; repeat < 5; ++repeat) {
        CHECK(std::bit_cast<uint64_t>(sum_of_terms(n, 37)) == std::bit_cast<uint64_t>(expected));
      }
    }
  }
  CHECK(sum_of_terms(12345, 37) != sum_of_terms(12345, 38));  // the terms can tell an order
  CHECK(sum_of_terms(0, 37) == 0);
}

TEST_CASE("set_threads: 1 to 1024, anything else changes nothing") {
  const int before = threads();
  CHECK(before >= 1);
  CHECK_THROWS_WITH_AS(set_threads(0), "threads: need 1 to 1024, got 0", ValueError);
  CHECK_THROWS_WITH_AS(set_threads(-1), "threads: need 1 to 1024, got -1", ValueError);
  CHECK_THROWS_WITH_AS(set_threads(1000000), "threads: need 1 to 1024, got 1000000", ValueError);
  CHECK_THROWS_AS(ThreadLimit(0), ValueError);
  CHECK(threads() == before);
}

TEST_CASE("ThreadLimit: restores the count, also when nested or left by an exception") {
  const int before = threads();
  {
    const ThreadLimit outer(3);
    CHECK(threads() == 3);
    {
      const ThreadLimit inner(1);
      CHECK(threads() == 1);
    }
    CHECK(threads() == 3);
    try {
      const ThreadLimit inner(2);
      throw ValueError("left");
    } catch (const ValueError&) {
    }
    CHECK(threads() == 3);
  }
  CHECK(threads() == before);
}

TEST_CASE("slot: below threads(), and never shared by two running blocks") {
  for (const int count : kThreadCounts) {
    const ThreadLimit limit(count);
    std::vector<std::atomic<int>> busy(static_cast<size_t>(count));
    std::atomic<int> outside{0}, clashes{0};
    for_blocks(2000, 1, [&](int64_t, int64_t) {
      const int at = slot();
      if (at < 0 || at >= count) {
        ++outside;
        return;
      }
      auto& mark = busy[static_cast<size_t>(at)];
      if (mark.fetch_add(1) != 0) ++clashes;
      double work = 0;
      for (int i = 1; i < 200; ++i) work += std::sqrt(static_cast<double>(i));
      if (work < 0) ++clashes;  // never; keeps the loop
      mark.fetch_sub(1);
    });
    CHECK(outside == 0);
    CHECK(clashes == 0);
  }
}

TEST_CASE("versions: the libraries below say who they are") {
  CHECK(std::string(blas_core_name()).size() > 1);
  CHECK(std::string(tbb_version()).find("202") == 0);  // oneTBB counts by year: 2021.8.0
}

}  // namespace limpid::parallel
