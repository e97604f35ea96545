// framework/io/stb.cpp: the only file that compiles stb, with three decoders and the PNG encoder.
#include "framework/io/stb.h"

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include "framework/io/image.h"

#include <stb/stb_image_write.h>

namespace limpid {

static_assert(STBI_MAX_DIMENSIONS == kMaxImageSide);

namespace {

const stbi_uc* data_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<const stbi_uc*>(bytes.data());
}

}  // namespace

void StbFree::operator()(uint8_t* pixels) const { stbi_image_free(pixels); }

bool stb_size(std::span<const std::byte> bytes, StbSize& size) {
  return stbi_info_from_memory(
             data_of(bytes), static_cast<int>(bytes.size()), &size.width, &size.height,
             &size.channels) != 0;
}

StbBytes stb_decode(std::span<const std::byte> bytes, int channels, StbSize& size) {
  StbBytes pixels(stbi_load_from_memory(
      data_of(bytes), static_cast<int>(bytes.size()), &size.width, &size.height, &size.channels,
      channels));
  if (channels != 0) size.channels = channels;
  return pixels;
}

StbBytes stb_encode_png(const uint8_t* pixels, const StbSize& size, int& length) {
  return StbBytes(stbi_write_png_to_mem(
      pixels, size.width * size.channels, size.width, size.height, size.channels, &length));
}

const char* stb_reason() {
  const char* reason = stbi_failure_reason();
  return reason != nullptr ? reason : "damaged";
}

}  // namespace limpid
