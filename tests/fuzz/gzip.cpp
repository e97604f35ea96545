// tests/fuzz/gzip.cpp: gzip files and bare DEFLATE streams.
#include "framework/io/gzip.h"

#include "tests/fuzz/fuzz.h"

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  fuzz::attempt([&] { gunzip(bytes, fuzz::kMaxInflated, "file"); });
  fuzz::attempt([&] { inflate_raw(bytes, fuzz::kMaxInflated, "stream"); });
  fuzz::attempt([&] { fuzz::expect(inflate_raw(bytes, 100, "stream", true).size() <= 100); });
  return 0;
}
