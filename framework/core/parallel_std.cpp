// framework/core/parallel_std.cpp: blocks on std::thread, to be watched by ThreadSanitizer.
//
// Every call starts its threads and joins them: simple, not fast. Block b belongs to thread
// b % count, with no counter and no lock between the threads. So blocks of different threads are
// never ordered, and a race between them is seen whichever of them happens to run first.
#include "framework/core/parallel_workers.h"

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

namespace limpid::parallel::workers {
namespace {

int thread_count = 1;
thread_local int own_slot = -1;

}  // namespace

void resize(int count) { thread_count = count; }

void run(int64_t blocks, FunctionRef<void(int64_t)> f) {
  // A nested call stays on its thread, and keeps its slot.
  if (own_slot >= 0) {
    for (int64_t b = 0; b < blocks; ++b) f(b);
    return;
  }
  const auto count = static_cast<int>(std::min<int64_t>(thread_count, blocks));
  const auto work = [&](int index) {
    own_slot = index;
    for (int64_t b = index; b < blocks; b += count) f(b);
    own_slot = -1;
  };
  std::vector<std::thread> helpers;
  for (int index = 1; index < count; ++index) helpers.emplace_back(work, index);
  work(0);
  for (std::thread& helper : helpers) helper.join();
}

struct Task {
  std::exception_ptr error;  // written by the thread, read after it was joined
  std::thread thread;
};

std::shared_ptr<Task> start(std::function<void()> f) {
  auto task = std::make_shared<Task>();
  task->thread = std::thread([f = std::move(f), &error = task->error] {
    try {
      f();
    } catch (...) {
      error = std::current_exception();
    }
  });
  return task;
}

void wait(Task& task) {
  task.thread.join();
  if (task.error) std::rethrow_exception(task.error);
}

int slot() { return own_slot; }

const char* tbb_version() { return "none (std::thread)"; }

}  // namespace limpid::parallel::workers
