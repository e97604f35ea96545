// tests/fuzz/safetensors.cpp: files of tensors, written and read again.
#include "framework/io/safetensors.h"

#include "framework/io/files.h"
#include "tests/fuzz/fuzz.h"

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  fuzz::attempt([&] {
    const SafetensorsFile file = read_safetensors(bytes, "file");
    fuzz::must([&] {
      const SafetensorsFile back =
          read_safetensors(safetensors_bytes(file.tensors, file.metadata), "file");
      fuzz::expect(back.metadata == file.metadata && back.tensors.size() == file.tensors.size());
      for (const auto& [name, tensor] : file.tensors) {
        const Tensor& other = back.tensors.at(name);
        fuzz::expect(other.shape() == tensor.shape());
        fuzz::expect(as_text(other.bytes()) == as_text(tensor.bytes()));
      }
    });
  });
  return 0;
}
