// framework/core/parallel.h: the only parallel constructs of the library.
//
// Work is cut into blocks whose size depends on the problem, never on the number of threads, and
// partial results are combined in block order. So every result is the same, bit for bit, at any
// thread count. oneTBB runs the blocks; OpenBLAS is kept to one thread and called inside them.
// A build for ThreadSanitizer runs the same blocks on std::thread: parallel_workers.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace limpid::parallel {

namespace workers {
struct Task;  // parallel_workers.h
}

/// A non-owning reference to a callable: one indirect call per block, no allocation.
template <class Signature>
class FunctionRef;

/// Of a callable that takes Args and returns R.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
      FunctionRef(F&& f)  // implicit: the callable outlives the call it is passed to
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(args...);
        }) {}

  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Calls f(begin, end) for [0, n) cut into blocks of `block` items; blocks may run in any order
/// and at the same time. f must not throw. One block or one thread: a plain loop.
void for_blocks(int64_t n, int64_t block, FunctionRef<void(int64_t, int64_t)> f);

/// Calls f(i) for each i in [0, n), each a block by itself, for few and large pieces of work. They
/// may throw: all are finished, then what the lowest i threw goes on.
void for_each(int64_t n, FunctionRef<void(int64_t)> f);

/// Sum of f(begin, end) over the blocks, added in block order.
double sum_blocks(int64_t n, int64_t block, FunctionRef<double(int64_t, int64_t)> f);

/// One piece of work beside what the caller goes on with: the next batch while a step runs.
/// With one thread it runs inside wait(). set_threads() must not be called in between.
class Background {
 public:
  Background() = default;
  /// Waits; what the work threw is lost.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Waits for the work before, if any, and starts this one. It may call for_blocks() and throw.
  void start(std::function<void()> work);
  /// Returns once the work is done; throws what it threw.
  void wait();

 private:
  std::function<void()> postponed_;  // with one thread
  std::shared_ptr<workers::Task> task_;
};

/// Number of threads in use; at first all cores of the machine.
int threads();
/// Throws ValueError unless 1 <= count <= 1024.
void set_threads(int count);

/// Index of the calling thread, below threads(): picks one of threads() scratch areas.
int slot();

/// Sets the thread count for a scope.
class ThreadLimit {
 public:
  explicit ThreadLimit(int count) : before_(threads()) { set_threads(count); }
  ~ThreadLimit() { set_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

/// Names and versions of the libraries below, for `limpid --version`.
const char* blas_core_name();
const char* tbb_version();

}  // namespace limpid::parallel
