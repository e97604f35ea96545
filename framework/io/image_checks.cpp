// framework/io/image_checks.cpp: walks over PNG chunks, JPEG segments and the BMP header.
#include "framework/io/image_checks.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace limpid {

namespace {

using Bytes = std::span<const std::byte>;

constexpr std::endian kBig = std::endian::big;
constexpr std::endian kLittle = std::endian::little;

/// Collects what the segments of one JPEG define and compares it with what its scans use.
class JpegCheck {
 public:
  JpegCheck(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  void run() {
    const std::string_view text = as_text(bytes_);
    at_ = 2;  // behind the mark of the start
    for (;;) {
      // Find the next marker: FF, perhaps repeated, then neither 00 (FF is data) nor a restart mark
      at_ = std::min(text.find('\xFF', at_), text.size());
      at_ = std::min(text.find_first_not_of('\xFF', at_), text.size());
      if (at_ == bytes_.size()) fail("truncated");
      const uint32_t marker = number_at(bytes_, at_++, 1, kBig);
      if (marker == 0 || (marker >= 0xD0 && marker <= 0xD7)) continue;
      if (marker == 0xD9) break;  // end of image

      // Every other marker begins a segment; the data behind a scan header is searched like the
      // rest
      if (bytes_.size() - at_ < 2) fail("truncated");
      const size_t length = number_at(bytes_, at_, 2, kBig);
      if (length < 2) fail("damaged segment");
      if (length > bytes_.size() - at_) fail("truncated");
      const Bytes body = bytes_.subspan(at_ + 2, length - 2);
      if (marker >= 0xC0 && marker <= 0xC2) read_frame(body, marker == 0xC2);
      if (marker == 0xC4) read_huffman_tables(body);
      if (marker == 0xDB) read_quantisers(body);
      if (marker == 0xDA) read_scan(body);
      at_ += length;
    }
    const bool complete = std::ranges::all_of(components_, &Component::scanned);
    if (components_.empty() || !complete) fail("a component is missing");
  }

 private:
  struct Component {
    uint32_t id;
    size_t quantiser;
    bool scanned;
  };

  [[noreturn]] void fail(const std::string& why) const {
    throw FormatError(name_, join_text("byte ", at_), "JPEG: " + why);
  }

  static size_t byte(Bytes bytes, size_t i) { return std::to_integer<size_t>(bytes[i]); }

  /// Precision, height, width, then per component: id, sampling factors, quantiser.
  void read_frame(Bytes body, bool progressive) {
    if (!components_.empty()) fail("a second frame");
    if (body.size() < 6 || body.size() != 6 + 3 * byte(body, 5)) fail("damaged frame header");
    progressive_ = progressive;
    for (size_t i = 6; i < body.size(); i += 3) {
      components_.push_back({number_at(body, i, 1, kBig), byte(body, i + 2), false});
    }

    // A block takes at least one bit, and some component has one block per 256 pixels or less
    constexpr int64_t kMostPixels = 2048;  // per byte
    const int64_t pixels =
        int64_t{number_at(body, 1, 2, kBig)} * int64_t{number_at(body, 3, 2, kBig)};
    if (pixels > kMostPixels * std::ssize(bytes_)) fail("too few data for its size");
  }

  /// One after the other: precision and number, 64 entries of 1 or 2 bytes.
  void read_quantisers(Bytes body) {
    while (!body.empty()) {
      const size_t number = byte(body, 0) & 15;
      const size_t length = byte(body, 0) >> 4 == 0 ? 65 : 129;
      if (number > 3 || length > body.size()) fail("damaged quantiser");
      has_quantiser_[number] = true;
      body = body.subspan(length);
    }
  }

  /// One after the other: class and number, how many codes have 1 to 16 bits, the symbols.
  void read_huffman_tables(Bytes body) {
    while (!body.empty()) {
      constexpr size_t kHead = 17;
      if (body.size() < kHead) fail("damaged Huffman table");
      const size_t kind = byte(body, 0) >> 4;
      const size_t number = byte(body, 0) & 15;
      size_t codes = 0;
      for (size_t i = 1; i < kHead; ++i) codes += byte(body, i);
      if (kind > 1 || number > 3 || codes > 256 || codes > body.size() - kHead) {
        fail("damaged Huffman table");
      }
      has_huffman_[kind][number] = true;
      body = body.subspan(kHead + codes);
    }
  }

  /// Number of components, then per component: id, its two Huffman tables; then the range of
  /// coefficients. A progressive scan uses one of the tables: that of the mean or of the others.
  void read_scan(Bytes body) {
    if (body.empty() || body.size() != 4 + 2 * byte(body, 0)) fail("damaged scan header");
    const bool has_mean = byte(body, body.size() - 3) == 0;
    for (size_t i = 1; i + 3 < body.size(); i += 2) {
      const auto component =
          std::ranges::find(components_, number_at(body, i, 1, kBig), &Component::id);
      if (component == components_.end()) fail("a scan of an unknown component");
      const size_t mean_table = byte(body, i + 1) >> 4;
      const size_t other_table = byte(body, i + 1) & 15;
      if (mean_table > 3 || other_table > 3 || component->quantiser > 3)
        fail("damaged scan header");
      const bool defined = (!uses_mean(has_mean) || has_huffman_[0][mean_table]) &&
                           (!uses_others(has_mean) || has_huffman_[1][other_table]) &&
                           has_quantiser_[component->quantiser];
      if (!defined) fail("a scan uses a table that is not there");
      component->scanned = component->scanned || has_mean;
    }
  }

  bool uses_mean(bool has_mean) const { return !progressive_ || has_mean; }
  bool uses_others(bool has_mean) const { return !progressive_ || !has_mean; }

  Bytes bytes_;
  const std::string& name_;
  size_t at_ = 0;
  bool progressive_ = false;
  std::vector<Component> components_;
  std::array<bool, 4> has_quantiser_{};
  std::array<std::array<bool, 4>, 2> has_huffman_{};  // for means (DC), for other coefficients (AC)
};

}  // namespace

void check_png(Bytes bytes, const std::string& name) {
  size_t at = 8;  // behind the magic number
  const auto fail = [&](const std::string& why) {
    throw FormatError(name, join_text("byte ", at), "PNG: " + why);
  };

  // Length, type, data, checksum of type and data
  for (std::string_view type; type != "IEND";) {
    constexpr size_t kFrame = 12;
    if (bytes.size() < kFrame + at) fail("truncated");
    const size_t length = number_at(bytes, at, 4, kBig);
    if (length > bytes.size() - at - kFrame) fail("truncated");
    const Bytes checked = bytes.subspan(at + 4, 4 + length);
    if (crc32(checked) != number_at(bytes, at + 8 + length, 4, kBig)) fail("wrong checksum");
    type = as_text(checked.first(4));
    at += kFrame + length;
  }

  // Deflate shrinks to no less than 1 / 1032
  constexpr size_t kHeaderEnd = 25;  // width, height and bits per sample of IHDR, the first chunk
  constexpr int64_t kMostInflated = 1032;
  if (bytes.size() < kHeaderEnd) fail("no header");
  const int64_t width = number_at(bytes, 16, 4, kBig);
  const int64_t height = number_at(bytes, 20, 4, kBig);
  const int64_t bits = number_at(bytes, 24, 1, kBig);
  const int64_t row = width * bits / 8;
  if (row > kMostInflated * std::ssize(bytes) / std::max<int64_t>(height, 1)) {
    fail("too few data for its size");
  }
}

void check_jpeg(Bytes bytes, const std::string& name) { JpegCheck(bytes, name).run(); }

void check_bmp(Bytes bytes, const std::string& name) {
  constexpr size_t kShortest = 54;  // two headers; files of OS/2 with shorter ones are not read
  if (bytes.size() < kShortest || number_at(bytes, 14, 4, kLittle) < 40) {
    throw FormatError(name, "", "BMP: truncated, or an unknown header");
  }
  const int64_t offset = number_at(bytes, 10, 4, kLittle);
  const int64_t width = number_at(bytes, 18, 4, kLittle);
  const int64_t height = static_cast<int32_t>(number_at(bytes, 22, 4, kLittle));  // or upside down
  const int64_t bits = number_at(bytes, 28, 2, kLittle);
  const int64_t row = (width * bits + 31) / 32 * 4;  // padded to 4 bytes
  const int64_t size = std::ssize(bytes);
  if (row > size || offset + row * std::abs(height) > size) {
    throw FormatError(name, "", "BMP: truncated");
  }
}

uint32_t number_at(Bytes bytes, size_t at, size_t count, std::endian order) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t place = order == kBig ? i : count - 1 - i;
    value = value << 8 | std::to_integer<uint32_t>(bytes[at + place]);
  }
  return value;
}

}  // namespace limpid
