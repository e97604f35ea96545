// tests/core/buffer_test.cpp: alignment, size classes, recycling, counters and refusals.
#include "framework/core/buffer.h"

#include "framework/core/error.h"
#include "framework/core/shape.h"
#include "framework/tensor/tensor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace limpid {
namespace {

constexpr int64_t kLine = 64;  // bytes of a cache line

// False in sanitizer builds, which give every block back at once.
bool recycles() {
  trim_memory();
  { const Buffer probe = Buffer::allocate(1000); }
  const bool kept = memory().pooled_bytes > 0;
  trim_memory();
  return kept;
}

}  // namespace

TEST_CASE("buffer: 64-byte aligned, large enough, wasting at most an eighth and a cache line") {
  std::vector<int64_t> sizes;
  for (int64_t bytes = 0; bytes <= 3000; ++bytes) sizes.push_back(bytes);
  // Around every class boundary up to 16 MiB: (8 + step) 2^k
  for (int64_t unit = 512; unit <= (1 << 20); unit *= 2) {
    for (int64_t step = 8; step < 16; ++step) {
      for (const int64_t off : {-1, 0, 1}) sizes.push_back(unit * step + off);
    }
  }
  for (const int64_t bytes : sizes) {
    const Buffer buffer = Buffer::allocate(bytes);
    REQUIRE(buffer.defined());
    REQUIRE(reinterpret_cast<uintptr_t>(buffer.data()) % 64 == 0);
    REQUIRE(buffer.block_bytes() >= bytes);
    REQUIRE(buffer.block_bytes() <= bytes + bytes / 8 + kLine);
  }
  trim_memory();
}

TEST_CASE("buffer: both ends of a block may be written") {
  for (const int64_t bytes : {1, 64, 65, 72, 73, 1000, 4097, 100000}) {
    const Buffer buffer = Buffer::allocate(bytes);
    std::memset(buffer.data(), 7, static_cast<size_t>(buffer.block_bytes()));
    CHECK(buffer.data()[bytes - 1] == std::byte{7});
  }
}

TEST_CASE("buffer: a freed block serves the next request of its class") {
  if (!recycles()) return;
  const std::byte* address = nullptr;
  {
    const Buffer buffer = Buffer::allocate(5000);
    address = buffer.data();
    buffer.note_write();
  }
  {
    const Buffer other_class = Buffer::allocate(9000);
    CHECK(other_class.data() != address);
    const Buffer again = Buffer::allocate(4990);  // the class of (4608, 5120]
    CHECK(again.data() == address);
    CHECK(again.writes() == 0);  // a new life starts from zero
    CHECK_FALSE(again.is_held());
  }
  trim_memory();
}

TEST_CASE("buffer: live, peak and pooled bytes follow every block") {
  const bool pools = recycles();
  const MemoryStatistics before = memory();
  CHECK(before.pooled_bytes == 0);
  reset_peak();
  int64_t size_a = 0, size_b = 0;
  {
    const Buffer a = Buffer::allocate(100000);
    size_a = a.block_bytes();
    CHECK(memory().live_bytes == before.live_bytes + size_a);
    CHECK(memory().live_blocks == before.live_blocks + 1);
    {
      const Buffer b = Buffer::allocate(30000);
      size_b = b.block_bytes();
      const Buffer part = b.from(128);  // a second handle, not a second block
      CHECK(memory().live_bytes == before.live_bytes + size_a + size_b);
      CHECK(memory().live_blocks == before.live_blocks + 2);
    }
    CHECK(memory().live_bytes == before.live_bytes + size_a);
    CHECK(memory().peak_bytes == before.live_bytes + size_a + size_b);
    CHECK(memory().pooled_bytes == (pools ? size_b : 0));
    { const Buffer small = Buffer::allocate(64); }  // below the peak: does not move it
    CHECK(memory().peak_bytes == before.live_bytes + size_a + size_b);
    trim_memory();
    CHECK(memory().pooled_bytes == 0);
    reset_peak();
    CHECK(memory().peak_bytes == before.live_bytes + size_a);
  }
  CHECK(memory().live_bytes == before.live_bytes);
  CHECK(memory().live_blocks == before.live_blocks);
  CHECK(memory().pooled_bytes == (pools ? size_a : 0));
  trim_memory();
  CHECK(memory().pooled_bytes == 0);
  CHECK(memory().live_bytes == before.live_bytes);
}

