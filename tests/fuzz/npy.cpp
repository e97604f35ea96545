// tests/fuzz/npy.cpp: arrays, written and read again, and pairs of them.
#include "framework/io/npy.h"

#include "datasets/npy_pair.h"
#include "framework/io/files.h"
#include "tests/fuzz/fuzz.h"

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  fuzz::attempt([&] {
    const Tensor array = read_npy(bytes, "array");
    fuzz::must([&] {
      const Tensor back = read_npy(npy_bytes(array), "array");
      fuzz::expect(back.shape() == array.shape());
      fuzz::expect(as_text(back.bytes()) == as_text(array.bytes()));
    });
  });
  fuzz::attempt([&] {
    const datasets::Dataset set = datasets::parse_npy_pair({"X", bytes}, {"y", bytes});
    fuzz::must([&] { datasets::check_dataset("fuzz", set); });
  });
  return 0;
}
