// tests/import/wire_test.cpp: each kind of field, and every way in which bytes can be wrong.
#include "framework/import/wire.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "tests/import/onnx_writer.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <cstdint>

using namespace limpid;
using write::Message;

namespace {

const std::string kFile = "w";

WireReader reader(const std::string& bytes) { return WireReader(as_bytes(bytes), kFile); }

/// The error of reading all fields.
std::string error_of(const std::string& bytes) {
  return failure([&] {
    WireReader fields = reader(bytes);
    while (fields.next()) {
    }
  });
}

}  // namespace

TEST_CASE("wire: fields come in order with number and value") {
  const std::string bytes =
      Message().integer(1, 150).integer(2, -1).f32(3, 0.5F).text(4, "abc").bytes;
  CHECK(bytes.substr(0, 3) == "\x08\x96\x01");  // the example of the format's documentation
  WireReader fields = reader(bytes);
  REQUIRE(fields.next());
  CHECK(fields.number() == 1);
  CHECK(fields.integer() == 150);
  CHECK_THROWS_WITH_AS(
      fields.text(), doctest::Contains("w: byte 0: field 1 is not a string"), FormatError);
  REQUIRE(fields.next());
  CHECK(fields.integer() == -1);
  REQUIRE(fields.next());
  CHECK(fields.f32() == 0.5F);
  CHECK_THROWS_AS(fields.integer(), FormatError);
  REQUIRE(fields.next());
  CHECK(fields.text() == "abc");
  CHECK_THROWS_AS(fields.f32(), FormatError);
  CHECK_FALSE(fields.next());
}

TEST_CASE("wire: repeated numbers, one by one and packed") {
  const std::string floats("\0\0\x80\x3F\0\0\0\xC0", 8);  // 1, -2
  const std::string bytes = Message()
                                .integer(1, 7)
                                .text(1, std::string("\x01\x96\x01\xFF\x7F", 5))
                                .f32(1, 3)
                                .text(1, floats)
                                .bytes;
  WireReader fields = reader(bytes);
  std::vector<int64_t> integers;
  std::vector<float> reals;
  fields.next();
  fields.append_to(integers);
  fields.next();
  fields.append_to(integers);
  CHECK(integers == std::vector<int64_t>{7, 1, 150, 16383});
  fields.next();
  fields.append_to(reals);
  CHECK_THROWS_AS(fields.append_to(integers), FormatError);
  fields.next();
  fields.append_to(reals);
  CHECK(reals == std::vector<float>{3, 1, -2});
  std::vector<double> doubles;
  fields.append_to(doubles);  // the same eight bytes are one double
  CHECK(doubles.size() == 1);

  const std::string five = Message().text(1, "12345").bytes;
  WireReader odd = reader(five);
  odd.next();
  CHECK_THROWS_WITH_AS(odd.append_to(reals), doctest::Contains("5 bytes"), FormatError);
  const std::string half = Message().text(1, "\x80").bytes;
  WireReader cut = reader(half);
  cut.next();
  CHECK_THROWS_AS(cut.append_to(integers), FormatError);
}

TEST_CASE("wire: varints have at most ten bytes and 64 bits (bad input 17)") {
  CHECK(error_of("\x08" + std::string(9, '\xFF') + "\x01") == "");
  CHECK(
      error_of("\x08" + std::string(9, '\xFF') + "\x02") ==
      "w: byte 0: varint longer than 10 bytes or 64 bits");
  CHECK(error_of("\x08" + std::string(10, '\x80') + "\x01") != "");  // eleven bytes
  CHECK(error_of("\x08") != "");
  CHECK(error_of("\x08\x80") != "");
}

TEST_CASE("wire: lengths end inside the message, keys are valid (bad input 17)") {
  CHECK(
      error_of(std::string("\x08\x01\x12\x05zz", 6)) ==
      "w: byte 2: 5 bytes wanted, but the message around them has 2");
  CHECK(error_of("\x12" + std::string(9, '\xFF') + "\x01") != "");  // 2^64 - 1 bytes
  CHECK(error_of(std::string("\x0D\0\0\0", 4)) != "");              // three of four bytes
  CHECK(error_of(std::string("\x09\0\0\0\0\0\0\0", 8)) != "");      // seven of eight
  CHECK(error_of(std::string("\x00\x01", 2)) == "w: byte 0: invalid field number 0");
  CHECK(
      error_of(write::varint(uint64_t{1} << 32) + "\x01").find("invalid field number") !=
      std::string::npos);
  for (const char* key : {"\x0B", "\x0C", "\x0E", "\x0F"}) {
    CHECK(error_of(key).find("unsupported wire type") != std::string::npos);
  }
}

TEST_CASE("wire: an inner message knows its place in the file, and its bounds") {
  // The inner length says 9, but the message around it ends after 2
  const std::string inner = "\x12\x09zz";
  const std::string bytes = Message().integer(1, 1).text(3, inner).integer(1, 1).bytes;
  WireReader fields = reader(bytes);
  fields.next();
  fields.next();
  WireReader nested = fields.message();
  CHECK_THROWS_WITH_AS(
      nested.next(), doctest::Contains("w: byte 4: 9 bytes wanted, but the message around"),
      FormatError);
}

TEST_CASE("wire: messages nest up to a limit (bad input 17)") {
  std::string bytes;
  for (int k = 0; k < WireReader::kMaxDepth; ++k) bytes = Message().text(1, bytes).bytes;
  WireReader fields = reader(bytes);
  for (int k = 1; k < WireReader::kMaxDepth; ++k) {
    REQUIRE(fields.next());
    fields = fields.message();
  }
  REQUIRE(fields.next());
  CHECK_THROWS_WITH_AS(fields.message(), doctest::Contains("nested deeper"), FormatError);
}
