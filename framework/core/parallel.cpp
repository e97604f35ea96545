// framework/core/parallel.cpp: work cut into blocks, and OpenBLAS kept to one thread.
#include "framework/core/parallel.h"

#include "framework/core/error.h"
#include "framework/core/parallel_workers.h"

#include <cblas.h>

#include <algorithm>
#include <exception>
#include <sys/mman.h>
#include <thread>
#include <utility>
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

// How many threads there are, all of them warm.
class Team {
 public:
  Team() {
    check_blas();
    resize(std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  }

  void resize(int count) {
    check_address_space(count);
    workers::resize(count);
    count_ = count;
    workers::run(4 * count, [](int64_t) { warm_up_blas(); });
  }

  int count() const { return count_; }

 private:
  int count_ = 1;
};

Team& team() {
  static Team instance;
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
  workers::run(blocks, run);
}

void for_each(int64_t n, FunctionRef<void(int64_t)> f) {
  std::vector<std::exception_ptr> thrown(static_cast<size_t>(n));
  for_blocks(n, 1, [&](int64_t i, int64_t) {
    try {
      f(i);
    } catch (...) {
      thrown[static_cast<size_t>(i)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& one : thrown) {
    if (one) std::rethrow_exception(one);
  }
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

Background::~Background() {
  try {
    if (task_) workers::wait(*std::exchange(task_, nullptr));
  } catch (...) {
    // Nobody asked for the result
  }
}

void Background::start(std::function<void()> work) {
  wait();
  if (threads() == 1) {
    postponed_ = std::move(work);
  } else {
    task_ = workers::start(std::move(work));
  }
}

void Background::wait() {
  if (postponed_) std::exchange(postponed_, {})();
  if (task_) workers::wait(*std::exchange(task_, nullptr));
}

int threads() { return team().count(); }

void set_threads(int count) {
  check_value(count >= 1 && count <= 1024, "threads", "need 1 to 1024, got ", count);
  if (count != threads()) team().resize(count);
}

int slot() {
  const int index = workers::slot();
  return index < 0 || index >= threads() ? 0 : index;
}

const char* blas_core_name() { return openblas_get_corename(); }

const char* tbb_version() { return workers::tbb_version(); }

}  // namespace limpid::parallel
