// tests/fuzz_replay/allocations.cpp: operator new and delete with a count.
#include "tests/fuzz_replay/allocations.h"

#include <atomic>
#include <cstdlib>
#include <malloc.h>
#include <new>

namespace {

std::atomic<int64_t> live{0}, peak{0}, base{0};

// Adds memory to the count; null stays null.
void* counted(void* memory) noexcept {
  if (memory == nullptr) return memory;
  const int64_t now = live += static_cast<int64_t>(malloc_usable_size(memory));
  int64_t before = peak;
  while (now > before && !peak.compare_exchange_weak(before, now)) {
  }
  return memory;
}

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) {
  if (memory == nullptr) return;
  live -= static_cast<int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

namespace limpid {

void reset_peak_allocation() {
  base = live.load();
  peak = live.load();
}

int64_t peak_allocation() { return peak - base; }

}  // namespace limpid

void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return counted(std::malloc(size));
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return counted(std::malloc(size));
}
void* operator new(size_t size) { return or_throw(counted(std::malloc(size))); }
void* operator new[](size_t size) { return or_throw(counted(std::malloc(size))); }
void* operator new(size_t size, std::align_val_t alignment) {
  const auto to = static_cast<size_t>(alignment);
  return or_throw(counted(std::aligned_alloc(to, (size + to - 1) / to * to)));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return operator new(size, alignment);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, size_t) noexcept { release(memory); }
void operator delete[](void* memory, size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { release(memory); }
