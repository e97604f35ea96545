// framework/core/parallel_workers.h: the threads behind parallel.cpp, and included by nothing else.
//
// Two files define these functions; CMake's LIMPID_THREADS picks one. parallel_tbb.cpp is the one
// for use. parallel_std.cpp is for ThreadSanitizer, which would have to see inside oneTBB.
#pragma once

#include "framework/core/parallel.h"

#include <cstdint>

namespace limpid::parallel::workers {

/// Sets the number of threads for the calls of run that follow, count >= 1.
void resize(int count);

/// Calls f(b) for every b in [0, blocks), in any order and at the same time.
void run(int64_t blocks, FunctionRef<void(int64_t)> f);

/// Starts f on a thread of its own, to be waited for exactly once. f may call run().
std::shared_ptr<Task> start(std::function<void()> f);
/// Throws what f threw.
void wait(Task& task);

/// Index of the calling thread, below the count; negative outside of run.
int slot();

/// "none ..." where oneTBB is not in use.
const char* tbb_version();

}  // namespace limpid::parallel::workers
