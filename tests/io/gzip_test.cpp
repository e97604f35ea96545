// tests/io/gzip_test.cpp: inflating good and damaged gzip data.
#include "framework/io/gzip.h"

#include "framework/core/error.h"
#include "framework/io/files.h"

#include <doctest/doctest.h>

using namespace limpid;

namespace {

// Python: gzip.compress(b"hello hello hello\n", 9, mtime=0)
const std::string kHello(
    "\x1F\x8B\x08\x00\x00\x00\x00\x00\x02\x03\xCB\x48\xCD\xC9\xC9\x57\xC8\x40\x90\x5C\x00\x3B"
    "\x7C\x8A\xDF\x12\x00\x00\x00",
    29);

// Python: gzip.compress(b"", mtime=0)
const std::string kEmpty(
    "\x1F\x8B\x08\x00\x00\x00\x00\x00\x02\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);

// Python: gzip.compress(bytes(1_000_000), 9, mtime=0), where the 968 zero bytes of deflate codes
// between head and tail are not typed
std::string million_zeros() {
  const std::string head(
      "\x1F\x8B\x08\x00\x00\x00\x00\x00\x02\x03\xED\xC1\x01\x01\x00\x00\x00\x82\x20\xFF\xAF\x6E"
      "\x48\x40\x01",
      25);
  const std::string tail("\xAF\x06\x9E\xCB\x79\x12\x40\x42\x0F\x00", 10);
  return head + std::string(968, '\0') + tail;
}

std::string inflated(const std::string& data, int64_t max_bytes = 1 << 20) {
  const auto bytes = gunzip(as_bytes(data), max_bytes, "a.gz");
  return std::string(as_text(bytes));
}

}  // namespace

TEST_CASE("gzip: content of one member, of several, and of an empty one") {
  const std::string text = "hello hello hello\n";
  CHECK(inflated(kHello) == text);
  CHECK(inflated(kEmpty).empty());
  CHECK(inflated(kHello + kEmpty + kHello) == text + text);
  CHECK(inflated(kHello + std::string(512, '\0')) == text);
  CHECK(is_gzip(as_bytes(kHello)));
  CHECK_FALSE(is_gzip(as_bytes(text)));
  CHECK_FALSE(is_gzip(as_bytes("\x1F")));
}

TEST_CASE("gzip: every truncation is an error") {
  for (size_t n = 0; n < kHello.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(inflated(kHello.substr(0, n)), FormatError);
    if (n > 0) CHECK_THROWS_AS(inflated(kHello + kHello.substr(0, n)), FormatError);
  }
  CHECK_THROWS_WITH_AS(
      inflated(kHello.substr(0, 20)), "a.gz: byte 20: gzip: truncated", FormatError);
}

TEST_CASE("gzip: every change of data, checksum or length is an error") {
  constexpr size_t kHeaderBytes = 10;
  for (size_t n = kHeaderBytes; n < kHello.size(); ++n) {
    std::string damaged = kHello;
    damaged[n] = static_cast<char>(damaged[n] ^ 0x10);
    CAPTURE(n);
    CHECK_THROWS_AS(inflated(damaged), FormatError);
  }
  std::string wrong_sum = kHello;
  wrong_sum[kHello.size() - 8] = static_cast<char>(wrong_sum[kHello.size() - 8] ^ 1);
  CHECK_THROWS_WITH_AS(inflated(wrong_sum), doctest::Contains("incorrect data check"), FormatError);
  CHECK_THROWS_WITH_AS(
      inflated(kHello + "x"), doctest::Contains("unexpected bytes behind the data"), FormatError);
  CHECK_THROWS_WITH_AS(inflated("plain text"), "a.gz: byte 0: gzip: not gzip data", FormatError);
}

TEST_CASE("gzip: the limit holds for content of any size, whatever the file claims") {
  CHECK(inflated(kHello, 18).size() == 18);
  CHECK_THROWS_WITH_AS(
      inflated(kHello, 17), doctest::Contains("inflates to more than 17 bytes"), FormatError);
  CHECK_THROWS_AS(inflated(kHello + kHello, 35), FormatError);
  CHECK(inflated(kHello + kHello, 36).size() == 36);
  CHECK(inflated(kEmpty, 0).empty());
  CHECK(inflated(million_zeros()) == std::string(1'000'000, '\0'));
  CHECK_THROWS_AS(inflated(million_zeros(), 999'999), FormatError);
}

TEST_CASE("gzip: crc32 known answers") {
  CHECK(crc32(as_bytes("123456789")) == 0xCBF43926U);  // the check value of the CRC catalogue
  CHECK(crc32({}) == 0);
}
