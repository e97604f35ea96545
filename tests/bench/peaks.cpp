// tests/bench/peaks.cpp: best times of a product and of a pass over memory.
#include "tests/bench/peaks.h"

#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/gemm.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace limpid::bench {
namespace {

// Seconds of the fastest of `rounds` runs.
template <class F>
double least_time(int rounds, F run) {
  double least = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count());
  }
  return least;
}

}  // namespace

int use_threads() {
  const char* wanted = std::getenv("LIMPID_BENCH_THREADS");
  const int threads = wanted == nullptr ? 1 : std::max(1, std::atoi(wanted));
  parallel::set_threads(threads);
  return threads;
}

std::vector<float> random_values(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  Rng(1).normal(std::span<float>(values), 0, 1);
  return values;
}

double sgemm_peak() {
  static const double peak = [] {
    constexpr int64_t n = 256;
    const int threads = use_threads();
    const std::vector<float> a = random_values(n * n);
    std::vector<float> c(a.size() * static_cast<size_t>(threads));
    const double seconds = least_time(200, [&] {
      parallel::for_blocks(threads, 1, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t) {
          kernels::gemm_serial<float>(
              {.M = n,
               .N = n,
               .K = n,
               .a = a.data(),
               .lda = n,
               .b = a.data(),
               .ldb = n,
               .c = c.data() + t * n * n,
               .ldc = n});
        }
      });
    });
    return 2e-9 * n * n * n * threads / seconds;
  }();
  return peak;
}

double memory_peak() {
  static const double peak = [] {
    constexpr int64_t n = int64_t{16} << 20;
    use_threads();
    const std::vector<float> x = random_values(n);
    std::vector<float> y(x.size());
    const double seconds =
        least_time(10, [&] { kernels::affine<float>(n, 2, 0, x.data(), y.data()); });
    return 1e-9 * 2 * sizeof(float) * n / seconds;
  }();
  return peak;
}

void count_operations(benchmark::State& state, double operations) {
  using benchmark::Counter;
  state.counters["GFs"] = Counter(1e-9 * operations, Counter::kIsIterationInvariantRate);
  state.counters["percent"] =
      Counter(1e-7 * operations / sgemm_peak(), Counter::kIsIterationInvariantRate);
}

void count_bytes(benchmark::State& state, double bytes) {
  using benchmark::Counter;
  state.counters["GBs"] = Counter(1e-9 * bytes, Counter::kIsIterationInvariantRate);
  state.counters["percent"] =
      Counter(1e-7 * bytes / memory_peak(), Counter::kIsIterationInvariantRate);
}

}  // namespace limpid::bench
