// tests/fuzz/csv.cpp: tables for classification and regression.
#include "datasets/csv.h"

#include "tests/fuzz/fuzz.h"

using namespace limpid;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = fuzz::bytes_of(data, size);
  for (const bool is_regression : {false, true}) {
    fuzz::attempt([&] {
      const datasets::Dataset set =
          datasets::parse_csv(bytes, "table", {.is_regression = is_regression});
      fuzz::must([&] { datasets::check_dataset("fuzz", set); });
    });
    fuzz::attempt([&] {
      datasets::parse_csv(bytes, "table", {.label = "0", .is_regression = is_regression});
    });
  }
  return 0;
}
