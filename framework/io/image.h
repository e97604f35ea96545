// framework/io/image.h: pictures as bytes, decoded from PNG, JPEG, BMP and PNM, written as PNG.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid {

struct Image {
  int64_t width = 0;            // pixels
  int64_t height = 0;           // pixels
  int64_t channels = 0;         // 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha
  std::vector<uint8_t> pixels;  // [height, width, channels], row-major
};

inline constexpr int64_t kMaxImageSide = 16384;  // pixels
inline constexpr int64_t kMaxImagePixels = 64 << 20;

/// Decodes a picture; its kind is told by its first bytes, never by a file name. Samples of 16 bits
/// keep their upper 8. With `channels` 1 to 4 the picture is converted to that many.
/// Throws FormatError, with `name` in its text, for other kinds of file, for damaged or cut data
/// and for a picture over the limits above, which are checked before anything is decoded.
Image read_image(std::span<const std::byte> bytes, const std::string& name, int64_t channels = 0);
Image load_image(const std::string& path, int64_t channels = 0);

/// Whether a file that begins so is one of these kinds.
bool is_image(std::span<const std::byte> first_bytes);

/// The same bytes for the same image, on every machine. Throws ValueError unless the pixels are
/// height * width * channels with 1 to 4 channels and both sides are 1 to kMaxImageSide.
std::vector<std::byte> png_bytes(const Image& image);
/// Writes atomically, see files.h.
void save_png(const std::string& path, const Image& image);

}  // namespace limpid
