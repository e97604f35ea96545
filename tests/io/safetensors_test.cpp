// tests/io/safetensors_test.cpp: every rule of the format, round trips, damaged files.
#include "framework/io/safetensors.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

using namespace limpid;

namespace {

/// Header size, header, data.
std::string file_of(const std::string& header, const std::string& data = "") {
  const uint64_t size = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &size, 8);
  return text + header + data;
}

SafetensorsFile read(const std::string& text) { return read_safetensors(as_bytes(text), "a.st"); }

/// The text of the error that reading gives; empty if there is none.
std::string error_of(const std::string& text) {
  return failure([&] { read(text); });
}

/// The error for a file with this header and `zeros` bytes of data.
std::string error_of_header(const std::string& header, size_t zeros = 0) {
  return error_of(file_of(header, std::string(zeros, '\0')));
}

/// The error for one tensor "a" with these parts and 4 bytes of data.
std::string error_of_entry(
    const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return error_of_header(
      R"({"a":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
      4);
}

std::string text_of(const std::vector<std::byte>& bytes) { return std::string(as_text(bytes)); }

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         as_text(a.bytes()) == as_text(b.bytes());
}

// Typed by hand after the format's text: two floats 1 and -2 (0x3F800000, 0xC0000000) and one
// integer 7. The header of 134 bytes is padded by two spaces; the wide integer comes first.
const std::string kSmallFile = file_of(
    R"({"__metadata__":{"k":"v"},"b":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
    R"("a":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}}  )",
    std::string("\x07\0\0\0\0\0\0\0", 8) + std::string("\0\0\x80\x3F\0\0\0\xC0", 8));

}  // namespace

TEST_CASE("safetensors: a small file typed by hand is read, and written the same") {
  const SafetensorsFile file = read(kSmallFile);
  CHECK(file.metadata == std::map<std::string, std::string>{{"k", "v"}});
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors.at("a").shape() == Shape{2, 1});
  CHECK(file.tensors.at("a").to_vector() == std::vector<double>{1, -2});
  CHECK(file.tensors.at("a").dtype() == DType::f32);
  CHECK(file.tensors.at("b").shape() == Shape{});
  CHECK(file.tensors.at("b").values<int64_t>()[0] == 7);
  CHECK(text_of(safetensors_bytes(file.tensors, file.metadata)) == kSmallFile);
}

TEST_CASE("safetensors: random tensors survive bit by bit, in memory and on disk") {
  const TempDir folder;
  Rng rng(3);
  for (int round = 0; round < 20; ++round) {
    std::map<std::string, Tensor> tensors;
    for (int64_t i = rng.integer(6); i > 0; --i) {
      std::vector<int64_t> sizes;
      for (int64_t d = rng.integer(kMaxRank + 1); d > 0; --d) sizes.push_back(rng.integer(4));
      const Shape shape{std::span<const int64_t>(sizes)};
      const DType dtype = rng.integer(2) == 0 ? DType::f32 : DType::f64;
      Tensor tensor = Tensor::normal(shape, rng, 0, 1e3, dtype);
      if (rng.integer(3) == 0) {
        Tensor integers = Tensor::empty(shape, DType::i64);
        integers.assign(tensor);
        tensor = integers;
      }
      tensors["layer \"" + std::to_string(i) + "\"\n\xC3\xA9"] = tensor;
    }
    const std::map<std::string, std::string> metadata{{"config", "{\"a\": [1]}"}, {"", "\n"}};
    const std::vector<std::byte> bytes = safetensors_bytes(tensors, metadata);
    CHECK(text_of(bytes) == text_of(safetensors_bytes(tensors, metadata)));

    save_safetensors(folder.file("a"), tensors, metadata);
    const SafetensorsFile file = load_safetensors(folder.file("a"));
    CHECK(text_of(read_file(folder.file("a"), 1 << 20)) == text_of(bytes));
    CHECK(file.metadata == metadata);
    REQUIRE(file.tensors.size() == tensors.size());
    for (const auto& [name, tensor] : tensors) CHECK(same_bytes(file.tensors.at(name), tensor));
  }
}

