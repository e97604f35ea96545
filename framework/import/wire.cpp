// framework/import/wire.cpp: varints, lengths and their limits.
#include "framework/import/wire.h"

#include "framework/core/error.h"
#include "framework/io/files.h"

#include <bit>
#include <cstring>

namespace limpid {

static_assert(std::endian::native == std::endian::little, "numbers are copied as little-endian");

namespace {

constexpr uint64_t kMaxNumber = (uint64_t{1} << 29) - 1;  // of a field, by the format
constexpr int kMaxVarintBytes = 10;                       // ceil(64 / 7)

template <class T>
T number_from(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace

WireReader::WireReader(std::span<const std::byte> message, const std::string& file)
    : rest_(message), file_(&file) {}

void WireReader::fail(const std::string& why) const {
  throw FormatError(*file_, join_text("byte ", field_place_), why);
}

std::span<const std::byte> WireReader::take(size_t count) {
  if (count > rest_.size()) {
    fail(join_text(count, " bytes wanted, but the message around them has ", rest_.size()));
  }
  const auto taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  place_ += count;
  return taken;
}

uint64_t WireReader::read_varint() {
  uint64_t value = 0;
  for (int k = 0; k < kMaxVarintBytes; ++k) {
    const auto byte = std::to_integer<uint64_t>(take(1)[0]);
    value |= (byte & 0x7F) << (7 * k);
    if (k == kMaxVarintBytes - 1 && byte > 1) break;  // bits beyond the 64th, or an 11th byte
    if (byte < 0x80) return value;
  }
  fail("varint longer than 10 bytes or 64 bits");
}

bool WireReader::next() {
  if (rest_.empty()) return false;
  field_place_ = place_;
  const uint64_t key = read_varint();
  if (key >> 3 == 0 || key >> 3 > kMaxNumber) fail(join_text("invalid field number ", key >> 3));
  number_ = static_cast<uint32_t>(key >> 3);
  switch (key & 7) {
    case 0: varint_ = read_varint(); break;
    case 1: bytes_ = take(8); break;
    case 2: bytes_ = take(read_varint()); break;
    case 5: bytes_ = take(4); break;
    default: fail(join_text("field ", number_, " of unsupported wire type ", key & 7));
  }
  kind_ = static_cast<Kind>(key & 7);
  return true;
}

void WireReader::require(Kind kind, const char* name) const {
  if (kind_ != kind) fail(join_text("field ", number_, " is not ", name));
}

int64_t WireReader::integer() const {
  require(Kind::varint, "an integer");
  return static_cast<int64_t>(varint_);
}

float WireReader::f32() const {
  require(Kind::fixed32, "a 32-bit float");
  return number_from<float>(bytes_);
}

std::span<const std::byte> WireReader::bytes() const {
  require(Kind::bytes, "a string of bytes");
  return bytes_;
}

std::string_view WireReader::text() const { return as_text(bytes()); }

WireReader WireReader::message() const {
  require(Kind::bytes, "a message");
  if (depth_ == kMaxDepth) fail(join_text("messages nested deeper than ", kMaxDepth));
  WireReader inner(bytes_, *file_);
  inner.place_ = inner.field_place_ = place_ - bytes_.size();
  inner.depth_ = depth_ + 1;
  return inner;
}

void WireReader::append_to(std::vector<int64_t>& values) const {
  if (kind_ == Kind::varint) {
    values.push_back(static_cast<int64_t>(varint_));
    return;
  }
  require(Kind::bytes, "integers");
  WireReader packed = *this;
  packed.rest_ = bytes_;
  while (!packed.rest_.empty()) values.push_back(static_cast<int64_t>(packed.read_varint()));
}

template <class T>
void WireReader::append_fixed(Kind single, std::vector<T>& values) const {
  if (kind_ != single) require(Kind::bytes, "numbers");
  if (bytes_.size() % sizeof(T) != 0) {
    fail(join_text("field ", number_, ": ", bytes_.size(), " bytes do not divide into numbers"));
  }
  for (size_t at = 0; at < bytes_.size(); at += sizeof(T)) {
    values.push_back(number_from<T>(bytes_.subspan(at, sizeof(T))));
  }
}

void WireReader::append_to(std::vector<float>& values) const {
  append_fixed(Kind::fixed32, values);
}

void WireReader::append_to(std::vector<double>& values) const {
  append_fixed(Kind::fixed64, values);
}

}  // namespace limpid
