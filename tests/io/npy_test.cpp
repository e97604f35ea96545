// tests/io/npy_test.cpp: arrays of numpy, good and damaged.
#include "framework/io/npy.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;

namespace {

/// An .npy file with this dictionary; versions from 2 on have a longer length field.
std::string file_of(const std::string& header, const std::string& data, char major = 1) {
  std::string text = "\x93NUMPY";
  text +=
      {major, '\0', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  if (major > 1) text += std::string(2, '\0');
  return text + header + data;
}

std::string dictionary(
    const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

Tensor read(const std::string& text) { return read_npy(as_bytes(text), "a.npy"); }

/// The text of the error that reading gives; empty if there is none.
std::string error_of(const std::string& text) {
  return failure([&] { read(text); });
}

/// The values of a one-dimensional array of this type.
std::vector<double> values(const std::string& descr, const std::string& data, DType expected) {
  const size_t size = static_cast<size_t>(descr.back() - '0');
  const std::string shape = "(" + std::to_string(data.size() / size) + ",)";
  const Tensor tensor = read(file_of(dictionary(descr, shape), data));
  CHECK(tensor.dtype() == expected);
  return tensor.to_vector();
}

// Typed by hand after numpy's format text: np.save(f, np.float32([[1, -2]])); the header is filled
// with spaces to 128 bytes in all.
const std::string kSmallFile = std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                               "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }" +
                               std::string(58, ' ') + "\n" +
                               std::string("\0\0\x80\x3F\0\0\0\xC0", 8);

}  // namespace

TEST_CASE("npy: a small file typed by hand is read, and written the same") {
  REQUIRE(kSmallFile.size() == 128 + 8);
  const Tensor tensor = read(kSmallFile);
  CHECK(tensor.dtype() == DType::f32);
  CHECK(tensor.shape() == Shape{1, 2});
  CHECK(tensor.to_vector() == std::vector<double>{1, -2});
  CHECK(as_text(npy_bytes(tensor)) == kSmallFile);
}

TEST_CASE("npy: random tensors survive bit by bit, in memory and on disk") {
  const TempDir folder;
  Rng rng(5);
  for (int round = 0; round < 60; ++round) {
    std::vector<int64_t> sizes;
    for (int d = 0; d < round % (kMaxRank + 1); ++d) sizes.push_back(rng.integer(5));
    const Shape shape{std::span<const int64_t>(sizes)};
    Tensor tensor =
        Tensor::normal(shape, rng, 0, 1e3, rng.integer(2) == 0 ? DType::f32 : DType::f64);
    if (rng.integer(3) == 0) {
      Tensor integers = Tensor::empty(shape, DType::i64);
      integers.assign(tensor);
      tensor = integers;
    }
    save_npy(folder.file("a.npy"), tensor);
    const Tensor back = load_npy(folder.file("a.npy"));
    CHECK(back.shape() == tensor.shape());
    CHECK(back.dtype() == tensor.dtype());
    CHECK(as_text(back.bytes()) == as_text(tensor.bytes()));
    CHECK(npy_bytes(tensor).size() % 64 == tensor.bytes().size() % 64);
  }
}

TEST_CASE("npy: element types and byte orders") {
  using V = std::vector<double>;
  CHECK(values("<f4", std::string("\0\0\x80\x3F", 4), DType::f32) == V{1});
  CHECK(values(">f4", std::string("\x3F\x80\0\0", 4), DType::f32) == V{1});
  CHECK(values("<f8", std::string("\0\0\0\0\0\0\x04\xC0", 8), DType::f64) == V{-2.5});
  CHECK(values(">f8", std::string("\xC0\x04\0\0\0\0\0\0", 8), DType::f64) == V{-2.5});
  CHECK(values("<f2", std::string("\x00\x3C\xFF\x7B", 4), DType::f32) == V{1, 65504});
  CHECK(values(">f2", std::string("\x3C\x00\x7B\xFF", 4), DType::f32) == V{1, 65504});
  CHECK(values("<i8", "\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", DType::i64) == V{-2});
  CHECK(values(">i8", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", DType::i64) == V{-2});
  CHECK(values("<i4", "\xFE\xFF\xFF\xFF", DType::i64) == V{-2});
  CHECK(values(">i4", "\xFF\xFF\xFF\xFE", DType::i64) == V{-2});
  CHECK(values("<i2", "\xFE\xFF", DType::i64) == V{-2});
  CHECK(values(">i2", "\xFF\xFE", DType::i64) == V{-2});
  CHECK(values("<u2", "\xFE\xFF", DType::i64) == V{65534});
  CHECK(values(">u2", "\xFF\xFE", DType::i64) == V{65534});
  CHECK(values("<u4", "\xFE\xFF\xFF\xFF", DType::i64) == V{4294967294});
  CHECK(values("|i1", "\xFE\x01", DType::i64) == V{-2, 1});
  CHECK(values("|u1", "\xFE\x01", DType::i64) == V{254, 1});
  CHECK(values("|b1", std::string("\0\x01", 2), DType::i64) == V{0, 1});
  // 2^53 + 1, which double cannot hold, stays exact
  CHECK(
      read(file_of(dictionary(">i8", "()"), std::string("\0\x20\0\0\0\0\0\x01", 8)))
          .data<int64_t>()[0] == (int64_t{1} << 53) + 1);
}

TEST_CASE("npy: other types are refused; pickles are never loaded (bad input 14)") {
  CHECK(contains(
      error_of(file_of(dictionary("|O", "(1,)"), std::string(8, '\0'))),
      "object arrays are pickles, which are never loaded"));
  for (const char* descr :
       {"<u8", "<c8", "<f16", "|S4", "<U4", "|V8", "<M8[ns]", "f4", "!f4", "", "<", "|f4", "<f",
        "f", "<f44"}) {
    CAPTURE(descr);
    CHECK(contains(error_of(file_of(dictionary(descr, "(1,)"), "12345678")), "a.npy: descr: "));
  }
  CHECK(contains(
      error_of(file_of("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234")),
      "structured types"));
}

TEST_CASE("npy: versions 1 to 3, and headers as other programs may write them (bad input 14)") {
  const std::string one("\0\0\x80\x3F", 4);
  for (const char major : {'\x01', '\x02', '\x03'}) {
    CHECK(read(file_of(dictionary("<f4", "()"), one, major)).item() == 1);
  }
  for (const char* header :
       {"{\"shape\":(),\"descr\":\"<f4\",\"fortran_order\":False}",
        "  { 'fortran_order' : True , 'shape' : ( ) , 'descr' : '<f4' , }  \n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1,)}"}) {
    CAPTURE(header);
    CHECK(read(file_of(header, one)).item() == 1);
  }
  CHECK(contains(error_of(file_of(dictionary("<f4", "()"), one, 4)), "unsupported version 4.0"));
  CHECK(contains(error_of(file_of(dictionary("<f4", "()"), one, 9)), "unsupported version 9.0"));
  std::string version_1_1 = file_of(dictionary("<f4", "()"), one);
  version_1_1[7] = 1;
  CHECK(contains(error_of(version_1_1), "unsupported version 1.1"));
}

TEST_CASE("npy: the dictionary is parsed strictly (bad input 14)") {
  const std::string one("\0\0\x80\x3F", 4);
  for (const char* header :
       {"",
        "{",
        "{}",
        "x",
        "{'descr': '<f4', 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ()",
        "{'descr': '<f4",
        "{'descr' '<f4', 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
        "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': ()}"}) {
    CAPTURE(header);
    CHECK(contains(error_of(file_of(header, one)), "invalid header: "));
  }
}

TEST_CASE("npy: Fortran order is transposed (bad input 14)") {
  // a[i, j, k] = 100 i + 10 j + k of shape (2, 3, 4), the first index running fastest
  std::string data;
  for (int k = 0; k < 4; ++k) {
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 2; ++i) data += static_cast<char>(100 * i + 10 * j + k);
    }
  }
  const Tensor tensor = read(file_of(dictionary("|u1", "(2, 3, 4)", "True"), data));
  CHECK(tensor.shape() == Shape{2, 3, 4});
  std::vector<double> expected;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 4; ++k) expected.push_back(100 * i + 10 * j + k);
    }
  }
  CHECK(tensor.to_vector() == expected);
  CHECK(read(file_of(dictionary("|u1", "(2, 0)", "True"), "")).shape() == Shape{2, 0});
  CHECK(read(file_of(dictionary("|u1", "(3,)", "True"), "abc")).to_vector()[2] == 'c');
  CHECK(read(file_of(dictionary("|u1", "()", "True"), "a")).item() == 'a');
}

