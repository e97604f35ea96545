// tests/fuzz/image.cpp: PNG, JPEG, BMP and PNM; PNG also with all its checksums made right.
#include "framework/io/image.h"

#include "framework/io/files.h"
#include "framework/io/gzip.h"
#include "framework/io/image_checks.h"
#include "tests/fuzz/fuzz.h"

#include <algorithm>

using namespace limpid;

namespace {

constexpr size_t kLongest = 8 << 10;  // bytes; a picture may be a thousand times its file
constexpr size_t kSignature = 8, kLength = 4, kType = 4, kSum = 4;

/// Without this hardly any input gets behind the first checksum to the decoder.
void sign_png(std::span<std::byte> bytes) {
  size_t at = kSignature;
  while (at + kLength + kType + kSum <= bytes.size()) {
    const size_t length = number_at(bytes, at, kLength, std::endian::big);
    if (length > bytes.size() - at - kLength - kType - kSum) return;
    const uint32_t sum = crc32(bytes.subspan(at + kLength, kType + length));
    at += kLength + kType + length;
    for (size_t i = 0; i < kSum; ++i) bytes[at + i] = static_cast<std::byte>(sum >> (24 - 8 * i));
    at += kSum;
  }
}

void decode(std::span<const std::byte> bytes, int64_t channels) {
  fuzz::attempt([&] {
    const Image image = read_image(bytes, "picture", channels);
    fuzz::expect(std::ssize(image.pixels) == image.width * image.height * image.channels);
    fuzz::expect(channels == 0 || image.channels == channels);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, std::min(size, kLongest));
  decode(bytes, 0);
  decode(bytes, 1);
  if (as_text(bytes).starts_with("\x89PNG")) {
    std::vector<std::byte> signed_bytes(bytes.begin(), bytes.end());
    if (signed_bytes.size() > kSignature) sign_png(signed_bytes);
    decode(signed_bytes, 0);
    decode(signed_bytes, 3);
  }
  return 0;
}
