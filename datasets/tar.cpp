// datasets/tar.cpp: from header to header through a tar archive.
#include "datasets/tar.h"

#include "framework/core/error.h"
#include "framework/io/files.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace limpid::datasets {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kMaxLongName = 64 << 10;  // bytes; longer ones are no names

// A field of the header block: where it begins and how long it is.
struct Field {
  size_t begin, length;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kMagic{257, 5}, kPrefix{345, 155};
constexpr size_t kKind = 156;

using Block = std::span<const std::byte>;

Block field(Block block, Field f) { return block.subspan(f.begin, f.length); }

bool is_zero(Block bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

// A text that ends with the first zero or fills its field.
std::string text_in(Block bytes) {
  const std::string_view text = as_text(bytes);
  return std::string(text.substr(0, text.find('\0')));
}

// Octal digits between blanks and zeros, or base 256 after a leading bit; nothing if it is neither,
// or beyond 63 bits.
std::optional<uint64_t> number_in(Block bytes) {
  constexpr uint64_t kLimit = std::numeric_limits<int64_t>::max();
  uint64_t value = 0;
  if ((bytes[0] & std::byte{0x80}) != std::byte{0}) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const auto digit = std::to_integer<uint64_t>(i == 0 ? bytes[0] & std::byte{0x7F} : bytes[i]);
      if (value > kLimit >> 8) return std::nullopt;
      value = value << 8 | digit;
    }
    return value;
  }
  std::string_view text = as_text(bytes);
  text = text.substr(0, text.find('\0'));
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value << 3 | static_cast<uint64_t>(c - '0');  // 12 digits have 36 bits
  }
  return value;
}

// The sum of all bytes of the header, its own field counted as blanks.
uint64_t checksum_of(Block block) {
  uint64_t sum = kChecksum.length * ' ';
  for (size_t i = 0; i < block.size(); ++i) {
    const bool is_own = i >= kChecksum.begin && i < kChecksum.begin + kChecksum.length;
    if (!is_own) sum += std::to_integer<uint64_t>(block[i]);
  }
  return sum;
}

std::string name_in(Block block) {
  const std::string name = text_in(field(block, kName));
  if (as_text(field(block, kMagic)) != "ustar") return name;
  const bool is_gnu = as_text(block.subspan(kMagic.begin, 6)) == "ustar ";  // no prefix there
  const std::string prefix = is_gnu ? "" : text_in(field(block, kPrefix));
  return prefix.empty() ? name : prefix + "/" + name;
}

}  // namespace

std::vector<TarMember> parse_tar(std::span<const std::byte> bytes, const std::string& archive) {
  size_t at = 0;  // of the header being read
  const auto fail = [&](const std::string& why) {
    throw FormatError(archive, join_text("byte ", at), "tar: " + why);
  };
  std::vector<TarMember> members;
  std::string long_name;  // of the next member
  for (;;) {
    // Read one header
    if (bytes.size() - at < kBlock) fail("truncated");
    const Block block = bytes.subspan(at, kBlock);
    if (is_zero(block)) break;
    if (number_in(field(block, kChecksum)) != checksum_of(block)) {
      fail("no member header: the checksum differs");
    }
    const std::optional<uint64_t> size = number_in(field(block, kSize));
    const size_t left = bytes.size() - at - kBlock;
    if (!size) fail("the size is no number");
    if (*size > left) fail(join_text("the member has ", *size, " bytes, the archive ", left));
    const Block content = bytes.subspan(at + kBlock, *size);

    // Keep regular files; a long name stands before its member
    const char kind = as_text(block)[kKind];
    if (kind == 'L') {
      if (*size > kMaxLongName) fail(join_text("a name of ", *size, " bytes"));
      long_name = text_in(content);
    } else if (kind == '0' || kind == '\0' || kind == '7') {
      members.push_back({.name = long_name.empty() ? name_in(block) : long_name, .bytes = content});
    }
    if (kind != 'L' && kind != 'x' && kind != 'g') long_name.clear();

    // Go on behind the last block of the content
    const size_t filled = (*size + kBlock - 1) / kBlock * kBlock;
    if (filled > left) fail("truncated");
    at += kBlock + filled;
  }
  if (!is_zero(bytes.subspan(at))) fail("goes on behind its end");
  return members;
}

}  // namespace limpid::datasets
