// framework/io/stb.h: the four calls of stb that image.cpp needs.
//
// stb itself is compiled with internal linkage inside stb.cpp, so that a program which brings its
// own stb can still link with this library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace limpid {

/// Gives memory of stb back.
struct StbFree {
  void operator()(uint8_t* pixels) const;
};
using StbBytes = std::unique_ptr<uint8_t[], StbFree>;

struct StbSize {
  int width = 0;
  int height = 0;
  int channels = 0;
};

/// What the header of a PNG, JPEG or BMP says. False if it cannot be read.
bool stb_size(std::span<const std::byte> bytes, StbSize& size);

/// Decodes into `channels` channels (0: those of the file, told in `size`). Null on failure.
StbBytes stb_decode(std::span<const std::byte> bytes, int channels, StbSize& size);

/// Encodes a PNG of `length` bytes. Null on failure.
StbBytes stb_encode_png(const uint8_t* pixels, const StbSize& size, int& length);

/// Why the last call of this thread failed.
const char* stb_reason();

}  // namespace limpid
