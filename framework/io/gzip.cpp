// framework/io/gzip.cpp: the only file that uses zlib.
#include "framework/io/gzip.h"

#include <algorithm>

#define ZLIB_CONST  // zlib then takes its input as const
#include "framework/core/error.h"
#include "framework/io/files.h"

#include <zlib.h>

namespace limpid {

namespace {

constexpr size_t kPart = size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kGzipWindow = 15 + 16;       // largest window; +16 asks for the gzip wrapper

/// A zlib stream with gzip headers, ended with its scope.
class Inflater {
 public:
  explicit Inflater(const std::string& name) {
    if (::inflateInit2(&stream_, kGzipWindow) != Z_OK) {
      throw Error(name + ": gzip: no memory to inflate");
    }
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  Inflater(Inflater&&) = delete;
  Inflater& operator=(Inflater&&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

std::vector<std::byte> gunzip(
    std::span<const std::byte> bytes, int64_t max_bytes, const std::string& name) {
  size_t at = 0;  // bytes taken so far
  const auto fail = [&](const std::string& why) {
    throw FormatError(name, join_text("byte ", at), "gzip: " + why);
  };
  if (!is_gzip(bytes)) fail("not gzip data");

  const auto limit = static_cast<size_t>(max_bytes);
  std::vector<std::byte> content;
  size_t filled = 0;
  Inflater inflater(name);
  z_stream& stream = inflater.stream();

  for (;;) {
    // Make room; one byte over the limit tells a full buffer from too much content
    if (filled == content.size()) {
      if (filled > limit) fail(join_text("inflates to more than ", max_bytes, " bytes"));
      content.resize(std::min(limit + 1, std::max<size_t>({4096, 4 * bytes.size(), 2 * filled})));
    }

    // Inflate one part
    const size_t source = std::min(bytes.size() - at, kPart);
    const size_t room = std::min(content.size() - filled, kPart);
    stream.next_in = reinterpret_cast<const Bytef*>(bytes.data() + at);
    stream.avail_in = static_cast<uInt>(source);
    stream.next_out = reinterpret_cast<Bytef*>(content.data() + filled);
    stream.avail_out = static_cast<uInt>(room);
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    at += source - stream.avail_in;
    filled += room - stream.avail_out;

    // Go on with the next member, if there is one
    if (status == Z_STREAM_END) {
      const auto rest = bytes.subspan(at);
      const bool padded =
          std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
      if (padded) break;
      if (!is_gzip(rest)) fail("unexpected bytes behind the data");
      ::inflateReset(&stream);
      continue;
    }
    if (status == Z_DATA_ERROR) fail(stream.msg != nullptr ? stream.msg : "damaged");
    if (status == Z_MEM_ERROR) throw Error(name + ": gzip: no memory to inflate");
    if (status != Z_OK && status != Z_BUF_ERROR) fail("damaged");
    if (at == bytes.size() && filled < content.size()) fail("truncated");
  }

  if (filled > limit) fail(join_text("inflates to more than ", max_bytes, " bytes"));
  content.resize(filled);
  return content;
}

std::vector<std::byte> read_unpacked(const std::string& path, int64_t max_bytes) {
  std::vector<std::byte> bytes = read_file(path, max_bytes);
  return is_gzip(bytes) ? gunzip(bytes, max_bytes, path) : bytes;
}

uint32_t crc32(std::span<const std::byte> bytes, uint32_t before) {
  uLong sum = before;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kPart));
    sum = ::crc32(sum, reinterpret_cast<const Bytef*>(part.data()), static_cast<uInt>(part.size()));
    bytes = bytes.subspan(part.size());
  }
  return static_cast<uint32_t>(sum);
}

}  // namespace limpid
