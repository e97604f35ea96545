// framework/io/image.cpp: which decoder takes a file, and one for PNM.
#include "framework/io/image.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/image_checks.h"
#include "framework/io/stb.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace limpid {

namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;  // stb counts in int

using Bytes = std::span<const std::byte>;

enum class Kind { png, jpeg, bmp, pnm, other };

Kind kind_of(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  if (text.starts_with("\x89PNG\r\n\x1A\n")) return Kind::png;
  if (text.starts_with("\xFF\xD8\xFF")) return Kind::jpeg;
  if (text.starts_with("BM")) return Kind::bmp;
  return text.starts_with("P5") || text.starts_with("P6") ? Kind::pnm : Kind::other;
}

/// Decodes one file; the name stands in all error texts.
class Decoder {
 public:
  Decoder(Bytes bytes, const std::string& name, int64_t channels)
      : bytes_(bytes), name_(name), channels_(channels) {}

  Image decode() const {
    if (std::ssize(bytes_) > kMaxFileBytes) fail("", "file too large");
    switch (kind_of(bytes_)) {
      case Kind::png: return decode_by_stb("PNG", check_png);
      case Kind::jpeg: return decode_by_stb("JPEG", check_jpeg);
      case Kind::bmp: return decode_by_stb("BMP", check_bmp);
      case Kind::pnm: return decode_pnm();
      case Kind::other: break;
    }
    fail("", "unknown image type; PNG, JPEG, BMP, PGM and PPM are read");
  }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& why) const {
    throw FormatError(name_, where, why);
  }

  void check_size(int64_t width, int64_t height) const {
    if (width < 1 || height < 1) fail("", join_text("empty image: ", width, " x ", height));
    if (width > kMaxImageSide || height > kMaxImageSide || width * height > kMaxImagePixels) {
      fail(
          "", join_text(
                  "image too large: ", width, " x ", height, " pixels, at most ", kMaxImageSide,
                  " per side and ", kMaxImagePixels, " in all"));
    }
  }

  Image decode_by_stb(const char* kind, void (*check)(Bytes, const std::string&)) const {
    // Walk over the file, judge its size, and only then decode; even the size is asked for after
    // the check, because stb reads the tables of a JPEG on the way to its size
    check(bytes_, name_);
    StbSize size;
    if (!stb_size(bytes_, size)) {
      fail("", join_text(kind, ": damaged header, or over ", kMaxImageSide, " pixels per side"));
    }
    check_size(size.width, std::abs(int64_t{size.height}));  // a BMP may stand upside down
    const StbBytes pixels = stb_decode(bytes_, static_cast<int>(channels_), size);
    if (pixels == nullptr) fail("", join_text(kind, ": ", stb_reason()));
    const size_t count = static_cast<size_t>(size.width) * static_cast<size_t>(size.height) *
                         static_cast<size_t>(size.channels);
    return {
        size.width, size.height, size.channels,
        std::vector<uint8_t>(pixels.get(), pixels.get() + count)};
  }

  /// PGM (P5) and PPM (P6): text header, one white space, then rows of 1 or 2 bytes per sample.
  /// stb 2.27 would return uninitialised memory for a file that is cut short.
  Image decode_pnm() const {
    const int64_t stored = as_text(bytes_).starts_with("P5") ? 1 : 3;
    size_t at = 2;
    const int64_t width = pnm_number(at);
    const int64_t height = pnm_number(at);
    const int64_t largest = pnm_number(at);
    check_size(width, height);
    if (largest < 1 || largest > 65535) fail("", join_text("PNM: largest value ", largest));
    const int64_t sample_bytes = largest > 255 ? 2 : 1;
    const int64_t count = width * height * stored;
    ++at;  // the white space behind the last number
    if (std::ssize(bytes_) - static_cast<int64_t>(at) < count * sample_bytes) {
      fail("", "PNM: truncated");
    }

    // Scale samples to 0 ... 255, rounding to nearest
    Image image{width, height, stored, std::vector<uint8_t>(static_cast<size_t>(count))};
    for (uint8_t& pixel : image.pixels) {
      const int64_t sample =
          number_at(bytes_, at, static_cast<size_t>(sample_bytes), std::endian::big);
      at += static_cast<size_t>(sample_bytes);
      if (sample > largest) fail(join_text("byte ", at), "PNM: sample over the largest value");
      pixel = static_cast<uint8_t>((sample * 255 + largest / 2) / largest);
    }
    return convert(std::move(image));
  }

  int64_t pnm_number(size_t& at) const {
    // White space and comments
    const std::string_view text = as_text(bytes_);
    const size_t before = at;
    while (at < text.size() && (is_space(text[at]) || text[at] == '#')) {
      at = text[at] == '#' ? std::min(text.find('\n', at), text.size()) : at + 1;
    }
    if (at == before || at == text.size()) fail("", "PNM: damaged header");

    // Digits, ended by white space
    int64_t value = 0;
    const size_t first = at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      value = std::min<int64_t>(value * 10 + (text[at] - '0'), kMaxFileBytes);
    }
    if (at == first || at == text.size() || !is_space(text[at])) fail("", "PNM: damaged header");
    return value;
  }

  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  /// From 1 or 3 channels to those asked for, with the weights that stb uses for grey.
  Image convert(Image image) const {
    if (channels_ == 0 || channels_ == image.channels) return image;
    Image out{image.width, image.height, channels_, {}};
    out.pixels.reserve(
        image.pixels.size() / static_cast<size_t>(image.channels) * static_cast<size_t>(channels_));
    const auto source = static_cast<size_t>(image.channels);
    for (size_t at = 0; at < image.pixels.size(); at += source) {
      const uint8_t* pixel = &image.pixels[at];
      const int red = pixel[0];
      const int green = source == 3 ? pixel[1] : red;
      const int blue = source == 3 ? pixel[2] : red;
      if (channels_ >= 3) {
        for (const int value : {red, green, blue})
          out.pixels.push_back(static_cast<uint8_t>(value));
      } else {
        out.pixels.push_back(static_cast<uint8_t>((red * 77 + green * 150 + blue * 29) >> 8));
      }
      if (channels_ % 2 == 0) out.pixels.push_back(255);  // opaque
    }
    return out;
  }

  Bytes bytes_;
  const std::string& name_;
  int64_t channels_;
};

}  // namespace

