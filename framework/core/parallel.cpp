// framework/core/parallel.cpp: blocks on oneTBB, and OpenBLAS kept to one thread.
#include "framework/core/parallel.h"

#include "framework/core/error.h"

#include <cblas.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/partitioner.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/version.h>
#include <sys/mman.h>

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

namespace limpid::parallel {
namespace {

// OpenBLAS must be one that may be called from many threads at once: Debian's serial build
// takes no locks and then returns wrong products.
void check_blas() {
  check_value(
      openblas_get_parallel() != 0, "openblas",
      "this build has no thread support and is not safe to call from several threads; "
      "install libopenblas0-pthread (update-alternatives --config libopenblas.so.0)");
  openblas_set_num_threads(1);
}

// OpenBLAS maps one work area of 128 MiB per calling thread and, when the system refuses, tries
// for ever instead of failing. So ask for that much address space first, and give it back.
void check_address_space(int count) {
  const size_t bytes = static_cast<size_t>(count) * (size_t{129} << 20);
  void* area = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (area == MAP_FAILED) {
    raise<Error>(
        "memory", "the system refused ", bytes, " bytes of address space for ", count,
        " threads of OpenBLAS; see ulimit -v");
  }
  munmap(area, bytes);
}

// A first product on each thread, so that OpenBLAS never allocates its buffers later.
void warm_up_blas() {
  const float one[4] = {1, 1, 1, 1};
  float product[4];
  cblas_sgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, 2, 2, 2, 1.0F, one, 2, one, 2, 0.0F, product, 2);
}

// The arena and the allowance of worker threads, both of the size asked for.
class Workers {
 public:
  Workers() {
    check_blas();
    resize(std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  }

  void resize(int count) {
    check_address_space(count);
    arena_.reset();
    allowance_.reset();
    allowance_.emplace(
        tbb::global_control::max_allowed_parallelism, static_cast<size_t>(std::max(count, 1)));
    arena_.emplace(count);
    count_ = count;
    arena_->execute([count] {
      tbb::parallel_for(
          0, 4 * count, [](int) { warm_up_blas(); }, tbb::simple_partitioner());
    });
  }

  int count() const { return count_; }
  tbb::task_arena& arena() { return *arena_; }

 private:
  std::optional<tbb::global_control> allowance_;
  std::optional<tbb::task_arena> arena_;
  int count_ = 1;
};

// Never destroyed: worker threads may still be winding down when static objects go.
Workers& workers() {
  static Workers& instance = *new Workers;
  return instance;
}

}  // namespace

void for_blocks(int64_t n, int64_t block, FunctionRef<void(int64_t, int64_t)> f) {
  const int64_t blocks = (n + block - 1) / block;
  const auto run = [&](int64_t b) { f(b * block, std::min(n, (b + 1) * block)); };
  if (blocks <= 1 || threads() == 1) {
    for (int64_t b = 0; b < blocks; ++b) run(b);
    return;
  }
  workers().arena().execute(
      [&] { tbb::parallel_for(int64_t{0}, blocks, run, tbb::simple_partitioner()); });
}

double sum_blocks(int64_t n, int64_t block, FunctionRef<double(int64_t, int64_t)> f) {
  const int64_t blocks = (n + block - 1) / block;
  if (blocks <= 1) return n > 0 ? f(0, n) : 0.0;
  std::vector<double> partial(static_cast<size_t>(blocks));
  for_blocks(n, block, [&](int64_t begin, int64_t end) {
    partial[static_cast<size_t>(begin / block)] = f(begin, end);
  });
  double total = 0;
  for (const double value : partial) total += value;
  return total;
}

int threads() { return workers().count(); }

void set_threads(int count) {
  check_value(count >= 1 && count <= 1024, "threads", "need 1 to 1024, got ", count);
  if (count != threads()) workers().resize(count);
}

int slot() {
  const int index = tbb::this_task_arena::current_thread_index();
  return index < 0 || index >= threads() ? 0 : index;
}

const char* blas_core_name() { return openblas_get_corename(); }

const char* tbb_version() { return TBB_runtime_version(); }

}  // namespace limpid::parallel
