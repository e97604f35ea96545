// framework/core/buffer.h: reference-counted aligned memory from a recycling pool.
//
// A training step asks for the same sizes again and again. Giving memory back to the system
// each time costs page faults (a 33 MiB block: about 50 ms against 0.05 ms from the pool), so
// freed blocks wait in size classes, eight per octave, until a request of that class takes them.
// Blocks in use and waiting together never take over 1.5 times the most that was once in use.
#pragma once

#include <cstddef>
#include <cstdint>

namespace limpid {

struct Block;  // header and bytes of one allocation; known to buffer.cpp only

/// A shared handle to a range of bytes, 64-byte aligned at the start of its block.
class Buffer {
 public:
  Buffer() = default;
  /// Uninitialised bytes. Throws Error if the system has no memory left, also after a trim.
  static Buffer allocate(int64_t bytes);

  Buffer(const Buffer& other);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer other) noexcept;
  ~Buffer();

  std::byte* data() const { return data_; }
  bool defined() const { return block_ != nullptr; }
  /// The bytes from `offset` on, sharing the block.
  Buffer from(int64_t offset) const;
  bool shares_block(const Buffer& other) const { return block_ == other.block_; }

  /// Bytes reserved by the whole block, as counted in MemoryStatistics.
  int64_t block_bytes() const;
  /// How often the block was opened for writing; a graph compares it to find overwritten values.
  uint64_t writes() const;
  void note_write() const;

  /// Counts the holders that keep this block for a gradient formula (see Kept in record.h).
  void hold() const;
  void unhold() const;
  bool is_held() const;

 private:
  Block* block_ = nullptr;
  std::byte* data_ = nullptr;
};

/// Figures of the pool, in bytes and blocks.
struct MemoryStatistics {
  int64_t live_bytes;    // in use by some Buffer
  int64_t live_blocks;   //
  int64_t peak_bytes;    // largest live_bytes since the last reset_peak()
  int64_t held_bytes;    // live blocks that some gradient formula keeps
  int64_t pooled_bytes;  // free, waiting for reuse
};
MemoryStatistics memory();
void reset_peak();

/// Returns all free blocks to the system.
void trim_memory();

}  // namespace limpid
