// tests/fuzz_replay/mutate.cpp: kinds of damage, drawn at random.
#include "tests/fuzz_replay/mutate.h"

#include <algorithm>
#include <array>
#include <string>

namespace limpid {

namespace {

constexpr int64_t kMostChanges = 8;
constexpr int64_t kMostBytes = 64;  // put in, taken out or copied by one change
constexpr int64_t kLongest = 60'000;

size_t below(Rng& rng, size_t n) {
  return static_cast<size_t>(rng.integer(static_cast<int64_t>(std::max<size_t>(n, 1))));
}

std::ptrdiff_t place(Rng& rng, const Input& input) {
  return static_cast<std::ptrdiff_t>(below(rng, input.size() + 1));
}

/// Writes a number of 1, 2, 4 or 8 bytes, in either byte order, over the input.
void set_number(Input& input, Rng& rng) {
  static constexpr std::array<uint64_t, 14> kNumbers = {
      0,
      1,
      2,
      0x7F,
      0x80,
      0xFF,
      0x7FFF,
      0xFFFF,
      0x7FFFFFFF,
      0x80000000,
      0xFFFFFFFF,
      0x3FFFFFFFFFFFFFFF,
      0x7FFFFFFFFFFFFFFF,
      0xFFFFFFFFFFFFFFFF};
  const size_t bytes = size_t{1} << below(rng, 4);
  const uint64_t number = kNumbers[below(rng, kNumbers.size())];
  const bool is_big = below(rng, 2) == 0;
  const size_t at = below(rng, input.size());
  for (size_t i = 0; i < bytes && at + i < input.size(); ++i) {
    input[at + i] = static_cast<uint8_t>(number >> 8 * (is_big ? bytes - 1 - i : i));
  }
}

/// Replaces the digits at some place by another number.
void set_decimal(Input& input, Rng& rng) {
  static const std::array<std::string, 8> kNumbers = {
      "0", "1", "-1", "99999", "4294967296", "9223372036854775807", "1e30", "0.5"};
  const auto is_digit = [](uint8_t c) { return c >= '0' && c <= '9'; };
  const auto begin = std::find_if(input.begin() + place(rng, input), input.end(), is_digit);
  const auto end = std::find_if_not(begin, input.end(), is_digit);
  const std::string& number = kNumbers[below(rng, kNumbers.size())];
  if (begin == input.end()) return;
  const auto at = begin - input.begin();
  input.erase(begin, end);
  input.insert(input.begin() + at, number.begin(), number.end());
}

/// Copies a piece of `from` over the input, or puts it between its bytes.
void copy_piece(Input& input, const Input& from, Rng& rng) {
  if (from.empty()) return;
  const size_t begin = below(rng, from.size());
  const size_t length = std::min(1 + below(rng, kMostBytes), from.size() - begin);
  const Input piece(
      from.begin() + static_cast<std::ptrdiff_t>(begin),
      from.begin() + static_cast<std::ptrdiff_t>(begin + length));
  const auto at = place(rng, input);
  if (below(rng, 2) == 0) {
    input.insert(input.begin() + at, piece.begin(), piece.end());
  } else {
    const auto room = std::min(std::ssize(piece), std::ssize(input) - at);
    std::copy_n(piece.begin(), room, input.begin() + at);
  }
}

void change(Input& input, const std::vector<Input>& seeds, Rng& rng) {
  const auto random_byte = [&] { return static_cast<uint8_t>(below(rng, 256)); };
  switch (rng.integer(9)) {
    case 0:
      if (!input.empty()) input[below(rng, input.size())] ^= uint8_t(1U << below(rng, 8));
      break;
    case 1:
      if (!input.empty()) input[below(rng, input.size())] = random_byte();
      break;
    case 2: input.resize(below(rng, input.size() + 1)); break;
    case 3: {
      const size_t count = 1 + below(rng, kMostBytes);
      input.insert(input.begin() + place(rng, input), count, random_byte());
      break;
    }
    case 4: {
      const auto at = place(rng, input);
      const auto count = std::min(1 + rng.integer(kMostBytes), int64_t{std::ssize(input) - at});
      input.erase(input.begin() + at, input.begin() + at + count);
      break;
    }
    case 5: copy_piece(input, Input(input), rng); break;
    case 6: copy_piece(input, seeds[below(rng, seeds.size())], rng); break;
    case 7: set_number(input, rng); break;
    default: set_decimal(input, rng);
  }
}

}  // namespace

Input mutated(const std::vector<Input>& seeds, Rng& rng) {
  Input input = seeds[below(rng, seeds.size())];
  const int64_t changes = 1 + rng.integer(kMostChanges);
  for (int64_t i = 0; i < changes; ++i) change(input, seeds, rng);
  if (std::ssize(input) > kLongest) input.resize(kLongest);
  return input;
}

}  // namespace limpid
