// framework/core/buffer.cpp: the pool behind Buffer.
#include "framework/core/buffer.h"

#include "framework/core/error.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace limpid {

// The header lies in front of the bytes and fills one cache line, so both are 64-byte aligned.
struct alignas(64) Block {
  std::atomic<int64_t> references{1};
  std::atomic<uint64_t> writes{0};
  std::atomic<int64_t> holders{0};
  int64_t bytes = 0;   // usable bytes: the size of the class
  int size_class = 0;  //
  Block* next = nullptr;

  std::byte* payload() { return reinterpret_cast<std::byte*>(this + 1); }
};

namespace {

#ifdef LIMPID_NO_POOL  // sanitizer builds: every block is a real allocation, so overflows are seen
constexpr bool kRecycles = false;
#else
constexpr bool kRecycles = true;
#endif

constexpr int64_t kSmallest = 64;               // bytes; one cache line
constexpr int64_t kLargest = int64_t{1} << 47;  // bytes; a process has no more addresses
constexpr int kClasses = 8 * (47 - 6) + 1;      // from 2^6 to 2^47 bytes

// Blocks in use and free ones together may take this many times the most that was ever in use.
// A free block serves its own class only, and where most memory is in use (the turn from forward
// to backward) the free ones are mostly of other classes. With a factor of 1 each step of a ConvNet
// on 64 images would return 100 MB and fault them in again; with 1.5, 20 MB.
constexpr double kReserve = 1.5;

// Class k holds blocks of (8 + k % 8) * 2^(k / 8) * 8 bytes: eight steps per octave from 64 on.
int class_of(int64_t bytes) {
  if (bytes <= kSmallest) return 0;
  const uint64_t units = static_cast<uint64_t>(bytes + 7) / 8;  // of 8 bytes; at least 9
  int octave = std::bit_width(units) - 4;                       // units in [8, 16) * 2^octave
  uint64_t step = (units + (uint64_t{1} << octave) - 1) >> octave;
  if (step == 16) {
    step = 8;
    ++octave;
  }
  return 8 * octave + static_cast<int>(step) - 8;
}

int64_t class_bytes(int size_class) {
  const int64_t bytes = (int64_t{8} + size_class % 8) << (size_class / 8 + 3);
  return (bytes + kSmallest - 1) / kSmallest * kSmallest;
}

class Pool {
 public:
  Block* take(int64_t bytes) {
    if (bytes < 0 || bytes > kLargest) refuse(bytes);
    const int size_class = class_of(bytes);
    const int64_t usable = class_bytes(size_class);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (Block* block = free_[size_class]) {
        free_[size_class] = block->next;
        pooled_ -= block->bytes;
        count_birth(block->bytes);
        return ::new (block) Block{.bytes = block->bytes, .size_class = size_class};
      }
      make_room(usable);
    }
    void* raw = request(usable);
    if (raw == nullptr) {  // give back what only waits for reuse, then try once more
      trim();
      raw = request(usable);
    }
    if (raw == nullptr) refuse(bytes);
    const std::lock_guard<std::mutex> lock(mutex_);
    count_birth(usable);
    return ::new (raw) Block{.bytes = usable, .size_class = size_class};
  }

  void give_back(Block* block) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      live_ -= block->bytes;
      --blocks_;
      if (kRecycles && live_ + pooled_ + block->bytes <= limit(highest_)) {
        block->next = free_[block->size_class];
        free_[block->size_class] = block;
        pooled_ += block->bytes;
        return;
      }
    }
    std::free(block);
  }

  void trim() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Block*& head : free_) {
      while (head != nullptr) std::free(std::exchange(head, head->next));
    }
    pooled_ = 0;
  }

  void add_held(int64_t bytes) { held_.fetch_add(bytes, std::memory_order_relaxed); }

  MemoryStatistics statistics() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return {live_, blocks_, peak_, held_.load(std::memory_order_relaxed), pooled_};
  }

  void reset_peak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    peak_ = live_;
  }

 private:
  [[noreturn]] static void refuse(int64_t bytes) {
    raise<Error>("memory", "the system refused ", bytes, " bytes");
  }

  static void* request(int64_t usable) {
    return std::aligned_alloc(alignof(Block), sizeof(Block) + static_cast<size_t>(usable));
  }

  static int64_t limit(int64_t in_use) {
    return static_cast<int64_t>(kReserve * static_cast<double>(in_use));
  }

  // Returns free blocks to the system until one more of `bytes` keeps to the limit: the smallest
  // that is as large as the excess, or else the largest. So little is faulted in again.
  void make_room(int64_t bytes) {
    const int64_t in_use = live_ + bytes;
    const int64_t most = limit(std::max(highest_, in_use));
    while (pooled_ > 0 && in_use + pooled_ > most) {
      int k = class_of(in_use + pooled_ - most);
      while (k < kClasses && free_[k] == nullptr) ++k;
      if (k == kClasses) {
        do {
          --k;
        } while (free_[k] == nullptr);
      }
      pooled_ -= free_[k]->bytes;
      std::free(std::exchange(free_[k], free_[k]->next));
    }
  }

  void count_birth(int64_t bytes) {
    live_ += bytes;
    ++blocks_;
    if (live_ > peak_) peak_ = live_;
    if (live_ > highest_) highest_ = live_;
  }

  std::mutex mutex_;
  Block* free_[kClasses] = {};
  int64_t live_ = 0;
  int64_t blocks_ = 0;
  int64_t peak_ = 0;     // since the last reset
  int64_t highest_ = 0;  // ever
  int64_t pooled_ = 0;
  std::atomic<int64_t> held_{0};
};

// Never destroyed: a static tensor may outlive every static object of this file.
Pool& pool() {
  static Pool& instance = *new Pool;
  return instance;
}

}  // namespace

Buffer Buffer::allocate(int64_t bytes) {
  Buffer buffer;
  buffer.block_ = pool().take(bytes);
  buffer.data_ = buffer.block_->payload();
  return buffer;
}

Buffer::Buffer(const Buffer& other) : block_(other.block_), data_(other.data_) {
  if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
}

Buffer::Buffer(Buffer&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)), data_(std::exchange(other.data_, nullptr)) {}

Buffer& Buffer::operator=(Buffer other) noexcept {
  std::swap(block_, other.block_);
  std::swap(data_, other.data_);
  return *this;
}

Buffer::~Buffer() {
  if (block_ == nullptr) return;
  if (block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) pool().give_back(block_);
}

Buffer Buffer::from(int64_t offset) const {
  Buffer part = *this;
  part.data_ += offset;
  return part;
}

int64_t Buffer::block_bytes() const { return block_ == nullptr ? 0 : block_->bytes; }

uint64_t Buffer::writes() const { return block_->writes.load(std::memory_order_relaxed); }

void Buffer::note_write() const { block_->writes.fetch_add(1, std::memory_order_relaxed); }

void Buffer::hold() const {
  if (block_->holders.fetch_add(1, std::memory_order_relaxed) == 0) pool().add_held(block_->bytes);
}

void Buffer::unhold() const {
  if (block_->holders.fetch_sub(1, std::memory_order_relaxed) == 1) {
    pool().add_held(-block_->bytes);
  }
}

bool Buffer::is_held() const { return block_->holders.load(std::memory_order_relaxed) > 0; }

MemoryStatistics memory() { return pool().statistics(); }

void reset_peak() { pool().reset_peak(); }

void trim_memory() { pool().trim(); }

}  // namespace limpid
