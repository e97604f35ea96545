// framework/core/parallel_tbb.cpp: blocks on oneTBB.
#include "framework/core/parallel_workers.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/version.h>

#include <optional>
#include <utility>

namespace limpid::parallel::workers {
namespace {

// The arena and the allowance of worker threads, both of the size asked for.
struct Arena {
  std::optional<tbb::global_control> allowance;
  std::optional<tbb::task_arena> arena;
};

// Never destroyed: worker threads may still be winding down when static objects go.
Arena& instance() {
  static Arena& only = *new Arena;
  return only;
}

}  // namespace

void resize(int count) {
  auto& [allowance, arena] = instance();
  arena.reset();
  allowance.reset();
  allowance.emplace(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(count));
  arena.emplace(count);
}

void run(int64_t blocks, FunctionRef<void(int64_t)> f) {
  instance().arena->execute(
      [&] { tbb::parallel_for(int64_t{0}, blocks, f, tbb::simple_partitioner()); });
}

struct Task {
  tbb::task_group group;
};

std::shared_ptr<Task> start(std::function<void()> f) {
  auto task = std::make_shared<Task>();
  instance().arena->execute([&] { task->group.run(std::move(f)); });
  return task;
}

void wait(Task& task) {
  instance().arena->execute([&] { task.group.wait(); });
}

int slot() { return tbb::this_task_arena::current_thread_index(); }

const char* tbb_version() { return TBB_runtime_version(); }

}  // namespace limpid::parallel::workers
