// tests/fuzz/cifar.cpp: records of both kinds.
#include "datasets/cifar.h"

#include "tests/fuzz/fuzz.h"

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  const datasets::CifarFile file{"batch", bytes};
  for (const auto kind : {datasets::CifarKind::cifar10, datasets::CifarKind::cifar100}) {
    fuzz::attempt([&] {
      const datasets::Dataset set = datasets::parse_cifar(kind, {&file, 1});
      fuzz::must([&] { datasets::check_dataset("fuzz", set); });
    });
  }
  return 0;
}