TEST_CASE("npy: sizes are checked before anything is allocated (bad input 14, 15)") {
  CHECK(contains(
      error_of(file_of(dictionary("<f4", "(1000000000, 1000000000)"), std::string(80, '\0'))),
      "shape needs 4000000000000000000 bytes, the file has 80"));
  CHECK(contains(error_of(file_of(dictionary("<f8", "(4294967296, 4294967296)"), "")), "overflow"));
  CHECK(contains(
      error_of(file_of(dictionary("<f8", "(0, 4294967296, 4294967296)"), "")), "overflow"));
  CHECK(contains(error_of(file_of(dictionary("<f8", "(9223372036854775808,)"), "")), "overflow"));
  CHECK(contains(error_of(file_of(dictionary("|u1", "(3,)"), "1234")), "shape needs 3 bytes"));
  CHECK(contains(error_of(file_of(dictionary("|u1", "(5,)"), "1234")), "shape needs 5 bytes"));
  CHECK(error_of(file_of(dictionary("|u1", "(1, 1, 1, 1, 1, 1)"), "1")) == "");
  CHECK(contains(
      error_of(file_of(dictionary("|u1", "(1, 1, 1, 1, 1, 1, 1)"), "1")), "rank is over 6"));
  // A header of 4 GiB, of 64 KiB + 1, and one longer than the file
  const std::string magic = std::string("\x93NUMPY\x02\0", 8);
  CHECK(contains(error_of(magic + "\xFF\xFF\xFF\xFF{}"), "header too large: 4294967295 bytes"));
  CHECK(contains(
      error_of(magic + std::string("\x01\0\x01\0", 4) + std::string(70'000, ' ')),
      "header too large: 65537 bytes"));
  CHECK(contains(error_of(magic + std::string("\x03\0\0\0{}", 6)), "header longer than the file"));
}

TEST_CASE("npy: every truncation is an error, as is a longer file (bad input 14)") {
  for (size_t n = 0; n < kSmallFile.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(read(kSmallFile.substr(0, n)), FormatError);
  }
  CHECK_THROWS_AS(read(kSmallFile + '\0'), FormatError);
  CHECK(error_of("PK\x03\x04 not an array") == "a.npy: not an npy file: no magic number");
}

TEST_CASE("npy: any changed byte gives an array or a FormatError, nothing else") {
  int refused = 0;
  for (size_t n = 0; n < kSmallFile.size(); ++n) {
    for (const char value : {'\0', '\x01', '\x7F', '\xFF', '(', '\'', '9', '-'}) {
      std::string damaged = kSmallFile;
      damaged[n] = value;
      try {
        CHECK(read(damaged).numel() <= 8);
      } catch (const FormatError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 500);
}