bool is_image(std::span<const std::byte> first_bytes) {
  return kind_of(first_bytes) != Kind::other;
}

Image read_image(Bytes bytes, const std::string& name, int64_t channels) {
  check_value(
      channels >= 0 && channels <= 4, "read_image", "channels must be 0 to 4, got ", channels);
  return Decoder(bytes, name, channels).decode();
}

Image load_image(const std::string& path, int64_t channels) {
  return read_image(read_file(path, kMaxFileBytes), path, channels);
}

std::vector<std::byte> png_bytes(const Image& image) {
  const auto& [width, height, channels, pixels] = image;
  check_value(
      width >= 1 && width <= kMaxImageSide && height >= 1 && height <= kMaxImageSide &&
          channels >= 1 && channels <= 4 && width * height * channels == std::ssize(pixels),
      "png_bytes", pixels.size(), " bytes are no image of ", width, " x ", height, " pixels with ",
      channels, " channels");
  const StbSize size{static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels)};
  int length = 0;
  const StbBytes encoded = stb_encode_png(pixels.data(), size, length);
  if (encoded == nullptr) raise<Error>("png_bytes", "no memory to encode");
  const auto bytes = std::as_bytes(std::span(encoded.get(), static_cast<size_t>(length)));
  return {bytes.begin(), bytes.end()};
}

void save_png(const std::string& path, const Image& image) {
  write_file_atomic(path, png_bytes(image));
}

}  // namespace limpid
