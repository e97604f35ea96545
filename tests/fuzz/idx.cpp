// tests/fuzz/idx.cpp: images, labels and a pair of IDX files.
#include "datasets/idx.h"

#include "tests/fuzz/fuzz.h"

#include <algorithm>

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  fuzz::attempt([&] { datasets::parse_idx_images(bytes, "images"); });
  fuzz::attempt([&] { datasets::parse_idx_labels(bytes, "labels"); });

  // A pair: the first byte says where the labels begin
  if (bytes.empty()) return 0;
  const size_t cut = std::min<size_t>(data[0] * 8, bytes.size() - 1);
  fuzz::attempt([&] {
    const datasets::Dataset set = datasets::parse_idx_pair(
        {"images", bytes.subspan(1, cut)}, {"labels", bytes.subspan(1 + cut)});
    fuzz::must([&] { datasets::check_dataset("fuzz", set); });
  });
  return 0;
}