TEST_CASE("buffer: blocks in use and free ones never take over 1.5 times what was once in use") {
  if (!recycles()) return;
  // Two gigabytes in use at once make this test the high-water mark; nothing touches their pages
  const int64_t highest = memory().live_bytes + (int64_t{1} << 31);
  { const Buffer mark = Buffer::allocate(int64_t{1} << 31); }
  trim_memory();

  // Rounds of ever larger blocks: nothing freed in one round serves the next
  int64_t most = 0;
  for (int64_t bytes = int64_t{1} << 24; bytes <= (int64_t{1} << 28); bytes += bytes / 8) {
    std::vector<Buffer> round;
    while (memory().live_bytes + bytes + bytes / 8 + kLine <= highest) {
      round.push_back(Buffer::allocate(bytes));
      const MemoryStatistics now = memory();
      most = std::max(most, now.live_bytes + now.pooled_bytes);
    }
    while (!round.empty()) {
      round.pop_back();
      const MemoryStatistics now = memory();
      most = std::max(most, now.live_bytes + now.pooled_bytes);
    }
  }
  CHECK(most <= highest / 2 * 3);
  CHECK(most > highest / 4 * 5);  // and the reserve is made use of
  trim_memory();
}

TEST_CASE("buffer: held bytes count a block once, however many hold it") {
  const int64_t before = memory().held_bytes;
  const Buffer buffer = Buffer::allocate(777);
  CHECK_FALSE(buffer.is_held());
  buffer.hold();
  buffer.from(64).hold();
  CHECK(buffer.is_held());
  CHECK(memory().held_bytes == before + buffer.block_bytes());
  buffer.unhold();
  CHECK(memory().held_bytes == before + buffer.block_bytes());
  buffer.unhold();
  CHECK_FALSE(buffer.is_held());
  CHECK(memory().held_bytes == before);
}

TEST_CASE("buffer: copies and slices share block and write counter") {
  const Buffer buffer = Buffer::allocate(256);
  const Buffer copy = buffer;
  const Buffer part = buffer.from(100);
  CHECK(part.data() == buffer.data() + 100);
  CHECK(part.shares_block(buffer));
  CHECK(copy.data() == buffer.data());
  CHECK_FALSE(Buffer::allocate(256).shares_block(buffer));

  CHECK(buffer.writes() == 0);
  part.note_write();
  copy.note_write();
  CHECK(buffer.writes() == 2);
  CHECK(part.writes() == 2);

  Buffer moved = copy;
  const Buffer target = std::move(moved);
  CHECK(target.shares_block(buffer));
  CHECK_FALSE(Buffer().defined());
  CHECK(Buffer().block_bytes() == 0);
}

TEST_CASE("buffer: a request beyond all memory throws, names the bytes and changes nothing") {
  const MemoryStatistics before = memory();
  CHECK_THROWS_WITH_AS(
      Buffer::allocate(int64_t{1} << 50), "memory: the system refused 1125899906842624 bytes",
      Error);
  CHECK_THROWS_AS(Buffer::allocate((int64_t{1} << 62) - 1), Error);
  CHECK_THROWS_AS(Buffer::allocate(INT64_MAX), Error);
  CHECK_THROWS_AS(Buffer::allocate(-1), Error);
  CHECK(memory().live_bytes == before.live_bytes);
  CHECK(memory().live_blocks == before.live_blocks);

  CHECK_THROWS_WITH_AS(
      Tensor::empty({int64_t{1} << 48}),
      "memory: the system refused 1125899906842624 bytes for f32 [281474976710656]", Error);
  // 2^61 doubles are 2^64 bytes, which wrap to 0 in 64 bits
  CHECK_THROWS_WITH_AS(
      Tensor::empty({int64_t{1} << 61}, DType::f64),
      "memory: more than 2^63 bytes for f64 [2305843009213693952]", Error);

  const Buffer usable = Buffer::allocate(1 << 20);
  std::memset(usable.data(), 1, 1 << 20);
  CHECK(usable.data()[(1 << 20) - 1] == std::byte{1});
}

TEST_CASE("buffer: threads may allocate, share and free at the same time") {
  const MemoryStatistics before = memory();
  const Buffer shared = Buffer::allocate(512);
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      std::vector<Buffer> mine(16);
      for (int round = 0; round < 2000; ++round) {
        const auto tag = static_cast<unsigned char>(16 * t + static_cast<size_t>(round) % 16);
        Buffer& place = mine[static_cast<size_t>(round) % mine.size()];
        // What was written into this block 16 rounds ago must still be there
        if (place.defined() && place.data()[0] != std::byte{tag}) ++wrong[t];
        place = Buffer::allocate(64 + round % 7 * 300);
        std::memset(place.data(), tag, 64);
        const Buffer handle = shared;
        handle.note_write();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
  CHECK(shared.writes() == 4 * 2000);
  CHECK(memory().live_bytes == before.live_bytes + shared.block_bytes());
  CHECK(memory().live_blocks == before.live_blocks + 1);
}

}  // namespace limpid
