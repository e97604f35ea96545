// framework/import/wire.h: the wire format of protocol buffers, read field by field.
//
// A message is a sequence of fields. Each begins with a varint, number * 8 + kind; the kind says
// what follows (https://protobuf.dev/programming-guides/encoding):
//     0 varint    seven bits per byte, lowest first; the top bit says that another byte follows
//     1 fixed64   eight bytes, little-endian
//     2 bytes     a varint length and as many bytes: text, packed numbers or a message
//     5 fixed32   four bytes, little-endian
// Kinds 3 and 4, the old groups, are refused. Nothing is copied: the bytes must outlive the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

/// Walks over the fields of one message. Every method throws FormatError `file: byte N: why`.
class WireReader {
 public:
  static constexpr int kMaxDepth = 16;  // messages inside messages

  /// `file` stands in error texts and must outlive the reader.
  WireReader(std::span<const std::byte> message, const std::string& file);

  /// Moves to the next field; false at the end of the message.
  bool next();
  /// The number of the current field.
  uint32_t number() const { return number_; }

  // ---- The value of the current field; a field of another kind is an error ----

  /// A varint in two's complement: -1 takes ten bytes.
  int64_t integer() const;
  float f32() const;
  std::span<const std::byte> bytes() const;
  std::string_view text() const;
  WireReader message() const;

  // A repeated number: one value, or any count of them packed into one field. They are appended.
  void append_to(std::vector<int64_t>& values) const;
  void append_to(std::vector<float>& values) const;
  void append_to(std::vector<double>& values) const;

  /// Throws with the place of the current field.
  [[noreturn]] void fail(const std::string& why) const;

 private:
  enum class Kind : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

  uint64_t read_varint();
  std::span<const std::byte> take(size_t count);
  void require(Kind kind, const char* name) const;
  template <class T>
  void append_fixed(Kind single, std::vector<T>& values) const;

  std::span<const std::byte> rest_;  // what next() has not passed yet
  const std::string* file_;
  size_t place_ = 0;        // bytes from the start of the file to rest_
  size_t field_place_ = 0;  // and to the current field
  int depth_ = 1;

  uint32_t number_ = 0;
  Kind kind_ = Kind::varint;
  uint64_t varint_ = 0;               // the value, or
  std::span<const std::byte> bytes_;  // the value
};

}  // namespace limpid
