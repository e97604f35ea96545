// tests/fuzz/npz.cpp: archives of arrays.
#include "framework/io/npz.h"

#include "tests/fuzz/fuzz.h"

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  fuzz::attempt([&] {
    const auto arrays = read_npz(bytes, "archive");
    fuzz::must(
        [&] { fuzz::expect(read_npz(npz_bytes(arrays), "archive").size() == arrays.size()); });
  });
  return 0;
}
