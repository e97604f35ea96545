// datasets/md5.cpp: RFC 1321, section 3, with its letters.
#include "datasets/md5.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace limpid::datasets {
namespace {

constexpr size_t kBlock = 64;  // bytes
constexpr size_t kSteps = 64;

using State = std::array<uint32_t, 4>;  // A, B, C, D

// T[i] = floor(2^32 |sin(i + 1)|), computed exactly enough in double.
std::array<uint32_t, kSteps> sine_table() {
  std::array<uint32_t, kSteps> table{};
  for (size_t i = 0; i < kSteps; ++i) {
    table[i] = static_cast<uint32_t>(std::fabs(std::sin(static_cast<double>(i + 1))) * 0x1p32);
  }
  return table;
}

// One block of 64 bytes: four rounds of 16 steps.
void add_block(State& state, const std::byte* block) {
  static const std::array<uint32_t, kSteps> kSines = sine_table();
  static constexpr int kShifts[4][4] = {
      {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  std::array<uint32_t, 16> x{};  // little-endian words
  for (size_t i = 0; i < kBlock; ++i) {
    x[i / 4] |= std::to_integer<uint32_t>(block[i]) << 8 * (i % 4);
  }

  auto [a, b, c, d] = state;
  for (size_t i = 0; i < kSteps; ++i) {
    uint32_t mixed = 0;
    size_t word = 0;
    switch (i / 16) {
      case 0: mixed = (b & c) | (~b & d), word = i; break;
      case 1: mixed = (b & d) | (c & ~d), word = 5 * i + 1; break;
      case 2: mixed = b ^ c ^ d, word = 3 * i + 5; break;
      default: mixed = c ^ (b | ~d), word = 7 * i;
    }
    const uint32_t sum = a + mixed + kSines[i] + x[word % 16];
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kShifts[i / 16][i % 4]);
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d};
}

}  // namespace

std::string md5_text(std::span<const std::byte> bytes) {
  State state = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
  size_t at = 0;
  for (; bytes.size() - at >= kBlock; at += kBlock) add_block(state, &bytes[at]);

  // The rest, one bit, zeros, and the length in bits as the last eight bytes
  std::array<std::byte, 2 * kBlock> end{};
  const size_t rest = bytes.size() - at;
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), end.begin());
  end[rest] = std::byte{0x80};
  const size_t filled = rest + 1 + 8 <= kBlock ? kBlock : 2 * kBlock;
  const uint64_t bits = 8 * uint64_t{bytes.size()};
  for (size_t i = 0; i < 8; ++i) end[filled - 8 + i] = static_cast<std::byte>(bits >> 8 * i);
  for (size_t i = 0; i < filled; i += kBlock) add_block(state, &end[i]);

  std::string text;
  for (const uint32_t word : state) {
    for (int shift = 0; shift < 32; shift += 8) {
      for (const int nibble : {shift + 4, shift}) text += "0123456789abcdef"[word >> nibble & 15];
    }
  }
  return text;
}

}  // namespace limpid::datasets
