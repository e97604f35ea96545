// tests/bench/peaks.h: what this machine can do at best, measured, and figures as shares of it.
//
// Threads: LIMPID_BENCH_THREADS, 1 if unset. Peaks are taken once per run, on as many threads.
#pragma once

#include <benchmark/benchmark.h>
#include <cstdint>
#include <vector>

namespace limpid::bench {

/// The thread count of the environment, put in force.
int use_threads();

/// n standard normal numbers, always the same.
std::vector<float> random_values(int64_t n);

/// GF/s of the best of many products 256 x 256 x 256 on each thread.
double sgemm_peak();
/// GB/s of y = 2 x over 64 MB each, reads and writes counted once.
double memory_peak();

/// Counters "GFs" and "percent" of sgemm_peak(), from the operations of one iteration.
void count_operations(benchmark::State& state, double operations);
/// Counters "GBs" and "percent" of memory_peak(), from the bytes read and written by one iteration.
/// Small arrays stay in the caches and may exceed 100.
void count_bytes(benchmark::State& state, double bytes);

}  // namespace limpid::bench