TEST_CASE("safetensors: NaN, infinities and negative zero keep their bits") {
  const Tensor odd = Tensor::of({4}, {std::nan("7"), -HUGE_VAL, -0.0, 5e-324}, DType::f64);
  const auto bytes = safetensors_bytes({{"x", odd}});
  CHECK(same_bytes(read_safetensors(bytes, "a").tensors.at("x"), odd));
}

TEST_CASE("safetensors: the writer aligns, orders, and refuses what readers refuse") {
  const Tensor narrow = Tensor::of({1}, {1});
  const Tensor wide = Tensor::of({1}, {2}, DType::f64);
  const std::string text = text_of(
      safetensors_bytes({{"a", narrow}, {"b", wide}, {"c", narrow}, {"d", Tensor::zeros({1, 0})}}));
  uint64_t size = 0;
  std::memcpy(&size, text.data(), 8);
  CHECK((8 + size) % 8 == 0);
  CHECK(text[8] == '{');
  CHECK(text.find("\"b\"") < text.find("\"a\""));
  CHECK(text.find("\"a\"") < text.find("\"c\""));
  double first = 0;
  std::memcpy(&first, text.data() + 8 + size, 8);
  CHECK(first == 2);

  CHECK_THROWS_AS(safetensors_bytes({{"__metadata__", narrow}}), ValueError);
  CHECK_THROWS_WITH_AS(
      safetensors_bytes({{"\xFF", narrow}}), doctest::Contains("is not UTF-8"), ValueError);
  CHECK_THROWS_AS(safetensors_bytes({}, {{"k", "\xFF"}}), ValueError);
  CHECK_THROWS_AS(safetensors_bytes({}, {{"\xFF", "v"}}), ValueError);
  CHECK_THROWS_AS(safetensors_bytes({{std::string(70'000, 'n'), narrow}}), ValueError);
  CHECK_THROWS_WITH_AS(
      safetensors_bytes({}, {{"k", std::string(100'000'000, 'v')}}),
      doctest::Contains("at most 100000000"), ValueError);
}

TEST_CASE("safetensors: valid files of every form (bad input 12, 13)") {
  CHECK(read(file_of("{}")).tensors.empty());
  CHECK(read(file_of(" \t\r\n{} \n")).tensors.empty());  // leading white space is tolerated
  CHECK(read(file_of(R"({"__metadata__":{}})")).metadata.empty());
  // Empty tensors take no bytes, anywhere between the others; entries may come in any order
  const SafetensorsFile file = read(file_of(
      R"({"c":{"data_offsets":[4,8],"shape":[1],"dtype":"F32"},)"
      R"("e":{"dtype":"F64","shape":[2,0],"data_offsets":[4,4]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
      std::string("\0\0\x80\x3F\0\0\0\x40", 8)));
  CHECK(file.tensors.at("a").item() == 1);
  CHECK(file.tensors.at("c").item() == 2);
  CHECK(file.tensors.at("e").shape() == Shape{2, 0});
  // A name is only a name
  CHECK(read(file_of(R"({"../../etc/\u0000x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"))
            .tensors.contains(std::string("../../etc/\0x", 12)));
}

TEST_CASE("safetensors: other element types are widened (bad input 10)") {
  const auto values = [](const std::string& dtype, const std::string& data, DType expected) {
    const auto count = data.size() / (dtype.ends_with("16") ? 2 : dtype.ends_with("32") ? 4 : 1);
    const Tensor tensor =
        read(file_of(
                 R"({"a":{"dtype":")" + dtype + R"(","shape":[)" + std::to_string(count) +
                     R"(],"data_offsets":[0,)" + std::to_string(data.size()) + "]}}",
                 data))
            .tensors.at("a");
    CHECK(tensor.dtype() == expected);
    return tensor.to_vector();
  };
  using V = std::vector<double>;
  CHECK(values("BOOL", std::string("\0\x01", 2), DType::i64) == V{0, 1});
  CHECK(values("U8", "\xFF\x01", DType::i64) == V{255, 1});
  CHECK(values("I8", "\xFF\x01", DType::i64) == V{-1, 1});
  CHECK(values("U16", "\xFE\xFF", DType::i64) == V{65534});
  CHECK(values("I16", "\xFE\xFF", DType::i64) == V{-2});
  CHECK(values("U32", "\xFE\xFF\xFF\xFF", DType::i64) == V{4294967294});
  CHECK(values("I32", "\xFE\xFF\xFF\xFF", DType::i64) == V{-2});
  CHECK(values("BF16", "\x80\x3F\x20\xC0", DType::f32) == V{1, -2.5});
  // Half floats: 1, -2, largest, smallest normal, smallest subnormal, largest subnormal, infinity
  CHECK(
      values(
          "F16", std::string("\x00\x3C\x00\xC0\xFF\x7B\x00\x04\x01\x00\xFF\x03\x00\xFC", 14),
          DType::f32) == V{1, -2, 65504, 0x1p-14, 0x1p-24, 1023 * 0x1p-24, -HUGE_VAL});
  CHECK(std::isnan(values("F16", std::string("\x00\x7E", 2), DType::f32)[0]));
  CHECK(std::signbit(values("F16", std::string("\x00\x80", 2), DType::f32)[0]));
}

TEST_CASE("safetensors: size of the header (bad input 2, 3)") {
  CHECK(error_of("") == "a.st: header too small: 0 bytes, at least 8 needed");
  CHECK(contains(error_of("1234567"), "header too small"));
  CHECK(contains(error_of(std::string(8, '\xFF')), "header too large: 18446744073709551615 bytes"));
  // 10^8 + 1, which is just too large, and 10^8, which is only too long for this file
  CHECK(contains(error_of(std::string("\x01\xE1\xF5\x05\0\0\0\0{}", 10)), "header too large"));
  CHECK(contains(
      error_of(std::string("\x00\xE1\xF5\x05\0\0\0\0{}", 10)),
      "invalid header length: 100000000 bytes, but the file has 2"));
  CHECK(contains(error_of(std::string("\x03\0\0\0\0\0\0\0{}", 10)), "invalid header length"));
  CHECK(contains(error_of(std::string(8, '\0')), "does not begin with {"));
}

TEST_CASE("safetensors: text of the header (bad input 4, 11, 13)") {
  for (const char* header : {"[]", "7", "\"{}\"", "null", "  ", "x{}", "\xEF\xBB\xBF{}"}) {
    CAPTURE(header);
    CHECK(contains(error_of_header(header), "invalid header: does not begin with {"));
  }
  for (const char* header :
       {"{", "{}}", "{} x", "{}{}", "{\"\xFF\":1}", "{\"a\":1,\"a\":1}", "{'a':1}"}) {
    CAPTURE(header);
    CHECK(contains(error_of_header(header), "a.st: invalid header: byte "));
  }
  CHECK(contains(error_of_header(std::string("{}\0\0", 4)), "zero byte"));
  const std::string entry = R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})";
  CHECK(
      contains(error_of_header(R"({"a":)" + entry + R"(,"a":)" + entry + "}", 4), "occurs twice"));
  CHECK(contains(
      error_of_header(R"({"a":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4),
      "occurs twice"));
  CHECK(contains(
      error_of_header("{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}"),
      "nested deeper"));
  CHECK(contains(error_of_header("{\"" + std::string(1'000'000, 'n') + "\":1}"), "key of 1000000"));
}

// The largest header that the format allows, filled with one name, one text and many brackets.
TEST_CASE("safetensors: 90 MB of name, text or depth (bad input 13)") {
  const std::string filling(90'000'000, 'n');
  CHECK(contains(error_of_header("{\"" + filling + "\":1}"), "key of "));
  CHECK(contains(error_of_header("{\"a\":\"" + filling + "\"}"), "not an object"));
  CHECK(contains(error_of_header("{\"a\":" + std::string(90'000'000, '[')), "nested deeper"));
  CHECK(contains(error_of_header("{" + std::string(90'000'000, ' ')), "invalid header: byte "));
}

// F16 and BF16 are widened, other floats are refused with their name; both are conversion rules.
TEST_CASE("safetensors: types of the format that are not read (bad input 10)") {
  for (const char* dtype :
       {"U64", "C64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2", "F4", "F128"}) {
    CAPTURE(dtype);
    CHECK(contains(
        error_of_entry('"' + std::string(dtype) + '"', "[1]", "[0,4]"),
        "a.st: tensor \"a\": unsupported dtype \"" + std::string(dtype)));
  }
  CHECK(error_of_entry(R"("F16")", "[2]", "[0,4]") == "");
  CHECK(error_of_entry(R"("BF16")", "[2]", "[0,4]") == "");
}

TEST_CASE("safetensors: a tensor of another size than its type (bad input 9)") {
  struct Row {
    const char* dtype;
    const char* shape;
    int64_t bytes;  // needed
  };
  const Row rows[] = {{"F64", "[1]", 8},     {"I64", "[2]", 16},  {"F16", "[3]", 6},
                      {"BOOL", "[5]", 5},    {"U8", "[2,3]", 6},  {"I16", "[0]", 0},
                      {"F32", "[2,0,4]", 0}, {"BF16", "[1,1]", 2}};
  for (const Row& row : rows) {
    CAPTURE(row.dtype);
    const std::string type = '"' + std::string(row.dtype) + '"';
    CHECK(contains(
        error_of_entry(type, row.shape, "[0,4]"),
        "need " + std::to_string(row.bytes) + " bytes, offsets give 4"));
  }
}

TEST_CASE("safetensors: metadata holds texts only (bad input 11)") {
  for (const char* value :
       {"1", "null", "[]", "\"x\"", "{\"k\":1}", "{\"k\":null}", "{\"k\":{}}",
        "{\"k\":\"v\",\"k\":\"w\"}"}) {
    CAPTURE(value);
    CHECK(error_of_header(R"({"__metadata__":)" + std::string(value) + "}") != "");
  }
}

TEST_CASE("safetensors: info of a tensor (bad input 9, 10)") {
  CHECK(error_of_entry(R"("F32")", "[1]", "[0,4]") == "");  // the pattern of the cases below
  CHECK(
      error_of_entry(R"("F32")", "[2]", "[0,4]") ==
      "a.st: tensor \"a\": invalid info: shape and dtype need 8 bytes, offsets give 4");
  CHECK(contains(error_of_entry(R"("F64")", "[1]", "[0,4]"), "invalid info"));
  CHECK(contains(error_of_entry(R"("F32")", "[0]", "[0,4]"), "invalid info"));
  for (const char* dtype : {"\"F8_E4M3\"", "\"F4\"", "\"C64\"", "\"U64\"", "\"f32\"", "\"\""}) {
    CAPTURE(dtype);
    CHECK(
        contains(error_of_entry(dtype, "[1]", "[0,4]"), "unsupported dtype " + std::string(dtype)));
  }
  CHECK(contains(error_of_entry("4", "[1]", "[0,4]"), "dtype of a wrong kind"));
  CHECK(contains(error_of_entry(R"("F32")", "1", "[0,4]"), "shape of a wrong kind"));
  CHECK(contains(error_of_entry(R"("F32")", "[1]", "4"), "data_offsets of a wrong kind"));
  for (const char* shape : {"[-1]", "[1.0]", "[\"1\"]", "[null]", "[[1]]", "[true]", "[1e0]"}) {
    CAPTURE(shape);
    CHECK(contains(error_of_entry(R"("F32")", shape, "[0,4]"), "invalid shape"));
  }
  CHECK(error_of_entry(R"("F32")", "[1,1,1,1,1,1]", "[0,4]") == "");
  CHECK(contains(error_of_entry(R"("F32")", "[1,1,1,1,1,1,1]", "[0,4]"), "rank 7 is over 6"));
  CHECK(contains(error_of_header(R"({"a":1})"), "not an object"));
  CHECK(contains(error_of_header(R"({"a":{"shape":[],"data_offsets":[0,4]}})", 4), "no dtype"));
  CHECK(contains(error_of_header(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4), "no shape"));
  CHECK(contains(error_of_header(R"({"a":{"dtype":"F32","shape":[]}})", 4), "no data_offsets"));
  CHECK(contains(
      error_of_header(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4],"x":1}})", 4),
      "unknown member"));
}

TEST_CASE("safetensors: overflow of the shape (bad input 8)") {
  // 2 * (2^64 - 2) elements, 2 * (2^63 - 1) of 4 bytes, 2^61 of 4 bytes, and with an empty size
  CHECK(contains(error_of_entry(R"("F32")", "[2,18446744073709551614]", "[0,4]"), "exceeds"));
  for (const char* shape :
       {"[2,9223372036854775807]", "[2305843009213693952]", "[4294967296,4294967296]",
        "[0,4294967296,4294967296]"}) {
    CAPTURE(shape);
    CHECK(contains(error_of_entry(R"("F32")", shape, "[0,4]"), "shape overflow"));
  }
  CHECK(contains(error_of_entry(R"("U8")", "[0,4611686018427387905]", "[0,0]"), "overflow"));
}

TEST_CASE("safetensors: offsets of a tensor (bad input 7)") {
  for (const char* offsets :
       {"[4,0]", "[0,5]", "[-1,4]", "[0.0,4]", "[0,4.5]", "[0,1e30]", "[\"0\",4]", "[0]", "[]",
        "[0,4,8]", "[0,null]", "[5,5]", "[9223372036854775807,9223372036854775807]"}) {
    CAPTURE(offsets);
    CHECK(
        contains(error_of_entry(R"("F32")", "[1]", offsets), "a.st: tensor \"a\": invalid offset"));
  }
  CHECK(contains(error_of_entry(R"("F32")", "[1]", "[0,18446744073709551615]"), "exceeds"));
}

TEST_CASE("safetensors: the tensors cover the data exactly (bad input 5, 6)") {
  const auto file_with = [](std::initializer_list<std::pair<int, int>> ranges, size_t data) {
    std::string header;
    int i = 0;
    for (const auto& [begin, end] : ranges) {
      header += (header.empty() ? "{" : ",") + std::string("\"t") + std::to_string(i++) +
                R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) +
                R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
    }
    return error_of_header(header + "}", data);
  };
  CHECK(file_with({{0, 4}, {4, 8}}, 8) == "");
  CHECK(file_with({{4, 8}, {0, 4}}, 8) == "");
  CHECK(contains(file_with({{0, 4}, {4, 8}}, 9), "data not fully covered"));  // trailing byte
  CHECK(contains(file_with({{0, 4}, {4, 8}}, 6), "invalid offset"));          // two bytes missing
  CHECK(contains(file_with({{0, 4}, {5, 8}}, 8), "hole from byte 4 to 5"));
  CHECK(contains(file_with({{1, 4}, {4, 8}}, 8), "hole from byte 0 to 1"));
  CHECK(contains(file_with({{0, 4}, {3, 8}}, 8), "overlaps"));
  CHECK(contains(file_with({{0, 8}, {2, 4}}, 8), "overlaps"));
  CHECK(contains(file_with({{0, 8}, {4, 4}}, 8), "overlaps"));  // an empty one inside another
  CHECK(contains(
      file_with(
          {{0, 4}, {0, 4}, {0, 4}, {0, 4}, {0, 4}, {0, 4}, {0, 4}, {0, 4}, {0, 4}, {0, 4}}, 4),
      "overlaps"));
  CHECK(contains(error_of_header("{}", 1), "data not fully covered"));
}

TEST_CASE("safetensors: every truncation is an error") {
  for (size_t n = 0; n < kSmallFile.size(); ++n) {
    CAPTURE(n);
    CHECK_THROWS_AS(read(kSmallFile.substr(0, n)), FormatError);
  }
  CHECK_THROWS_AS(read(kSmallFile + '\0'), FormatError);
}

TEST_CASE("safetensors: any changed byte gives a valid file or a FormatError, nothing else") {
  int refused = 0;
  for (size_t n = 0; n < kSmallFile.size(); ++n) {
    for (const char value : {'\0', '\x01', '\x7F', '\xFF', '{', '"', '9', '-'}) {
      std::string damaged = kSmallFile;
      damaged[n] = value;
      try {
        for (const auto& [name, tensor] : read(damaged).tensors) CHECK(tensor.numel() <= 16);
      } catch (const FormatError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("safetensors: errors of loading name the path") {
  const TempDir folder;
  CHECK_THROWS_WITH_AS(
      load_safetensors(folder.file("none")), doctest::Contains("cannot read"), FormatError);
  write_file_atomic(folder.file("empty"), {});
  CHECK_THROWS_WITH_AS(
      load_safetensors(folder.file("empty")), doctest::Contains("empty: header too small"),
      FormatError);
}
