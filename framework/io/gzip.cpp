// framework/io/gzip.cpp: the only file that uses zlib.
#include "framework/io/gzip.h"

#include <algorithm>
#include <utility>

#define ZLIB_CONST  // zlib then takes its input as const
#include "framework/core/error.h"
#include "framework/io/files.h"

#include <zlib.h>

namespace limpid {

namespace {

constexpr size_t kPart = size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kGzipWindow = 15 + 16;       // largest window; +16 asks for the gzip wrapper
constexpr int kRawWindow = -15;            // the sign asks for no wrapper

/// Inflates one stream after the other from a span of bytes into one growing buffer.
class Inflater {
 public:
  Inflater(std::span<const std::byte> bytes, int64_t max_bytes, const std::string& name, int window)
      : bytes_(bytes), limit_(static_cast<size_t>(max_bytes)), name_(name), window_(window) {
    if (::inflateInit2(&stream_, window) != Z_OK) no_memory();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  Inflater(Inflater&&) = delete;
  Inflater& operator=(Inflater&&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  /// Inflates to the end of the stream, or until there is more than the limit.
  void run() {
    for (;;) {
      // Make room; one byte over the limit tells a full buffer from too much content
      if (filled_ == content_.size()) {
        if (is_over()) return;
        const size_t wanted = std::max<size_t>({4096, 4 * bytes_.size(), 2 * filled_});
        content_.resize(std::min(limit_ + 1, wanted));
      }

      // Inflate one part
      const size_t source = std::min(bytes_.size() - at_, kPart);
      const size_t room = std::min(content_.size() - filled_, kPart);
      stream_.next_in = reinterpret_cast<const Bytef*>(bytes_.data() + at_);
      stream_.avail_in = static_cast<uInt>(source);
      stream_.next_out = reinterpret_cast<Bytef*>(content_.data() + filled_);
      stream_.avail_out = static_cast<uInt>(room);
      const int status = ::inflate(&stream_, Z_NO_FLUSH);
      at_ += source - stream_.avail_in;
      filled_ += room - stream_.avail_out;
      if (status == Z_STREAM_END) return;
      if (status == Z_DATA_ERROR) fail(stream_.msg != nullptr ? stream_.msg : "damaged");
      if (status == Z_MEM_ERROR) no_memory();
      if (status != Z_OK && status != Z_BUF_ERROR) fail("damaged");
      if (at_ == bytes_.size() && filled_ < content_.size()) fail("truncated");
    }
  }

  void start_next() { ::inflateReset(&stream_); }
  std::span<const std::byte> rest() const { return bytes_.subspan(at_); }
  bool is_over() const { return filled_ > limit_; }

  /// What was inflated, up to the limit.
  std::vector<std::byte> take() {
    content_.resize(std::min(filled_, limit_));
    return std::move(content_);
  }

  [[noreturn]] void fail(const std::string& why) const {
    const char* format = window_ == kGzipWindow ? "gzip: " : "deflate: ";
    throw FormatError(name_, join_text("byte ", at_), format + why);
  }
  void check_limit() const {
    if (is_over()) fail(join_text("inflates to more than ", limit_, " bytes"));
  }

 private:
  [[noreturn]] void no_memory() const { throw Error(name_ + ": no memory to inflate"); }

  std::span<const std::byte> bytes_;
  size_t limit_;
  const std::string& name_;
  int window_;
  z_stream stream_{};
  std::vector<std::byte> content_;
  size_t at_ = 0;      // bytes taken so far
  size_t filled_ = 0;  // bytes of content_ that are content
};

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

std::vector<std::byte> gunzip(
    std::span<const std::byte> bytes, int64_t max_bytes, const std::string& name) {
  Inflater inflater(bytes, max_bytes, name, kGzipWindow);
  if (!is_gzip(bytes)) inflater.fail("not gzip data");
  for (;;) {
    inflater.run();
    inflater.check_limit();

    // Go on with the next member, if there is one
    const auto rest = inflater.rest();
    const bool padded =
        std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
    if (padded) return inflater.take();
    if (!is_gzip(rest)) inflater.fail("unexpected bytes behind the data");
    inflater.start_next();
  }
}

std::vector<std::byte> inflate_raw(
    std::span<const std::byte> bytes, int64_t max_bytes, const std::string& name, bool is_prefix) {
  Inflater inflater(bytes, max_bytes, name, kRawWindow);
  inflater.run();
  if (is_prefix && inflater.is_over()) return inflater.take();
  inflater.check_limit();
  if (!inflater.rest().empty()) inflater.fail("unexpected bytes behind the data");
  return inflater.take();
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
