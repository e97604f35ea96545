// tests/fuzz/tar.cpp: archives as they are, and with the checksums of all headers made right.
#include "datasets/tar.h"

#include "tests/fuzz/fuzz.h"

#include <cstdio>

using namespace limpid;

namespace {

constexpr size_t kBlock = 512, kSum = 148, kSumBytes = 8;

/// Without this hardly any input gets behind the first checksum.
void sign(std::span<std::byte> block) {
  unsigned sum = kSumBytes * ' ';
  for (size_t i = 0; i < kBlock; ++i) {
    if (i < kSum || i >= kSum + kSumBytes) sum += std::to_integer<unsigned>(block[i]);
  }
  char text[kSumBytes + 1];
  std::snprintf(text, sizeof text, "%06o", sum);
  for (size_t i = 0; i < kSumBytes; ++i) block[kSum + i] = static_cast<std::byte>(text[i]);
}

void parse(std::span<const std::byte> bytes) {
  fuzz::attempt([&] {
    size_t total = 0;
    for (const auto& member : datasets::parse_tar(bytes, "archive")) total += member.bytes.size();
    fuzz::expect(total <= bytes.size());
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  parse(bytes);
  std::vector<std::byte> signed_bytes(bytes.begin(), bytes.end());
  for (size_t at = 0; at + kBlock <= signed_bytes.size(); at += kBlock) {
    const std::span block = std::span(signed_bytes).subspan(at, kBlock);
    if (block[kSum] != std::byte{0}) sign(block);
  }
  parse(signed_bytes);
  return 0;
}
